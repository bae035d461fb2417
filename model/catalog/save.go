package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"dashline/internal/regular"
)

// Save writes n as a description that [Load] reads. The length and hash of each
// of its files, which lie in the description's folder, are taken from the files
// as they are now. It replaces a file whole or not at all.
func Save(file string, n Network) error {
	dir := filepath.Dir(file)
	files := make([]File, len(n.Files))
	for i, f := range n.Files {
		var err error
		if f.Bytes, f.SHA256, err = digest(filepath.Join(dir, f.Path)); err != nil {
			return fmt.Errorf("describe network %s: %w", n.Name, err)
		}
		files[i] = f
	}
	n.Files, n.Dir = files, dir
	if err := n.Validate(); err != nil {
		return fmt.Errorf("describe network %s: %w", n.Name, err)
	}
	part, err := os.CreateTemp(dir, ".description-*")
	if err != nil {
		return fmt.Errorf("describe network %s: %w", n.Name, err)
	}
	defer os.Remove(part.Name()) // of what was renamed nothing is left
	_, err = part.WriteString(n.text())
	if err = errors.Join(err, part.Chmod(0o644), part.Close()); err == nil {
		err = os.Rename(part.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("describe network %s: %w", n.Name, err)
	}
	return nil
}

func digest(path string) (int64, string, error) {
	f, err := regular.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	length, err := io.Copy(h, f)
	return length, hex.EncodeToString(h.Sum(nil)), err
}

// text is the description in the order in which people read it.
func (n *Network) text() string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	line("name", quoted(n.Name))
	line("summary", quoted(n.Summary))
	line("task", n.Task)
	line("format", n.Format)
	b.WriteString("files:\n")
	for _, f := range n.Files {
		line("  - role", f.Role)
		line("    path", quoted(f.Path))
		line("    sha256", f.SHA256)
		line("    bytes", strconv.FormatInt(f.Bytes, 10))
		line("    url", quoted(f.URL))
	}
	in := n.Input
	b.WriteString("input:\n")
	line("  width", strconv.Itoa(in.Width))
	line("  height", strconv.Itoa(in.Height))
	line("  resize", in.Resize)
	if in.Resize != "stretch" {
		line("  pad", numbers(in.Pad[:]))
	}
	if in.PadRows != 0 {
		line("  pad_rows", strconv.Itoa(in.PadRows))
	}
	line("  color", in.Color)
	line("  mean", numbers(in.Mean[:]))
	line("  scale", numbers(in.Scale[:]))
	b.WriteString("decode:\n")
	line("  kind", n.Decode.Kind)
	if len(n.Decode.Strides) > 0 {
		line("  strides", "["+strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Decode.Strides), " ", ", "), "[]")+"]")
	}
	if n.Decode.Bins != 0 {
		line("  bins", strconv.Itoa(n.Decode.Bins))
	}
	if len(n.Classes) > 0 {
		words := make([]string, len(n.Classes))
		for i, c := range n.Classes {
			words[i] = quoted(c)
		}
		line("classes", "["+strings.Join(words, ", ")+"]")
	}
	line("license", quoted(n.License))
	line("source", quoted(n.Source))
	if n.Accuracy.Known() {
		b.WriteString("accuracy:\n")
		line("  ap50", strconv.FormatFloat(n.Accuracy.AP50, 'f', -1, 64))
		line("  data", quoted(n.Accuracy.Data))
	}
	return b.String()
}

// quoted is s as YAML reads it back. JSON's way of quoting is YAML's too.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

// numbers is the shortest text that gives the same float32 again.
func numbers(v []float32) string {
	words := make([]string, len(v))
	for i, x := range v {
		words[i] = strconv.FormatFloat(float64(x), 'g', -1, 32)
	}
	return "[" + strings.Join(words, ", ") + "]"
}
