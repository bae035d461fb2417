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
	p := mpb.NewWithContext(draw, mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(liveEvery), mpb.WithWidth(32))
	bars := make([]*mpb.Bar, len(s.Feeds))
	for i, f := range s.Feeds {
		bars[i] = f.bar(p, s.nameOf(f))
	}
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for i, f := range s.Feeds {
				bars[i].SetCurrent(f.done())
			}
		case line := <-s.news:
			fmt.Fprintln(p, line) // above the bars
		case <-ctx.Done():
			// A bar may be short of its end, and then only Abort ends it.
			for i, f := range s.Feeds {
				bars[i].SetCurrent(f.done())
				bars[i].Abort(false)
			}
			p.Wait()
			return
		}
	}
}

// nameOf is how lines about a feed begin: nothing where it is the only one.
func (s *Session) nameOf(f *Feed) string {
	if len(s.Feeds) < 2 {
		return ""
	}
	return f.Config.Camera + "  "
}

func (f *Feed) bar(p *mpb.Progress, name string) *mpb.Bar {
	status := decor.Any(func(decor.Statistics) string { return f.status() })
	if n := f.Source.Frames; n > 0 {
		return p.New(int64(n), mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound(""),
			mpb.PrependDecorators(decor.Name(name), decor.CountersNoUnit("%d/%d ")), mpb.AppendDecorators(status))
	}
	return p.New(0, mpb.SpinnerStyle(), mpb.PrependDecorators(decor.Name(name)), mpb.AppendDecorators(status))
}

func (s *Session) plain(ctx context.Context, w io.Writer) {
	tick := time.NewTicker(plainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, f := range s.Feeds {
				fmt.Fprintf(w, "%s%d%s  %s\n", s.nameOf(f), f.done(), f.of(), f.status())
			}
		case line := <-s.news:
			fmt.Fprintln(w, line)
		case <-ctx.Done():
			return
		}
	}
}

func (f *Feed) of() string {
	if f.Source.Frames == 0 {
		return " frames"
	}
	return fmt.Sprintf("/%d frames", f.Source.Frames)
}

func (f *Feed) done() int64 {
	_, onTime, late, dropped, failed := f.Account.Counts()
	return int64(onTime + late + dropped + failed)
}

// status is the account in one line, and the state of a live camera.
func (f *Feed) status() string {
	_, onTime, late, dropped, failed := f.Account.Counts()
	a := f.Account.Pulse()
	line := fmt.Sprintf(" %.0f/s  age p50 %.0f p99 %.0f ms  %d on time", a.Rate, ms(a.P50), ms(a.P99), onTime)
	for _, c := range []struct {
		n    uint64
		what string
	}{{late, "late"}, {dropped, "dropped"}, {failed, "failed"}} {
		if c.n > 0 {
			line += fmt.Sprintf("  %d %s", c.n, c.what)
		}
	}
	if c, ok := f.state.state(); ok {
		line += "  " + string(c.Status)
		if c.Lost > 0 {
			line += fmt.Sprintf(", %s lost", plural(int(c.Lost), "packet"))
		}
	}
	return line
}

// Describe says what was opened, before the first frame.
func (s *Session) Describe(w io.Writer) {
	for _, f := range s.Feeds {
		if len(s.Feeds) > 1 {
			fmt.Fprintf(w, "%s\n", f.Config.Camera)
		}
		f.describe(w)
	}
	if _, err := ort.Library(); errors.Is(err, ort.ErrNoLibrary) {
		fmt.Fprintf(w, "%s  %v; all networks run on OpenCV\n", pad("engines", 7), err)
	}
	if s.server != nil {
		fmt.Fprintf(w, "%s  embedded NATS server at %s; see it with: dashline listen --nats %s\n", pad("bus", 7), s.address, s.address)
	} else {
		fmt.Fprintf(w, "%s  %s\n", pad("bus", 7), s.address)
	}
	if s.recorder != nil {
		fmt.Fprintf(w, "%s  %s\n", pad("record", 7), s.Config.Record)
	}
	if s.metrics != nil {
		fmt.Fprintf(w, "%s  http://%s/metrics\n", pad("metrics", 7), s.metrics.Address())
	}
	fmt.Fprintln(w, strings.Repeat("─", 40))
}

func (f *Feed) describe(w io.Writer) {
	in := f.Source
	frames := "length unknown"
	switch {
	case in.Frames > 0:
		frames = plural(in.Frames, "frame")
	case in.Live:
		frames = "live"
	}
	size, rate := "size not known yet", "rate not known yet"
	if in.Width > 0 {
		size = fmt.Sprintf("%dx%d", in.Width, in.Height)
	}
	if in.FPS > 0 {
		rate = fmt.Sprintf("%g frames/s", in.FPS)
	}
	fmt.Fprintf(w, "%s  %s, %s, %s, policy %s, deadline %v\n", pad("source", 7)+"  "+in.Path, size, rate, frames, f.policy, f.Config.Deadline)
	for _, n := range f.group.networks() {
		fmt.Fprintf(w, "%s  %s\n", pad(n.task, 7), n.summary(Times{}).line())
	}
	if l := f.group.ladder(); l != nil {
		l.print(w, f.Config.Deadline)
	}
	if !f.Config.Lanes.Enabled {
		fmt.Fprintf(w, "%s  off: plans will say no_lanes\n", pad("lanes", 7))
	}
	if f.Camera.Guessed {
		fmt.Fprintf(w, "%s  no --camera-model: a level dashcam %.1f m above the road is guessed, so metres are rough\n", pad("camera", 7), f.Camera.HeightM)
	}
}
