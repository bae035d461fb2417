package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dashline/infer"
	"dashline/infer/internal/infertest"
	"dashline/infer/internal/tiny"
	"dashline/infer/ort"
	"dashline/internal/testkit"
	"dashline/model/catalog"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func needORT(t testing.TB) {
	t.Helper()
	if _, err := ort.Library(); err != nil {
		if os.Getenv("DASHLINE_REQUIRE_ASSETS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func described(t testing.TB, name string) *catalog.Network {
	t.Helper()
	d, err := catalog.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	d.Dir = testkit.Asset(t, "networks")
	return &d
}

// forward runs a network on noise of the range that its description asks for, and
// keeps what it gives.
func forward(t testing.TB, n infer.Network, seed uint64) [][]float32 {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n.Input() {
		n.Input()[i] = r.Float32()
	}
	return infertest.Forward(t, n)
}

func TestDescribedNetworksOpen(t *testing.T) {
	for _, tc := range []struct{ name, engine, runs string }{
		{"yolo-fastest-1.1", "auto", "ort"},
		{"yolo-fastest-1.1-xl", "", "ort"},
		{"yolo-fastest-1.1", "opencv", "opencv"},
		{"mobilenetv2-yolov3-nano-coco", "opencv", "opencv"},
		{"mobilenetv2-yolov3-nano-voc", "opencv", "opencv"},
		{"yolox-nano-416", "opencv", "opencv"},
		{"nanodet", "opencv", "opencv"},
		{"twinlitenetplus-small", "opencv", "opencv"},
		{"twinlitenetplus-nano", "opencv", "opencv"},
		{"yolox-nano-416", "auto", "ort"},
		{"nanodet", "ort", "ort"},
		{"twinlitenet", "auto", "ort"},
	} {
		t.Run(tc.name+" "+tc.engine, func(t *testing.T) {
			if tc.runs == "ort" {
				needORT(t)
			}
			n, err := Open(described(t, tc.name), tc.engine, infer.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if i := n.Info(); i.Engine != tc.runs || i.Name != tc.name {
				t.Errorf("info %+v", i)
			}
			forward(t, n, 1)
		})
	}
}

// One network gives the same on both engines, to a share of the output's largest
// value. OpenCV from 4.7 on computes 3x3 convolutions with Winograd's transform,
// which rounds differently: what is 6e-4 in OpenCV 4.6 is 3e-3 in 4.10 for the
// same output, and grows with the values themselves.
func TestEnginesAgree(t *testing.T) {
	needORT(t)
	const limit = 5e-4
	for _, name := range []string{"twinlitenet-cv46", "twinlitenetplus-nano", "yolox-nano-416", "nanodet", "yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco"} {
		t.Run(name, func(t *testing.T) {
			byName := map[string][]float32{}
			for _, engine := range []string{OpenCV, ORT} {
				n, err := Open(described(t, name), engine, infer.Options{Threads: 2, ScoreFloor: 1e-6})
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				for i, out := range forward(t, n, 5) {
					key := strings.ReplaceAll(n.Info().Outputs[i].Name, "_", "") // OpenCV says yolo_16
					first, seen := byName[key]
					if !seen {
						if engine == ORT {
							t.Fatalf("output %s is on one engine only", key)
						}
						byName[key] = out
						continue
					}
					d := difference(t, out, first)
					t.Logf("output %s differs by at most %.2g of its largest value", key, d)
					if d > limit {
						t.Errorf("output %s differs by %g of its largest value, limit %g", key, d, limit)
					}
				}
			}
		})
	}
}

// A network in a folder of its own, from bytes.
func own(t *testing.T, format string) *catalog.Network {
	t.Helper()
	d := &catalog.Network{Name: "own", Format: format, Source: "the test", Dir: t.TempDir(), Input: catalog.Input{Width: 32, Height: 32}}
	add := func(role, path string, data []byte) {
		if err := os.WriteFile(filepath.Join(d.Dir, path), data, 0o600); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		d.Files = append(d.Files, catalog.File{Role: role, Path: path, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(data)), URL: "https://example.org/" + path})
	}
	if format == "onnx" {
		add("model", "own.onnx", tiny.ONNX())
		return d
	}
	add("config", "own.cfg", []byte(tiny.Cfg))
	add("weights", "own.weights", tiny.Weights())
	return d
}

func TestFilesAreChecked(t *testing.T) {
	n, err := Open(own(t, "darknet"), Auto, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, d *catalog.Network, weights string)
		says   []string
	}{
		{"short", func(t *testing.T, d *catalog.Network, w string) { write(t, w, tiny.Weights()[:100]) }, []string{"own.weights", "length", "3612", "100", "dashline fetch own"}},
		{"altered", func(t *testing.T, d *catalog.Network, w string) {
			b := tiny.Weights()
			b[500] ^= 1
			write(t, w, b)
		}, []string{"own.weights", "sha256", "dashline fetch own"}},
		{"altered, no address", func(t *testing.T, d *catalog.Network, w string) {
			d.Files[1].URL = ""
			write(t, w, tiny.Weights()[:100])
		}, []string{"own.weights", "get it again from the test"}},
		{"missing", func(t *testing.T, d *catalog.Network, w string) {
			if err := os.Remove(w); err != nil {
				t.Fatal(err)
			}
		}, []string{"own.weights", "dashline fetch own"}},
		{"short, unchecked", func(t *testing.T, d *catalog.Network, w string) {
			d.Files[1].SHA256, d.Files[1].Bytes = "", 0
			write(t, w, tiny.Weights()[:400])
		}, []string{"own"}},
		{"no weights named", func(t *testing.T, d *catalog.Network, w string) { d.Files = d.Files[:1] }, []string{"weights"}},
		{"another format", func(t *testing.T, d *catalog.Network, w string) { d.Format = "caffe" }, []string{"darknet or onnx"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := own(t, "darknet")
			tc.damage(t, d, d.Path("weights"))
			_, err := Open(d, Auto, infer.Options{})
			var e *infer.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v is not an *infer.Error", err)
			}
			for _, s := range tc.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

// A file may have become something else since it was found.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	d := own(t, "onnx")
	if err := os.Remove(d.Path("model")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(d.Path("model"), 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.Promptly(t, func() {
		if _, err := read(*d, "model"); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Error(err)
		}
		if _, err := Open(d, Auto, infer.Options{}); err == nil {
			t.Error("a named pipe is opened as a network")
		}
	})
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChoice(t *testing.T) {
	if n, err := Open(own(t, "darknet"), Auto, infer.Options{Backend: infer.CUDA}); err != nil {
		t.Errorf("auto with cuda: %v", err)
	} else {
		if n.Info().Engine != OpenCV { // ort has no other backend
			t.Errorf("auto with cuda runs on %s", n.Info().Engine)
		}
		n.Close()
	}
	if _, err := Open(own(t, "onnx"), "tensorrt", infer.Options{}); err == nil || !strings.Contains(err.Error(), "auto, opencv or ort") {
		t.Errorf("unknown engine: %v", err)
	}
	// Without the library, auto runs ONNX on OpenCV and ort says what to do.
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(ort.LibraryVar, "")
	n, err := Open(own(t, "onnx"), Auto, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Info().Engine != OpenCV {
		t.Errorf("runs on %s", n.Info().Engine)
	}
	if _, err := Open(own(t, "onnx"), ORT, infer.Options{}); !errors.Is(err, ort.ErrNoLibrary) {
		t.Errorf("ort without its library: %v", err)
	}
	t.Setenv(ort.LibraryVar, "/no/such/file")
	if _, err := Open(own(t, "onnx"), Auto, infer.Options{}); err == nil || errors.Is(err, ort.ErrNoLibrary) {
		t.Errorf("auto with a library that is named but absent: %v", err)
	}
}

func TestRequireCUDARefuses(t *testing.T) {
	n, err := Open(own(t, "darknet"), OpenCV, infer.Options{Backend: infer.CUDA, Require: true})
	var e *infer.BackendError
	if err == nil {
		n.Close()
		t.Skip("this machine has CUDA")
	}
	if !errors.As(err, &e) || !strings.Contains(e.Reason, "CUDA") || e.Mend == "" {
		t.Errorf("%v", err)
	}
}
