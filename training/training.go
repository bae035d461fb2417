// Package training holds the training recipe, Python and PyTorch, so that the
// program can bring it along.
package training

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed train.py dashtrain/*.py
var recipe embed.FS

// Script is the recipe's program, relative to the folder that Write wrote to.
const Script = "train.py"

// Write writes the recipe into dir.
func Write(dir string) error {
	return fs.WalkDir(recipe, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := recipe.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return fmt.Errorf("write the training recipe: %w", err)
		}
		return nil
	})
}

// Digest is a hash of the recipe, SHA-256 in hexadecimal: another recipe has another.
func Digest() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(recipe, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := recipe.ReadFile(path)
		fmt.Fprintf(h, "%q %d\n%s", path, len(text), text)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
