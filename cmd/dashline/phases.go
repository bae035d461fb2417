package main

import (
	"fmt"
	"io"
)

// phases shows how far work has come that goes through several phases, each counted
// by itself. One goroutine uses it.
type phases struct {
	out   io.Writer
	quiet bool
	what  string
	c     *counter
}

func newPhases(out io.Writer, quiet bool) *phases { return &phases{out: out, quiet: quiet} }

// show says that done of total of what are done; another what begins a phase.
func (p *phases) show(what string, done, total int) {
	if what != p.what {
		p.end()
		p.what, p.c = what, newCounter(p.out, total, p.quiet)
		if !p.quiet {
			fmt.Fprintf(p.out, "%s\n", what)
		}
	}
	p.c.set(done, total)
}

// end ends the phase that is shown.
func (p *phases) end() {
	if p.c != nil {
		p.c.wait()
	}
	p.what, p.c = "", nil
}
