package film_test

import (
	"testing"

	"dashline/sensors/synth"
	"dashline/sensors/synth/export"
	"dashline/sensors/synth/film"
	"dashline/sensors/synth/truth"
)

// BenchmarkExport fills a YOLO folder with every fifteenth picture of a drive of
// a minute, as training data is made.
func BenchmarkExport(b *testing.B) {
	sc, err := synth.Builtin("mixed")
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		set, err := export.Create(b.TempDir(), "yolo", truth.Classes())
		if err != nil {
			b.Fatal(err)
		}
		if err := film.Export(b.Context(), sc, 1, 1, 15, set, func(int, int) { n++ }); err != nil {
			b.Fatal(err)
		}
		if err := set.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "pictures/s")
}
