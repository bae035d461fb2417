package shrink

import (
	"context"
	"fmt"
	"time"

	"dashline/model"
	"dashline/model/prune"
)

// Costs measures what cutting each group alone saves here, and returns the time
// that a network takes for how many units stay as the whole time less these
// savings: cuts of different groups are taken to add up. In milliseconds.
func Costs(ctx context.Context, g *model.Graph, measure func(context.Context, *model.Graph) (time.Duration, error), progress func(what string, done, total int)) (func(*prune.Structure, []int) float64, error) {
	s, err := prune.Analyze(g)
	if err != nil {
		return nil, err
	}
	ms := func(keep prune.Keep) (float64, error) {
		small, err := s.Remove(g, keep)
		if err != nil {
			return 0, err
		}
		t, err := measure(ctx, small)
		return t.Seconds() * 1e3, err
	}
	// The whole network is timed again beside each group: a busy machine slows both.
	saved := make([]float64, len(s.Groups)) // by one unit
	var whole float64
	for i := range s.Groups {
		progress("timing what cuts save", i+1, len(s.Groups))
		n := len(s.Groups[i].Units)
		if s.Groups[i].Fixed != "" || n < 2 {
			continue
		}
		all, err := ms(s.All())
		if err != nil {
			return nil, err
		}
		if whole == 0 || all < whole {
			whole = all
		}
		keep := s.All()
		half := s.Groups[i].Round(float64(n)/2, prune.Multiple)
		if half == n {
			half = n / 2
		}
		for u := half; u < n; u++ {
			keep[i][u] = false
		}
		cut, err := ms(keep)
		if err != nil {
			return nil, err
		}
		saved[i] = max(0, all-cut) / float64(n-half)
	}
	if whole == 0 {
		return nil, fmt.Errorf("network %s has nothing to remove", g.Name)
	}
	full := s.All().Counts()
	return func(_ *prune.Structure, counts []int) float64 {
		t := whole
		for i, n := range full {
			t -= saved[i] * float64(n-counts[i])
		}
		return max(t, whole/1000)
	}, nil
}
