//go:build cgo

package export_test

import (
	"os"
	"path/filepath"
	"testing"

	"dashline/lanes/metric" // draws with OpenCV elsewhere
	"dashline/sensors/synth/truth"
)

// The evaluator of lanes reads what the export says.
func TestTuSimple(t *testing.T) {
	dir := t.TempDir()
	p := picture("a-1", 20)
	for side := 2; side < 8; side++ {
		p.Truth.Lanes = append(p.Truth.Lanes, truth.Lane{Side: side, Image: [][2]float64{{100, 72}, {90, 30}}})
	}
	fill(t, dir, "tusimple", p)
	frames, err := metric.ReadTuSimple(filepath.Join(dir, "label_data.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(frames) != 1 || frames[0].File != "clips/a-1/000020.jpg" || len(frames[0].Lanes) != 5 || len(frames[0].Samples) != 56 {
		t.Fatalf("%+v", frames)
	}
	if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(frames[0].File))); err != nil {
		t.Error(err)
	}
	// Line -1 runs at 45 degrees: column and row add up to 82, and begin at row 32.
	for i, row := range frames[0].Samples {
		want := 82 - row
		if row < 32 {
			want = -2
		}
		if got := frames[0].Lanes[1][i]; got != want {
			t.Errorf("row %g: column %g; want %g", row, got, want)
		}
	}
	if first := frames[0].Lanes[0]; first[len(first)-1] != -2 {
		t.Errorf("the line left of the picture is in it: %v", first)
	}
}
