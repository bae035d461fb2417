package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// counter shows how many pictures are done of how many: a bar on a terminal, else
// a line now and then. One goroutine sets it.
type counter struct {
	out   io.Writer // nil: quiet
	total int
	width int // of the terminal; 0: it is none
	n     atomic.Int64
	begin time.Time     // zero before the first
	last  time.Time     // of the last line
	bars  *mpb.Progress // on a terminal
	bar   *mpb.Bar
}

// lineEvery is the time between lines where there is no terminal.
const lineEvery = 5 * time.Second

// newCounter counts to total, where that is known yet.
func newCounter(out io.Writer, total int, quiet bool) *counter {
	c := &counter{out: out, total: total}
	if quiet {
		c.out = nil
	} else if f, ok := out.(*os.File); ok {
		// A terminal that does not say how wide it is gets no bar from mpb.
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			c.width = width
		}
	}
	return c
}

// add counts one.
func (c *counter) add() { c.set(c.done()+1, c.total) }

// set says how many are done.
func (c *counter) set(done, of int) {
	c.n.Store(int64(done))
	if c.out == nil {
		return
	}
	now := time.Now()
	if c.begin.IsZero() {
		c.begin, c.last = now, now
		if c.width > 0 {
			c.open(of)
		}
	}
	switch {
	case c.bar != nil:
		c.bar.SetCurrent(int64(done))
	case now.Sub(c.last) >= lineEvery:
		fmt.Fprintf(c.out, "%d/%d  %s\n", done, of, c.rate())
		c.last = now
	}
}

func (c *counter) open(of int) {
	c.bars = mpb.New(mpb.WithOutput(c.out), mpb.WithWidth(32))
	c.bar = c.bars.New(int64(of), mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound(""),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + c.rate() }), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
}

func (c *counter) rate() string {
	return fmt.Sprintf("%.0f/s", float64(c.n.Load())/time.Since(c.begin).Seconds())
}

func (c *counter) done() int { return int(c.n.Load()) }

// wait ends the bar, also one that is not full.
func (c *counter) wait() {
	if c.bars != nil {
		c.bar.Abort(false)
		c.bars.Wait()
	}
}
