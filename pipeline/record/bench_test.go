package record

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"dashline/pipeline/msg"
)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMinute records 60 s of one camera as fast as it can; BenchmarkPaced
// records 10 s as they happen, in which the recorder sleeps and wakes for each
// value. The camera gives 30 packets a second of 640x360 H.264 at 2 Mbit/s, and
// each picture all that is made of it. Reported is processor time as a share of
// one core over the time that was recorded: all of it, that of writing the
// packets' bytes into a file and no more, and the difference, of which more than
// 3 % is a failure.
//
//	go test ./pipeline/record -run '^$' -bench . -benchtime 1x
func BenchmarkMinute(b *testing.B) { cost(b, 60, 0) }

// BenchmarkPaced: see BenchmarkMinute.
func BenchmarkPaced(b *testing.B) { cost(b, 10, period) }

// made is a picture and all that is made of it.
type made struct {
	packet     msg.Packet
	detections *msg.Detections
	lanes      *msg.LaneSet
	plan       *msg.Trajectory
	frame      *msg.FrameReport
}

func cost(b *testing.B, seconds int, pace time.Duration) {
	d := front
	d.size = 2_000_000 / 8 / 30
	frames := make([]made, 30*seconds)
	for i := range frames {
		frames[i] = made{d.packet(i), d.detections(i), d.lanes(i), d.plan(i), d.frame(i)}
		frames[i].packet.Damaged = false
	}
	each := func(f func(*made)) {
		begin := time.Now()
		for i := range frames {
			if pace > 0 {
				time.Sleep(time.Until(begin.Add(time.Duration(i) * pace)))
			}
			f(&frames[i])
		}
	}
	var whole, writing time.Duration
	var size int64
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "a.mcap")
		begin := cpu(b)
		r, err := Create(path, Options{Vehicle: "car", MaxMessages: 1 << 16, MaxBytes: 1 << 28})
		if err != nil {
			b.Fatal(err)
		}
		r.Calibration("front", d.calibration())
		each(func(f *made) {
			r.Packet("front", &f.packet)
			r.Detections(f.detections)
			r.Lanes(f.lanes)
			r.Plan(f.plan)
			r.Frame(f.frame)
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		err = r.Close(ctx)
		cancel()
		whole += cpu(b) - begin
		if s := r.Stats(); err != nil || s.Total().Dropped != 0 {
			b.Fatalf("%v; %d values were dropped: %s", err, s.Total().Dropped, s.LastDrop)
		}
		size = int64(r.Stats().Bytes)

		begin = cpu(b)
		f, err := os.Create(path + ".packets")
		if err != nil {
			b.Fatal(err)
		}
		each(func(m *made) {
			if _, err := f.Write(m.packet.Data); err != nil {
				b.Fatal(err)
			}
		})
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		writing += cpu(b) - begin
	}
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / float64(seconds*b.N) }
	b.ReportMetric(share(whole), "%core")
	b.ReportMetric(share(writing), "%core-packets-alone")
	b.ReportMetric(share(whole-writing), "%core-besides")
	b.ReportMetric(float64(size)/1e6, "MB")
	if besides := share(whole - writing); besides > 3 {
		b.Errorf("recording costs %.2f %% of a core besides writing the packets, more than 3 %%", besides)
	}
}
