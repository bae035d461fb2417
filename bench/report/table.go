package report

import "fmt"

// cell is one figure of a subject and its interval; empty where it is not known.
type cell struct {
	Text, Range string
}

// column is one figure of all subjects.
type column struct {
	Head  string
	Unit  string
	Group int // of those that fit beside each other in a terminal
	of    func(*Subject) cell
}

// Groups of columns.
const (
	ages = iota
	work
	costs
	sizes
	groups
)

// comparison is the columns in which any subject has something.
func comparison(r *Result) []column {
	var kept []column
	for _, c := range columns(r) {
		for i := range r.Subjects {
			if c.of(&r.Subjects[i]).Text != "" {
				kept = append(kept, c)
				break
			}
		}
	}
	return kept
}

func columns(r *Result) []column {
	quantiles := []float64{.5, .99}
	if g := r.Goal; g != nil && g.Quantile != .5 && g.Quantile != .99 {
		quantiles = append(quantiles, g.Quantile)
	}
	all := []column{{"verdict", "", ages, func(s *Subject) cell { return cell{Text: string(s.Verdict)} }}}
	times := func(group int, what string, of func(*Subject) *Distribution, quantiles ...float64) {
		for _, q := range quantiles {
			all = append(all, column{what + " " + quantileName(q), "ms", group, func(s *Subject) cell {
				x, ok := of(s).of(q)
				if !ok {
					return cell{}
				}
				return cell{millis(x.Value), x.between()}
			}})
		}
	}
	interval := func(group int, head, unit string, format func(float64) string, of func(*Subject) *Interval) {
		all = append(all, column{head, unit, group, func(s *Subject) cell {
			x := of(s)
			if x == nil {
				return cell{}
			}
			return cell{format(x.Value), format(x.Low) + " – " + format(x.High)}
		}})
	}
	// A figure that is 0 is not known.
	known := func(group int, head, unit string, format func(float64) string, of func(*Subject) float64) {
		all = append(all, column{head, unit, group, func(s *Subject) cell {
			if x := of(s); x != 0 {
				return cell{Text: format(x)}
			}
			return cell{}
		}})
	}
	accuracy := func(head string, of func(*Accuracy) *Interval) {
		three := func(x float64) string { return fmt.Sprintf("%.3f", x) }
		interval(costs, head, "", three, func(s *Subject) *Interval {
			if s.Accuracy == nil {
				return nil
			}
			return of(s.Accuracy)
		})
	}

	times(ages, "answer", func(s *Subject) *Distribution { return s.Answer }, quantiles...)
	all = append(all, column{"missed", "", ages, func(s *Subject) cell {
		m := s.Misses
		if m == nil {
			return cell{}
		}
		return cell{percent(m.Value), percent(m.Low) + " – " + bound(m.High)}
	}})

	times(work, "age", func(s *Subject) *Distribution { return s.Age }, .5, .99)
	times(work, "frame", func(s *Subject) *Distribution {
		if s.Age != nil { // much the same, but for the wait
			return nil
		}
		return s.Frame
	}, .5, .99)
	times(work, "forward", func(s *Subject) *Distribution { return s.Forward }, .5, .99)
	accuracy("AP50 offline", func(a *Accuracy) *Interval { return a.Offline })
	accuracy("AP50 streaming", func(a *Accuracy) *Interval { return a.Streaming })
	known(costs, "frames/s", "", figure, func(s *Subject) float64 { return s.Throughput })
	interval(costs, "CPU", "ms/frame", millis, func(s *Subject) *Interval { return s.CPU })
	known(costs, "energy", "J/frame", figure, func(s *Subject) float64 { return s.Joules })
	known(costs, "messages", "bytes/frame", grouped, func(s *Subject) float64 { return s.MessageBytes })
	interval(costs, "allocations", "a frame", figure, func(s *Subject) *Interval { return s.Allocations })

	known(sizes, "parameters", "M", figure, func(s *Subject) float64 { return float64(s.Parameters) / 1e6 })
	known(sizes, "file", "MB", figure, func(s *Subject) float64 { return float64(s.FileBytes) / 1e6 })
	known(sizes, "work", "GFLOPs", figure, func(s *Subject) float64 { return float64(s.FLOPs) / 1e9 })
	known(sizes, "loaded", "MB", figure, func(s *Subject) float64 { return float64(s.Loaded) / 1e6 })
	known(sizes, "peak memory", "MB", figure, func(s *Subject) float64 { return float64(s.Peak) / 1e6 })
	known(sizes, "load", "ms", grouped, func(s *Subject) float64 { return s.Load })
	known(sizes, "first frame", "ms", millis, func(s *Subject) float64 { return s.First })
	return all
}
