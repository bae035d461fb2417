package film_test

import (
	"os"
	"path/filepath"
	"testing"

	"dashline/internal/testkit"
	"dashline/sensors/synth/film"
)

// Video, truth and hashes of each drive that comes with the program are of each
// other, and all of them together are small.
func TestShippedDrivesAreWhole(t *testing.T) {
	dir := filepath.Join(testkit.Root(), "testdata", "drives")
	videos, err := filepath.Glob(filepath.Join(dir, "*.mp4"))
	if err != nil || len(videos) < 8 {
		t.Fatalf("%d drives in %s (%v)", len(videos), dir, err)
	}
	for _, video := range videos {
		t.Run(filepath.Base(video), func(t *testing.T) {
			t.Parallel()
			kept, err := film.ReadHashes(film.HashPath(video))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := film.Verify(t.Context(), video, kept, nothing); err != nil {
				t.Error(err)
			}
		})
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 20e6 {
		t.Errorf("the drives take %.1f MB, 20 are meant for them", float64(total)/1e6)
	}
}
