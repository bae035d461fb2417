package sensors_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"dashline/sensors"
)

func TestSpread(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), encodeJPEG(t, 16, 16), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for most, want := range map[int][]uint64{
		-1: nil, 0: nil, 1: {0}, 3: {0, 3, 6}, 8: {0, 1, 2, 3, 4, 5, 6, 7}, 20: {0, 1, 2, 3, 4, 5, 6, 7},
	} {
		s, err := sensors.OpenPictures(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for f, err := range sensors.Spread(t.Context(), s, most) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f.Header.Seq)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("at most %d: %v, want %v", most, got, want)
		}
	}
}
