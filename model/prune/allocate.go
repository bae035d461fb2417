package prune

import (
	"math"
	"slices"
)

// allocate says how many units of each group stay, so that cost falls to target
// with the least loss: the cut of the least loss per saving first, as often as
// needed; from a group that was cut less the next one may be a larger one. Counts
// are multiples of multiple where the group is large enough for that. from are
// the counts to begin with. The cost stays above target where nothing is left to cut.
func allocate(
	s *Structure, from []int, curves []curve, cost func(counts []int) float64, target float64, multiple int,
) []int {
	counts := slices.Clone(from)
	options := make([][]int, len(s.Groups))
	for i, c := range curves {
		if c == nil {
			continue
		}
		m := multipleOf(len(s.Groups[i].Units), multiple)
		for k := from[i] - 1; k > 0; k-- {
			if k%m == 0 && !math.IsInf(c[k], 1) {
				options[i] = append(options[i], k)
			}
		}
	}
	now := cost(counts)
	for now > target*(1+1e-9) {
		best, at, least := -1, 0, 0.
		for i, ks := range options {
			had := counts[i]
			for _, k := range ks {
				if k >= had {
					continue
				}
				counts[i] = k
				saving := now - cost(counts)
				counts[i] = had
				if saving <= 0 {
					continue
				}
				price := (curves[i][k] - curves[i][had] + 1e-6) / min(saving, now-target) // more than is needed has no worth
				if best < 0 || price < least {
					best, at, least = i, k, price
				}
			}
		}
		if best < 0 {
			break
		}
		counts[best] = at
		now = cost(counts)
	}
	return counts
}

// multipleOf is the multiple that a group's units are counted in: small groups are
// counted more finely.
func multipleOf(units, multiple int) int {
	if units <= 2*multiple {
		return max(1, multiple/2)
	}
	return multiple
}

// uniform keeps the same share of every group.
func uniform(
	s *Structure, prunable func(group int) bool, cost func(counts []int) float64, target float64, multiple int,
) []int {
	at := func(share float64) []int {
		counts := s.All().Counts()
		for i := range s.Groups {
			if prunable(i) {
				counts[i] = s.Groups[i].Round(share*float64(counts[i]), multipleOf(counts[i], multiple))
			}
		}
		return counts
	}
	low, high := 0., 1. // the largest share that is cheap enough
	for range 40 {
		middle := (low + high) / 2
		if cost(at(middle)) <= target {
			low = middle
		} else {
			high = middle
		}
	}
	return at(low)
}
