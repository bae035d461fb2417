package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dashline/internal/testkit"
)

func TestShippedDescriptionsAreValid(t *testing.T) {
	names := Names()
	if len(names) < 13 {
		t.Errorf("%d descriptions: %v", len(names), names)
	}
	for _, name := range names {
		n, err := Get(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n.Name != name {
			t.Errorf("file %s.yaml describes %s", name, n.Name)
		}
		if n.Summary == "" || n.License == "" || n.Source == "" {
			t.Errorf("%s: summary, license or source is missing", name)
		}
		for _, f := range n.Files {
			if f.SHA256 == "" || f.Bytes == 0 {
				t.Errorf("%s: %s has no hash or length", name, f.Path)
			}
			if f.URL != "" && !strings.HasPrefix(f.URL, "https://") {
				t.Errorf("%s: %s is not https", name, f.URL)
			}
		}
	}
}

// The files that descriptions name are those in the assets, byte for byte.
func TestShippedDescriptionsMatchTheFiles(t *testing.T) {
	dir := testkit.Asset(t, "networks")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	unnamed := map[string]bool{}
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".cfg", ".weights", ".onnx":
			unnamed[e.Name()] = true
		}
	}
	for _, name := range Names() {
		n, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range n.Files {
			path := filepath.Join(dir, f.Path)
			if shipped(name) {
				path = filepath.Join(testkit.Root(), "testdata", "networks", f.Path)
			}
			if _, err := os.Stat(path); err != nil {
				if !strings.HasPrefix(name, "yolov3") { // these have only their cfg there
					t.Error(err)
				}
				continue
			}
			delete(unnamed, f.Path)
			if err := f.verify(path); err != nil {
				t.Error(err)
			}
		}
	}
	for file := range unnamed {
		t.Errorf("no description names %s", file)
	}
}

// shipped says that a network comes with the program.
func shipped(name string) bool { return strings.HasPrefix(name, "dashline-") }

// Each file in testdata/networks is described, or belongs to a network that is.
func TestShippedNetworksAreDescribed(t *testing.T) {
	for _, f := range shippedFiles(t, "networks") {
		name := strings.TrimSuffix(strings.TrimSuffix(f.Name(), filepath.Ext(f.Name())), "-training")
		if _, err := Get(name); err != nil && f.Name() != "README.md" {
			t.Errorf("%s: %v", f.Name(), err)
		}
	}
}

// What was generated stays small enough to come with the source.
func TestShippedFilesAreSmall(t *testing.T) {
	total := int64(0)
	for _, f := range append(shippedFiles(t, "networks"), shippedFiles(t, "drives")...) {
		total += f.Size()
	}
	if total > 40e6 {
		t.Errorf("networks and drives take %.1f MB, 40 are meant for them", float64(total)/1e6)
	}
}

func shippedFiles(t *testing.T, folder string) []os.FileInfo {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(testkit.Root(), "testdata", folder))
	if err != nil {
		t.Fatal(err)
	}
	var files []os.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, info)
	}
	return files
}

func TestClassListsMatchTheFiles(t *testing.T) {
	for list, want := range map[string]int{"coco": 80, "voc": 20} {
		got, err := expand([]string{"@" + list})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != want {
			t.Errorf("%s has %d names, want %d", list, len(got), want)
		}
		data, err := os.ReadFile(testkit.Asset(t, "networks/"+list+".names"))
		if err != nil {
			t.Fatal(err)
		}
		if file := strings.Split(strings.TrimSpace(string(data)), "\n"); !slices.Equal(got, file) {
			t.Errorf("%s differs from the file:\n%v\n%v", list, got, file)
		}
	}
	if _, err := expand([]string{"@imagenet"}); err == nil {
		t.Error("an unknown list is accepted")
	}
}

func TestGet(t *testing.T) {
	n, err := Get("YOLO-Fastest-1.1-XL")
	if err != nil || n.Name != "yolo-fastest-1.1-xl" || len(n.Classes) != 80 {
		t.Errorf("%+v, %v", n, err)
	}
	_, err = Get("yolo-fastest-1.1-x")
	var unknown *UnknownError
	if !errors.As(err, &unknown) || unknown.Nearest != "yolo-fastest-1.1-xl" {
		t.Errorf("%v", err)
	}
	if _, err = Get("../catalog"); !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

const own = `name: my-net
summary: a network of my own
task: detect
format: onnx
files:
  - role: model
    path: sub/my.onnx
    url: http://127.0.0.1:1234/my.onnx
input:
  width: 320
  height: 256
  resize: letterbox
  pad: [114, 114, 114]
  color: rgb
  mean: [0, 0, 0]
  scale: [1, 1, 1]
decode:
  kind: yolox
  strides: [8, 16, 32]
classes: [cat, dog]
license: mine
source: here
`

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResolveOwnDescription(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "my.yaml"), own)
	cache := t.TempDir()

	n, err := Resolve(path, cache)
	var missing *MissingError
	if !errors.As(err, &missing) || !slices.Equal(missing.Files, []string{"sub/my.onnx"}) || n.Name != "my-net" {
		t.Fatalf("%+v, %v", n, err)
	}
	if !strings.Contains(err.Error(), ": dashline fetch "+path) {
		t.Errorf("no mend: %v", err)
	}
	write(t, filepath.Join(cache, "sub", "my.onnx"), "x")
	if n, err = Resolve(path, cache); err != nil || n.Dir != cache {
		t.Errorf("in the cache: %q, %v", n.Dir, err)
	}
	write(t, filepath.Join(dir, "sub", "my.onnx"), "x")
	if n, err = Resolve(path, cache); err != nil || n.Dir != dir {
		t.Errorf("beside the description: %q, %v", n.Dir, err)
	}
	if n.Path("model") != filepath.Join(dir, "sub", "my.onnx") || n.Path("weights") != "" {
		t.Errorf("paths %q, %q", n.Path("model"), n.Path("weights"))
	}
}

func TestResolveLooksInTheAssetsAndThenInTheCache(t *testing.T) {
	assets, cache := t.TempDir(), t.TempDir()
	t.Setenv("DASHLINE_ASSETS", assets)
	t.Setenv("XDG_CACHE_HOME", cache)
	if _, err := Resolve("nanodet"); err == nil || !strings.Contains(err.Error(), "put the file into one of these folders") {
		t.Errorf("%v", err)
	}
	inCache := filepath.Join(cache, "dashline", "networks", "nanodet")
	write(t, filepath.Join(inCache, "nanodet.onnx"), "x")
	if n, err := Resolve("nanodet"); err != nil || n.Dir != inCache {
		t.Errorf("%q, %v", n.Dir, err)
	}
	inAssets := filepath.Join(assets, "networks")
	write(t, filepath.Join(inAssets, "nanodet.onnx"), "x")
	n, err := Resolve("nanodet")
	if err != nil || n.Dir != inAssets {
		t.Errorf("%q, %v", n.Dir, err)
	}
	var mismatch *MismatchError
	if err := n.Verify(); !errors.As(err, &mismatch) || mismatch.What != "length" {
		t.Errorf("a file of one byte passes: %v", err)
	}
}

func TestVerifyHash(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "f"), "abc")
	good := File{Path: "f", Bytes: 3, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
	if err := good.verify(path); err != nil {
		t.Error(err)
	}
	bad := good
	bad.SHA256 = strings.Repeat("0", 64)
	var mismatch *MismatchError
	if err := bad.verify(path); !errors.As(err, &mismatch) || mismatch.What != "sha256" {
		t.Errorf("%v", err)
	}
}

// Opening a named pipe would wait for its writer.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "my.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	own := Network{Name: "own", Dir: filepath.Dir(pipe), Files: []File{{Role: "model", Path: "my.yaml"}}}
	testkit.Promptly(t, func() {
		if _, err := Load(pipe); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("Load: %v", err)
		}
		if err := own.Verify(); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("Verify: %v", err)
		}
	})
}

func TestLoadErrors(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(own, old) {
			t.Fatalf("%q is not in the example", old)
		}
		return strings.Replace(own, old, new, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", edit("strides:", "stride:"), "my.yaml:19:3: unknown key decode.stride: did you mean decode.strides?"},
		{"missing key", edit("task: detect\n", ""), "key task is missing"},
		{"size bound", edit("width: 320", "width: 4128"), "input.width: 4128 is outside of its range, 16 to 4096"},
		{"grid", edit("width: 320", "width: 330"), "330x256 is not a multiple of 32"},
		{"colour", edit("color: rgb", "color: grey"), `input.color: expected one of rgb, bgr, found "grey"`},
		{"kind", edit("kind: yolox", "kind: yolo9"), "decode.kind: expected one of yolo, yolox, nanodet, twinlite"},
		{"kind and task", edit("kind: yolox", "kind: twinlite"), "decode.kind: twinlite is for task lanes"},
		{"kind and format", edit("format: onnx", "format: darknet"), "a darknet network is read as yolo"},
		{"roles", edit("role: model", "role: weights"), "files: format onnx is made of the roles model, found weights"},
		{"no strides", edit("  strides: [8, 16, 32]\n", ""), "decode.strides: yolox and nanodet need them"},
		{"stride 0", edit("[8, 16, 32]", "[0, 16, 32]"), "decode.strides[0]: 0 is outside of its range"},
		{"no classes", edit("[cat, dog]", "[]"), "classes: a detector needs their names"},
		{"empty class", edit("[cat, dog]", `[cat, ""]`), "classes[1]"},
		{"absolute path", edit("sub/my.onnx", "/etc/passwd"), "not a relative path"},
		{"path upwards", edit("sub/my.onnx", "../my.onnx"), "not a relative path"},
		{"path through", edit("sub/my.onnx", "a/../../my.onnx"), "not a relative path"},
		{"backslashes", edit("sub/my.onnx", `..\my.onnx`), "not a relative path"},
		{"no path", edit("sub/my.onnx", `""`), "not a relative path"},
		{"the folder", edit("sub/my.onnx", "."), "not a relative path"},
		{"name with a path", edit("name: my-net", "name: ../my-net"), "is not a name"},
		{"hash", edit("path: sub/my.onnx", "path: sub/my.onnx\n    sha256: abc"), "is not 64 lower-case hexadecimal digits"},
		{"file scheme", edit("http://127.0.0.1:1234/my.onnx", "file:///etc/passwd"), "is not an https address"},
		{"zero scale", edit("scale: [1, 1, 1]", "scale: [1, 0, 1]"), "input.scale[1]: 0"},
		{"pad rows", edit("color: rgb", "color: rgb\n  pad_rows: 12"), `only resize "pad" has them`},
		{"all padding", edit("resize: letterbox", "resize: pad\n  pad_rows: 128"), "leave nothing"},
		{"accuracy above 1", own + "accuracy: {ap50: 1.2, data: heldout.mp4}\n", "accuracy.ap50: 1.2 is outside of its range, 0 to 1"},
		{"accuracy of what", own + "accuracy: {ap50: 0.9}\n", "data says what it was measured on: give both"},
		{"accuracy of nothing", own + "accuracy: {data: heldout.mp4}\n", "ap50 is above 0"},
		{"accuracy on lines", own + `accuracy: {ap50: 0.9, data: "a\nb"}` + "\n", "is not one line"},
		{"accuracy of text", own + "accuracy: {ap50: good, data: heldout.mp4}\n", "accuracy.ap50: expected a number"},
		{"too long", strings.Repeat("#", maxDescription+1), "which no description is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(write(t, filepath.Join(t.TempDir(), "my.yaml"), c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What comes with the program is called the same wherever it lies; what else there
// is, by its path.
func TestDataName(t *testing.T) {
	shipped, assets := t.TempDir(), t.TempDir()
	t.Setenv("DASHLINE_DATA", shipped)
	t.Setenv("DASHLINE_ASSETS", assets)
	for _, c := range []struct {
		paths []string
		every int
		want  string
	}{
		{[]string{filepath.Join(shipped, "drives", "heldout.mp4")}, 1, "testdata/drives/heldout.mp4"},
		{[]string{filepath.Join(shipped, "drives", "heldout.mp4")}, 10, "testdata/drives/heldout.mp4, 1 frame of 10"},
		{[]string{filepath.Join(assets, "drives", "coco") + "/", "mine/./a.mp4"}, 1, "drives/coco under DASHLINE_ASSETS + mine/a.mp4"},
		{[]string{"/elsewhere/heldout.mp4"}, 1, "/elsewhere/heldout.mp4"},
		{[]string{filepath.Join(shipped, "..", "heldout.mp4")}, 1, filepath.ToSlash(filepath.Join(filepath.Dir(shipped), "heldout.mp4"))},
	} {
		if got := DataName(c.paths, c.every); got != c.want {
			t.Errorf("%v, every %d: %q, want %q", c.paths, c.every, got, c.want)
		}
	}
}

func TestPreprocessingConstants(t *testing.T) {
	n, err := Get("nanodet")
	if err != nil {
		t.Fatal(err)
	}
	for c, divisor := range []float32{57.375, 57.12, 58.395} {
		if n.Input.Scale[c] != 1/divisor && n.Input.Scale[c] != float32(1/float64(divisor)) {
			t.Errorf("scale[%d] = %v, want 1/%v", c, n.Input.Scale[c], divisor)
		}
	}
	if n, err = Get("yolov3"); err != nil || n.Input.Scale != [3]float32{1 / 255., 1 / 255., 1 / 255.} {
		t.Errorf("%v, %v", n.Input.Scale, err)
	}
}
