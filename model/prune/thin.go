package prune

import (
	"fmt"

	"dashline/model"
)

// Thin removes a share, above 0 and below 1, of the multiply-accumulates of a
// network: the same share of every group's channels, the lightest filters, and
// nothing is fitted. It needs no pictures, and is for questions of speed, or to be
// trained on. Where so much cannot be removed the error wraps [ErrTarget].
func Thin(g *model.Graph, remove float64, multiple int) (*model.Graph, error) {
	if !(remove > 0 && remove < 1) || multiple < 1 {
		return nil, fmt.Errorf("share %g to remove in multiples of %d: give one above 0 and below 1, and 1 or more", remove, multiple)
	}
	s, err := Analyze(g)
	if err != nil {
		return nil, err
	}
	cost := func(counts []int) float64 { return float64(s.Macs(counts)) }
	full := cost(s.All().Counts())
	counts := uniform(s, func(i int) bool { return s.Groups[i].Fixed == "" }, cost, full*(1-remove), multiple)
	if left := cost(counts); left > full*(1-remove) {
		return nil, fmt.Errorf("the target %w: %.0f %% of the multiply-accumulates is all that there is to remove", ErrTarget, 100*(1-left/full))
	}
	keep := s.All()
	for i := range s.Groups {
		if counts[i] < len(keep[i]) {
			copy(keep[i], byWeight(norms(g, &s.Groups[i], filterNorm)).kept(counts[i]))
		}
	}
	return s.Remove(g, keep)
}
