package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// LibraryVersion is the ONNX Runtime that scripts/setup installs.
const LibraryVersion = "1.30.0"

// LibraryVar names the environment variable that points to another library.
const LibraryVar = "DASHLINE_ONNXRUNTIME"

// ErrNoLibrary means that ONNX Runtime is not installed. Everything but this
// engine works without it.
var ErrNoLibrary = errors.New("ONNX Runtime is not installed")

// Library finds libonnxruntime: the file that DASHLINE_ONNXRUNTIME names, else
// the one that scripts/setup put into the user's cache folder. It returns an
// error that wraps [ErrNoLibrary] where there is none; a variable that names no
// file is an error of its own, since somebody meant it.
func Library() (string, error) {
	if path := os.Getenv(LibraryVar); path != "" {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return "", fmt.Errorf("%s=%s is not a file: point it to libonnxruntime.so, or unset it", LibraryVar, path)
		}
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: no cache folder (%v): set %s, or set HOME and run scripts/setup", ErrNoLibrary, err, LibraryVar)
	}
	pattern := filepath.Join(cache, "dashline", "onnxruntime", LibraryVersion, "libonnxruntime.so*")
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%w (no file %s): run scripts/setup", ErrNoLibrary, pattern)
	}
	return slices.Max(found), nil
}

// ONNX Runtime has one environment in a process and the Go binding keeps it in
// package variables, so its count of users has to be one here too. It lives
// while any network is open.
var env struct {
	sync.Mutex
	users int
}

// acquire starts the environment for its first user.
func acquire() error {
	env.Lock()
	defer env.Unlock()
	if env.users == 0 {
		path, err := Library()
		if err != nil {
			return err
		}
		// Since 1.29 the library reports its use to its makers, and opens a
		// database and a connection for it. Not from a vehicle: this is its full
		// opt-out, and it must be there before the library starts.
		if err := os.Setenv("ORT_DISABLE_TELEMETRY", "1"); err != nil {
			return err
		}
		ort.SetSharedLibraryPath(path)
		if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
			return fmt.Errorf("load ONNX Runtime from %s: %w: run scripts/setup for version %s", path, err, LibraryVersion)
		}
	}
	env.users++
	return nil
}

// release ends the environment after its last user.
func release() error {
	env.Lock()
	defer env.Unlock()
	if env.users--; env.users > 0 {
		return nil
	}
	return ort.DestroyEnvironment()
}

// Version starts the library and asks it, for example "1.30.0".
func Version() (string, error) {
	if err := acquire(); err != nil {
		return "", err
	}
	v := ort.GetVersion()
	return v, release()
}
