package finetune

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"dashline/internal/netfile"
	"dashline/training"
)

// record says what a result was made of. It lies beside it.
type record struct {
	Of     string            `json:"of"`    // hash of networks, options, recipe and pictures
	Files  map[string]string `json:"files"` // hashes of the result's, by suffix
	Result Result            `json:"result"`
}

func (o *Options) recordFile() string { return o.Out + ".finetuned" }

// of is a hash of all that a result depends on but the processor and the versions of
// Python and its modules; data are the folders that the recipe reads.
func (o *Options) of(data []string) (string, error) {
	asked, err := o.asked()
	if err != nil {
		return "", err
	}
	program, err := training.Digest()
	if err != nil {
		return "", err
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.NumCPU()
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%d\n", asked, program, threads)
	for _, folders := range [][]string{data, o.Validate} {
		for _, folder := range folders {
			if err := contents(h, folder); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// contents writes names and hashes of all files of a folder.
func contents(to io.Writer, folder string) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, err := digest(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(to, "%q %s\n", name, sum)
		return err
	})
}

// made is the result of an earlier run on the same, where its files are still those.
func (o *Options) made(of string) (*Result, bool) {
	text, err := os.ReadFile(o.recordFile())
	if err != nil {
		return nil, false
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil || r.Of != of {
		return nil, false
	}
	for file, want := range r.Files {
		if got, err := digest(o.Out + file); err != nil || got != want {
			return nil, false
		}
	}
	r.Result.Network = o.Out + ".yaml"
	return &r.Result, len(r.Files) > 0
}

// remember writes the record of a result.
func (o *Options) remember(of string, result *Result) error {
	r := record{Of: of, Files: map[string]string{}, Result: *result}
	for _, suffix := range []string{".cfg", ".weights"} {
		var err error
		if r.Files[suffix], err = digest(o.Out + suffix); err != nil {
			return fmt.Errorf("fine-tune: %w", err)
		}
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return netfile.Replace(o.recordFile(), append(text, '\n'))
}
