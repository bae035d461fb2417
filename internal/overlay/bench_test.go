package overlay_test

import (
	"os"
	"path/filepath"
	"testing"

	"gocv.io/x/gocv"

	"dashline/internal/avenc"
	"dashline/internal/overlay"
	"dashline/internal/testkit"
)

// BenchmarkEncode writes sixty pictures of a drive with the package's own encoder
// and with OpenCV's H.264 writer, which it replaced.
func BenchmarkEncode(b *testing.B) {
	pictures := drive(b, 60)
	size := pictures[0].Size()
	for _, bb := range []struct {
		name string
		open func(path string) (write func(gocv.Mat) error, end func() error)
	}{
		{"avenc", func(path string) (func(gocv.Mat) error, func() error) {
			w, err := avenc.Create(path, overlay.Encoding(size[1], size[0], 25))
			if err != nil {
				b.Fatal(err)
			}
			return func(m gocv.Mat) error {
				pixels, err := m.DataPtrUint8()
				if err != nil {
					return err
				}
				return w.Write(pixels)
			}, w.Close
		}},
		{"opencv", func(path string) (func(gocv.Mat) error, func() error) {
			w, err := gocv.VideoWriterFile(path, "avc1", 25, size[1], size[0], true)
			if err != nil || !w.IsOpened() {
				b.Fatalf("OpenCV's writer does not open: %v", err)
			}
			return w.Write, w.Close
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "x.mp4")
			for b.Loop() {
				write, end := bb.open(path)
				for _, m := range pictures {
					if err := write(m); err != nil {
						b.Fatal(err)
					}
				}
				if err := end(); err != nil {
					b.Fatal(err)
				}
			}
			st, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			frames := float64(b.N * len(pictures))
			b.ReportMetric(b.Elapsed().Seconds()*1000/frames, "ms/frame")
			b.ReportMetric(float64(st.Size())/float64(len(pictures))/1000, "kB/frame")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func drive(b *testing.B, n int) []gocv.Mat {
	c, err := gocv.VideoCaptureFile(testkit.Asset(b, "drives/videos/solidWhiteRight.mp4"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var all []gocv.Mat
	for range n {
		m := gocv.NewMat()
		b.Cleanup(func() { _ = m.Close() })
		if !c.Read(&m) {
			b.Fatalf("only %d pictures", len(all))
		}
		all = append(all, m)
	}
	return all
}
