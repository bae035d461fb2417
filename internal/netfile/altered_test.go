package netfile

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"dashline/internal/testkit/tinynet"
	"dashline/model/catalog"
	"dashline/model/onnx"
)

// Files that are not those of the description are refused, however the network is
// named; what the description says nothing of is not.
func TestLoadChecksFiles(t *testing.T) {
	for _, c := range []struct {
		name   string
		change string // the file that another byte is written into
		ref    string // the ending of what is opened
		o      Options
		want   string // of the error; empty: it is opened
	}{
		{"weights", ".weights", ".yaml", Options{}, ".weights: sha256 is "},
		{"cfg", ".cfg", ".yaml", Options{}, ".cfg: sha256 is "},
		{"cfg, its weights left out", ".cfg", ".yaml", Options{Topology: true}, ".cfg: sha256 is "},
		{"weights of a cfg that is named", ".weights", ".cfg", Options{}, ".weights: sha256 is "},
		{"a cfg that is named", ".cfg", ".cfg", Options{}, ".cfg: sha256 is "},
		{"onnx", "-onnx.onnx", "-onnx.yaml", Options{}, "-onnx.onnx: sha256 is "},
		{"an onnx that is named", "-onnx.onnx", "-onnx.onnx", Options{}, "-onnx.onnx: sha256 is "},
		{"none", "", ".yaml", Options{}, ""},
		{"none, named", "", ".cfg", Options{}, ""},
		{"weights that are not used", ".weights", ".cfg", Options{Weights: "other"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := stem(tinynet.Detector(t, "net", 1))
			n, err := Load(base+".yaml", false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.SaveONNX(base+"-onnx", n.Graph, onnx.Options{Fold: true, Decode: true}, ""); err != nil {
				t.Fatal(err)
			}
			if c.o.Weights != "" {
				c.o.Weights = stem(tinynet.Detector(t, "other", 2)) + ".weights"
			}
			if c.change != "" {
				alter(t, base+c.change)
			}
			if c.o.Topology {
				if err := os.Remove(base + ".weights"); err != nil {
					t.Fatal(err)
				}
			}
			_, err = LoadWith(base+c.ref, c.o)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if _, ok := errors.AsType[*catalog.MismatchError](err); !ok || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "open network net") {
				t.Errorf("%v, want a mismatch that says %q", err, c.want)
			}
		})
	}
}

// A description without lengths and hashes says nothing of what its files hold, and
// one of the wrong length is refused before its bytes are looked at.
func TestLoadChecksWhatIsDescribed(t *testing.T) {
	described := tinynet.Detector(t, "net", 1)
	text, err := os.ReadFile(described)
	if err != nil {
		t.Fatal(err)
	}
	hash, length := regexp.MustCompile(`(?m)^ +sha256: .*\n`), regexp.MustCompile(`(?m)^ +bytes: .*\n`)
	write(t, described, length.ReplaceAll(hash.ReplaceAll(text, nil), nil))
	alter(t, stem(described)+".weights")
	if _, err := Load(described, false); err != nil {
		t.Errorf("nothing is said of the files: %v", err)
	}
	write(t, described, hash.ReplaceAll(text, nil))
	if _, err := Load(described, false); err != nil {
		t.Errorf("only lengths are described: %v", err)
	}
	data, err := os.ReadFile(stem(described) + ".weights")
	if err != nil {
		t.Fatal(err)
	}
	write(t, stem(described)+".weights", data[:len(data)-4])
	if _, err := Load(described, false); err == nil || !strings.Contains(err.Error(), ".weights: length is ") || !strings.Contains(err.Error(), "get it again from made for a test") {
		t.Errorf("cut off: %v", err)
	}
}

// alter changes one byte of a file, with which it still is one.
func alter(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".cfg") {
		data[len(data)-1] = ' ' // was the last line's end
	} else {
		data[len(data)/2] ^= 1
	}
	write(t, path, data)
}
