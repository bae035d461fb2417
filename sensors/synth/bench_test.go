package synth

import "testing"

// BenchmarkFrame is a step and a picture of each scenario: frames a second are
// what the machine gives, on as many cores as it has.
func BenchmarkFrame(b *testing.B) {
	for _, name := range Names() {
		b.Run(name, func(b *testing.B) {
			sc, err := Builtin(name)
			if err != nil {
				b.Fatal(err)
			}
			w, err := New(sc, 1)
			if err != nil {
				b.Fatal(err)
			}
			img := NewImage(sc.Camera.Width, sc.Camera.Height)
			b.ReportAllocs()
			for b.Loop() {
				w.Step(1/sc.FPS, nil)
				w.Render(img)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}
