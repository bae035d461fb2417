package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"dashline/infer/ort"
)

// Progress shows a run while it goes on, on w, until ctx ends; it returns when
// the last line is out. On a terminal it is a bar when the number of frames is
// known and one live line when it is not; elsewhere it is a plain line now and
// then.
func (s *Session) Progress(ctx context.Context, w io.Writer) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.bar(ctx, w)
		return
	}
	s.plain(ctx, w)
}

const (
	liveEvery  = 100 * time.Millisecond
	plainEvery = 5 * time.Second
)

func (s *Session) bar(ctx context.Context, w io.Writer) {
	// mpb draws until its own context ends, which is after the last count.
	draw, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	p := mpb.NewWithContext(draw, mpb.WithOutput(w), mpb.WithRefreshRate(liveEvery), mpb.WithWidth(32))
	status := decor.Any(func(decor.Statistics) string { return s.status() })
	var b *mpb.Bar
	if n := s.Source.Frames; n > 0 {
		b = p.New(int64(n), mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound(""),
			mpb.PrependDecorators(decor.CountersNoUnit("%d/%d ")), mpb.AppendDecorators(status))
	} else {
		b = p.New(0, mpb.SpinnerStyle(), mpb.AppendDecorators(status))
	}
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.SetCurrent(s.done())
		case <-ctx.Done():
			// The bar may be short of its end, and then only Abort ends it.
			b.SetCurrent(s.done())
			b.Abort(false)
			p.Wait()
			return
		}
	}
}

func (s *Session) plain(ctx context.Context, w io.Writer) {
	tick := time.NewTicker(plainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(w, "%d%s  %s\n", s.done(), s.of(), s.status())
		case <-ctx.Done():
			return
		}
	}
}

func (s *Session) of() string {
	if s.Source.Frames == 0 {
		return " frames"
	}
	return fmt.Sprintf("/%d frames", s.Source.Frames)
}

func (s *Session) done() int64 {
	_, onTime, late, dropped, failed := s.Account.Counts()
	return int64(onTime + late + dropped + failed)
}

// status is the account in one line.
func (s *Session) status() string {
	_, onTime, late, dropped, failed := s.Account.Counts()
	a := s.Account.Pulse()
	line := fmt.Sprintf(" %.0f/s  age p50 %.0f p99 %.0f ms  %d on time", a.Rate, ms(a.P50), ms(a.P99), onTime)
	for _, c := range []struct {
		n    uint64
		what string
	}{{late, "late"}, {dropped, "dropped"}, {failed, "failed"}} {
		if c.n > 0 {
			line += fmt.Sprintf("  %d %s", c.n, c.what)
		}
	}
	return line
}

// Describe says what was opened, before the first frame.
func (s *Session) Describe(w io.Writer) {
	in := s.Source
	frames := "length unknown"
	if in.Frames > 0 {
		frames = plural(in.Frames, "frame")
	}
	fmt.Fprintf(w, "%s  %dx%d, %g frames/s, %s, policy %s, deadline %v\n", pad("source", 7)+"  "+in.Path, in.Width, in.Height, in.FPS, frames, s.policy, s.Config.Deadline)
	for _, n := range s.described() {
		fmt.Fprintf(w, "%s  %s\n", pad(n.task, 7), n.summary(Times{}).line())
	}
	if _, err := ort.Library(); errors.Is(err, ort.ErrNoLibrary) {
		fmt.Fprintf(w, "%s  %v; all networks run on OpenCV\n", pad("engines", 7), err)
	}
	if s.lanes == nil {
		fmt.Fprintf(w, "%s  off: plans will say no_lanes\n", pad("lanes", 7))
	}
	if s.Camera.Guessed {
		fmt.Fprintf(w, "%s  no --camera-model: a level dashcam %.1f m above the road is guessed, so metres are rough\n", pad("camera", 7), s.Camera.HeightM)
	}
	if s.server != nil {
		fmt.Fprintf(w, "%s  embedded NATS server at %s; see it with: dashline listen --nats %s\n", pad("bus", 7), s.address, s.address)
	} else {
		fmt.Fprintf(w, "%s  %s\n", pad("bus", 7), s.address)
	}
	if s.metrics != nil {
		fmt.Fprintf(w, "%s  http://%s/metrics\n", pad("metrics", 7), s.metrics.Address())
	}
	fmt.Fprintln(w, strings.Repeat("─", 40))
}
