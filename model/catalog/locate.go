package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"dashline/internal/regular"
)

// SearchDirs are the folders in which the files of a network are looked for,
// in order: networks/ of what comes with the program, networks/ under
// DASHLINE_ASSETS (default ../shared/assets where that exists), then the user's
// cache, which is where fetch puts them.
func SearchDirs(name string) []string {
	var dirs []string
	if shipped := Shipped(); shipped != "" {
		dirs = append(dirs, filepath.Join(shipped, "networks"))
	}
	if assets := Assets(); assets != "" {
		dirs = append(dirs, filepath.Join(assets, "networks"))
	}
	if cache, err := CacheDir(name); err == nil {
		dirs = append(dirs, cache)
	}
	return dirs
}

// Shipped is the folder of networks/ and drives/ that come with the program:
// DASHLINE_DATA where that is set, else testdata/ in the folder of the program or
// the working directory, or in one of those that they are in; or "".
func Shipped() string {
	if dir := os.Getenv("DASHLINE_DATA"); dir != "" {
		return dir
	}
	var from []string
	if wd, err := os.Getwd(); err == nil {
		from = append(from, wd)
	}
	if exe, err := os.Executable(); err == nil {
		from = append(from, filepath.Dir(exe))
	}
	for _, dir := range from {
		for parent := ""; dir != parent; parent, dir = dir, filepath.Dir(dir) {
			data := filepath.Join(dir, "testdata")
			// Many a folder has testdata; this one has both of these.
			if isDir(filepath.Join(data, "networks")) && isDir(filepath.Join(data, "drives")) {
				return data
			}
		}
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Assets is the folder of networks and drives that are not part of the
// program: DASHLINE_ASSETS, or ../shared/assets where that exists, or "".
func Assets() string {
	if dir := os.Getenv("DASHLINE_ASSETS"); dir != "" {
		return dir
	}
	dir := filepath.Join("..", "shared", "assets")
	if isDir(dir) {
		return dir
	}
	return ""
}

// CacheDir is the folder of a network in the user's cache.
func CacheDir(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for fetched networks: %w (set XDG_CACHE_HOME or HOME)", err)
	}
	return filepath.Join(cache, "dashline", "networks", name), nil
}

// MissingError says that files of a network are in none of the folders.
type MissingError struct {
	Network Network
	Ref     string   // what fetch takes: the name, or the path of a user's own description
	Files   []string // that are in none
	Dirs    []string // looked in
}

func (e *MissingError) Error() string {
	msg := fmt.Sprintf("network %s: %s not found in %s", e.Network.Name, strings.Join(e.Files, ", "), strings.Join(e.Dirs, ", "))
	if e.Network.Fetchable() {
		return msg + ": dashline fetch " + e.Ref + " (or set DASHLINE_ASSETS to a folder that has networks/ with them)"
	}
	return msg + ": no address is known for it, so put the file into one of these folders, or set DASHLINE_ASSETS (it comes from " + e.Network.Source + ")"
}

// Fetchable says whether every file has an address.
func (n Network) Fetchable() bool {
	for _, f := range n.Files {
		if f.URL == "" {
			return false
		}
	}
	return true
}

// Locate returns the network with Dir set to the first folder that has all of
// its files: its own Dir where that is set, then dirs, or [SearchDirs] where
// none are given. It looks at names only, not inside the files. Otherwise it
// returns the network unchanged and a [*MissingError].
func (n Network) Locate(dirs ...string) (Network, error) {
	if len(dirs) == 0 {
		dirs = SearchDirs(n.Name)
	}
	if n.Dir != "" {
		dirs = append([]string{n.Dir}, dirs...)
	}
	// What to name as missing: from the folder that has the most.
	missing := make([]string, len(n.Files))
	for i, f := range n.Files {
		missing[i] = f.Path
	}
	for _, dir := range dirs {
		var absent []string
		for _, f := range n.Files {
			info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Path)))
			if err != nil || !info.Mode().IsRegular() {
				absent = append(absent, f.Path)
			}
		}
		if len(absent) == 0 {
			n.Dir = dir
			return n, nil
		}
		if len(absent) < len(missing) {
			missing = absent
		}
	}
	return n, &MissingError{Network: n, Ref: n.Name, Files: missing, Dirs: dirs}
}

// File returns the file of a role.
func (n Network) File(role string) (File, bool) {
	for _, f := range n.Files {
		if f.Role == role {
			return f, true
		}
	}
	return File{}, false
}

// Path is where the file of a role is, under Dir. It is "" where the network
// has no such file.
func (n Network) Path(role string) string {
	f, ok := n.File(role)
	if !ok {
		return ""
	}
	return filepath.Join(n.Dir, filepath.FromSlash(f.Path))
}

// Bytes is the size of all files, as far as it is known.
func (n Network) Bytes() int64 {
	var sum int64
	for _, f := range n.Files {
		sum += f.Bytes
	}
	return sum
}

// MismatchError says that a file is not the described one.
type MismatchError struct {
	Path, What    string // What is "length" or "sha256"
	Expected, Got string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s: %s is %s, expected %s: it is cut off, another version or altered", e.Path, e.What, e.Got, e.Expected)
}

// Verify reads the files under Dir and holds them against the described
// lengths and hashes. It returns a [*MismatchError] for the first that differs.
func (n Network) Verify() error {
	for _, f := range n.Files {
		if err := f.verify(filepath.Join(n.Dir, filepath.FromSlash(f.Path))); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	return nil
}

// Check holds the file of a role, of so many bytes, against the described length
// and hash, and reads in to its end where there is a hash. It is for who goes on
// to use the bytes that were checked; path is for the error, which says what to do
// and wraps a [*MismatchError] where the file is another.
func (n Network) Check(role, path string, in io.Reader, length int64) error {
	f, ok := n.File(role)
	if !ok {
		return fmt.Errorf("the description names no file of role %q", role)
	}
	err := f.check(path, in, length)
	if _, other := errors.AsType[*MismatchError](err); !other {
		return err
	}
	switch {
	case n.Fetchable():
		return fmt.Errorf("%w: dashline fetch %s", err, n.Name)
	case n.Source != "":
		return fmt.Errorf("%w: get it again from %s", err, n.Source)
	}
	return fmt.Errorf("%w: get it again, or correct the description", err)
}

func (f File) verify(path string) error {
	in, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return f.check(path, in, info.Size())
}

func (f File) check(path string, in io.Reader, length int64) error {
	if f.Bytes != 0 && length != f.Bytes {
		return &MismatchError{path, "length", fmt.Sprint(f.Bytes), fmt.Sprint(length)}
	}
	if f.SHA256 == "" {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return &MismatchError{path, "sha256", f.SHA256, got}
	}
	return nil
}
