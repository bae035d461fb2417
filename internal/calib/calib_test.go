package calib

import (
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
	"dashline/model/catalog"
)

var input = catalog.Input{Width: 8, Height: 4, Resize: "stretch", Color: "rgb", Scale: [3]float32{1, 1, 1}}

// folder holds n grey pictures, the i-th of brightness i.
func folder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 16, 8))
		for p := range 16 * 8 {
			img.SetRGBA(p%16, p/16, color.RGBA{uint8(i), uint8(i), uint8(i), 255})
		}
		testkit.WritePNG(t, filepath.Join(dir, string(rune('a'+i))+".png"), img)
	}
	return dir
}

func TestPicturesAreSpreadEvenly(t *testing.T) {
	dir := folder(t, 12)
	for _, c := range []struct {
		most int
		want []float32
	}{
		{0, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{4, []float32{0, 3, 6, 9}},
		{5, []float32{0, 3, 5, 8, 10}},
		{1, []float32{0}},
	} {
		got, err := Load(t.Context(), []string{dir}, input, c.most, nil)
		if err != nil {
			t.Fatal(err)
		}
		var levels []float32
		for _, p := range got {
			levels = append(levels, p.Input[0])
		}
		if len(levels) != len(c.want) {
			t.Fatalf("most %d: pictures %v, want %v", c.most, levels, c.want)
		}
		for i := range levels {
			if levels[i] != c.want[i] {
				t.Errorf("most %d: pictures %v, want %v", c.most, levels, c.want)
				break
			}
		}
	}
}

// What one source has too few of, the next gives.
func TestSourcesShare(t *testing.T) {
	few, many := folder(t, 2), folder(t, 12)
	got, err := Load(t.Context(), []string{few, many}, input, 8, nil)
	if err != nil || len(got) != 8 {
		t.Errorf("%d pictures, %v; want 8", len(got), err)
	}
	progressed := 0
	got, err = Load(t.Context(), []string{many, few, many}, input, 3, func(done, total int) { progressed = max(progressed, done) })
	if err != nil || len(got) != 3 || progressed != 3 {
		t.Errorf("%d pictures of three sources, told of %d, %v; want 3", len(got), progressed, err)
	}
	drive := "../../testdata/drives/cut-in.mp4"
	in := input
	in.Width, in.Height = 64, 36
	if got, err = Load(t.Context(), []string{many, drive}, in, 10, nil); err != nil || len(got) != 10 {
		t.Errorf("%d pictures, %v; want 10", len(got), err)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "a.png"), []byte("\x89PNG\r\n\x1a\nnothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		paths []string
		most  int
		want  string
	}{
		{"nothing named", nil, 0, "no pictures named"},
		{"an empty folder", []string{t.TempDir()}, 0, "folder"},
		{"no folder", []string{"none"}, 0, "there is no such file"},
		{"unreadable pictures", []string{broken}, 0, "no picture that can be read"},
		{"too many", []string{broken}, 1 << 40, "do not fit"},
		{"fewer than sources", []string{"a", "b", "c"}, 2, "2 pictures of 3 sources"},
		{"fewer than none", []string{broken}, -1, "do not fit"},
	} {
		if _, err := Load(t.Context(), c.paths, input, c.most, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}
