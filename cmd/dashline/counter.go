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

// counter shows how many pictures of a known number are done: a bar on a
// terminal, else a line now and then. One goroutine adds.
type counter struct {
	out   io.Writer // nil: quiet
	total int
	n     atomic.Int64
	begin time.Time
	last  time.Time     // of the last line
	bars  *mpb.Progress // nil where out is no terminal
	bar   *mpb.Bar
}

// lineEvery is the time between lines where there is no terminal.
const lineEvery = 5 * time.Second

func newCounter(out io.Writer, total int, quiet bool) *counter {
	c := &counter{out: out, total: total, begin: time.Now(), last: time.Now()}
	if quiet {
		c.out = nil
		return c
	}
	f, ok := out.(*os.File)
	if !ok {
		return c
	}
	// A terminal that does not say how wide it is gets no bar from mpb.
	if width, _, err := term.GetSize(int(f.Fd())); err != nil || width <= 0 {
		return c
	}
	c.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(32))
	c.bar = c.bars.New(int64(total), mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound(""),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + c.rate() }), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	return c
}

// add counts one.
func (c *counter) add() {
	n := c.n.Add(1)
	switch {
	case c.bar != nil:
		c.bar.SetCurrent(n)
	case c.out != nil && time.Since(c.last) >= lineEvery:
		fmt.Fprintf(c.out, "%d/%d  %s\n", n, c.total, c.rate())
		c.last = time.Now()
	}
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
