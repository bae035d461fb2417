// Package regular opens files that a user named.
//
// Invariant: nothing but a regular file is ever opened. Opening a named pipe
// waits for a writer that may never come, and reading a device need not end.
package regular

import (
	"errors"
	"io/fs"
	"os"
)

// Open opens the regular file that path names, directly or through symbolic
// links. The error of anything else is an [*fs.PathError] that says what it is.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if what := kind(info.Mode()); what != "" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is " + what + ", not a regular file")}
	}
	return os.Open(path)
}

// kind says what a file is; it is empty for a regular one.
func kind(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return ""
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}
