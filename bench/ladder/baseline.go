package ladder

import "slices"

// Baseline is a network that is measured to compare with and never a rung.
type Baseline struct {
	Row
	Than   string `json:"than,omitempty"` // the row of the first candidate on the same engine; empty: it does not run there
	Faster bool   `json:"faster"`         // than that, beyond chance
}

// held is the row of a baseline, c, held against the first candidate, whose name
// is first, on the same engine.
func held(row Row, c *contestant, open []*contestant, first string, seed uint64) Baseline {
	b := Baseline{Row: row}
	for _, whole := range open {
		if whole.candidate == 0 && whole.engine == c.engine {
			b.Than, b.Faster = first+"-"+c.engine, surelyFaster(c, whole, seed)
		}
	}
	return b
}

// Verdict says whether it is faster, beyond chance, in words.
func (b Baseline) Verdict() string {
	switch {
	case b.Than == "":
		return "nothing to hold it against"
	case b.Faster:
		return "faster than " + b.Than
	}
	return "no faster than " + b.Than
}

// Whole are the rows that baselines are held against, each once.
func (s *Study) Whole() []Row {
	var out []Row
	for _, r := range s.Rows {
		if slices.ContainsFunc(s.Baselines, func(b Baseline) bool { return b.Than == r.Name }) {
			out = append(out, r)
		}
	}
	return out
}

// on are the engines to try for a candidate, in order: of a baseline the first
// that runs it is the only one.
func (c Candidate) on(engines []string) []string {
	if !c.Baseline {
		return engines
	}
	last := slices.Clone(engines)
	slices.Reverse(last)
	return last
}
