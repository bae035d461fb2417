package session

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"dashline/internal/obs"
)

// LadderSummary is the ladder of a run: what its rungs took at start, and how many
// frames ran on each.
type LadderSummary struct {
	Measured bool          `json:"measured"` // here, and not taken from a file or assumed
	Layout   string        `json:"layout"`   // "order": lanes after detection; "overlap": beside it; empty: no lanes
	Overlap  float64       `json:"overlap_ms,omitempty"`
	Order    float64       `json:"order_ms,omitempty"` // medians of the largest rung, where both were tried
	Rungs    []RungSummary `json:"rungs"`
	Switches uint64        `json:"switches"`
	Canaries uint64        `json:"canaries"`
}

// RungSummary is one rung, the largest first.
type RungSummary struct {
	Name     string  `json:"name"`
	P50      float64 `json:"p50_ms"` // of what a frame takes; 0 where there is no network, or it is not known
	P99      float64 `json:"p99_ms"`
	Runs     int     `json:"runs,omitempty"` // that were measured
	Accuracy float64 `json:"accuracy,omitempty"`
	Fits     bool    `json:"fits"` // its p99 is within the deadline
	Frames   uint64  `json:"frames"`
}

// ladder is nil where there is nothing to say of it: one rung that was not timed.
func (g *group) ladder() *LadderSummary {
	if len(g.rungs) < 2 && g.measured == nil {
		return nil
	}
	l := &LadderSummary{Measured: g.measured != nil}
	if g.feeds[0].Config.Lanes.Enabled {
		l.Layout = "overlap"
		if g.engine.Crews[0].InOrder {
			l.Layout = "order"
		}
	}
	for i, r := range g.engine.Rungs {
		row := RungSummary{Name: r.Name, P50: ms(r.P50), P99: ms(r.P99), Accuracy: r.Accuracy, Fits: r.P99 <= g.feeds[0].Config.Deadline}
		if g.measured != nil {
			row.Runs = g.measured.Runs[i]
		}
		l.Rungs = append(l.Rungs, row)
	}
	if m := g.measured; m != nil {
		l.Overlap, l.Order = ms(m.Beside), ms(m.After)
	}
	return l
}

// count adds what became of frames.
func (l *LadderSummary) count(a obs.Snapshot) {
	for _, c := range a.Rungs {
		for i := range l.Rungs {
			if l.Rungs[i].Name == c.Rung {
				l.Rungs[i].Frames = c.Frames
			}
		}
	}
	l.Switches, l.Canaries = a.Switches, a.Canaries
}

// line says how many frames ran on each rung.
func (l *LadderSummary) line() string {
	var parts []string
	for _, r := range l.Rungs {
		parts = append(parts, fmt.Sprintf("%d on %s", r.Frames, r.Name))
	}
	return strings.Join(parts, ", ") + fmt.Sprintf("; %d switches, %d canaries", l.Switches, l.Canaries)
}

// print is the table before the run.
func (l *LadderSummary) print(w io.Writer, deadline time.Duration) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "ladder\t rung\tp50 ms\tp99 ms\taccuracy\tfits %v\n", deadline)
	for _, r := range l.Rungs {
		p50, p99, accuracy, fits := "-", "-", "-", "yes"
		if r.P50 > 0 {
			p50, p99 = fmt.Sprintf("%.1f", r.P50), fmt.Sprintf("%.1f", r.P99)
		}
		if r.Accuracy > 0 {
			accuracy = fmt.Sprintf("%.3f", r.Accuracy)
		}
		if !r.Fits {
			fits = "no"
		}
		fmt.Fprintf(t, "\t %s\t%s\t%s\t%s\t%s\n", r.Name, p50, p99, accuracy, fits)
	}
	_ = t.Flush()
	if l.Overlap > 0 {
		fmt.Fprintf(w, "%s  lanes run %s: %s takes %.1f ms with lanes after detection, %.1f ms beside it\n",
			pad("", 7), map[string]string{"order": "after detection", "overlap": "beside detection"}[l.Layout], l.Rungs[0].Name, l.Order, l.Overlap)
	}
}
