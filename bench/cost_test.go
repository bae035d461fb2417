package bench_test

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"dashline/infer/engine"
	"dashline/infer/preprocess"
	"dashline/internal/config"
	"dashline/internal/session"
	"dashline/internal/testkit"
	"dashline/model/catalog"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

const drive = "drives/videos/solidWhiteRight.mp4"

// BenchmarkFrameCost compares the whole pipeline without lanes (decoding,
// preprocessing, forward, boxes, plan, NATS) with its two parts that nobody can
// avoid: the decoder and the engine's own forward, each alone, one after the
// other. Rounds of both take turns; the figures are medians over rounds.
//
//	go test ./bench -run '^$' -bench FrameCost -benchtime 5x
func BenchmarkFrameCost(b *testing.B) {
	video := testkit.Asset(b, drive)
	testkit.UseAssets(b)
	for _, name := range []string{"yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco"} {
		b.Run(name, func(b *testing.B) {
			cfg := config.Default()
			cfg.Source, cfg.Quiet, cfg.Lanes.Enabled, cfg.Detect.Network = video, true, false, name
			var decode, forward, whole, ratio []float64
			for range b.N {
				d, f := parts(b, cfg)
				w := pipeline(b, cfg)
				decode, forward, whole = append(decode, d), append(forward, f), append(whole, w)
				ratio = append(ratio, w/(d+f))
			}
			b.ReportMetric(median(decode), "decode-ms/frame")
			b.ReportMetric(median(forward), "forward-ms/frame")
			b.ReportMetric(median(whole), "whole-ms/frame")
			b.ReportMetric(median(ratio), "whole/(decode+forward)")
			b.ReportMetric(0, "ns/op") // a round is not an operation anyone knows
		})
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func millis(d time.Duration, frames int) float64 {
	return float64(d) / float64(time.Millisecond) / float64(frames)
}

// parts times decoding of every frame, and as many forwards, each in a loop alone.
func parts(b *testing.B, cfg config.Config) (decode, forward float64) {
	d, err := catalog.Get(cfg.Detect.Network)
	if err != nil {
		b.Fatal(err)
	}
	net, err := engine.Open(&d, cfg.Detect.Engine, cfg.Detect.Options())
	if err != nil {
		b.Fatal(err)
	}
	defer net.Close()
	pre, err := preprocess.New(d.Input)
	if err != nil {
		b.Fatal(err)
	}
	defer pre.Close()
	source, err := sensors.Open(b.Context(), cfg.Source, sensors.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		_ = pool.Close(context.Background())
	}()

	// Each part alone: a decoder with threads of its own works ahead while
	// something else runs, and would seem to cost next to nothing.
	n := 0
	start := time.Now()
	for ; ; n++ {
		if err := source.Next(context.Background(), lease.Frame); err == io.EOF {
			break
		} else if err != nil {
			b.Fatal(err)
		}
	}
	decode = millis(time.Since(start), n)

	if _, err := pre.Run(lease.Image, net.Input()); err != nil {
		b.Fatal(err)
	}
	start = time.Now()
	for range n {
		if _, err := net.Forward(); err != nil {
			b.Fatal(err)
		}
	}
	return decode, millis(time.Since(start), n)
}

// pipeline is the wall time a frame of the whole program.
func pipeline(b *testing.B, cfg config.Config) float64 {
	s, err := session.Open(context.Background(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	sum, err := s.Run(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if err := sum.OK(); err != nil {
		b.Fatal(err)
	}
	return 1000 * sum.Elapsed / float64(sum.Frames.Produced)
}
