package training

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The digest is of every file that is written, by name and content.
func TestDigest(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	h, files := sha256.New(), 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		fmt.Fprintf(h, "%q %d\n%s", path, len(text), text)
		files++
		return err
	})
	if err != nil || files < 2 {
		t.Fatalf("%d files, %v", files, err)
	}
	got, err := Digest()
	if want := hex.EncodeToString(h.Sum(nil)); err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}
