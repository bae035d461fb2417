package prune

import (
	"errors"
	"fmt"
	"math"
)

// Multiple is what numbers of channels are rounded to where nothing else is
// known: the width of vector registers in float32s.
const Multiple = 8

// Keep says of each unit of each group whether it stays.
type Keep [][]bool

// All keeps everything.
func (s *Structure) All() Keep {
	k := make(Keep, len(s.Groups))
	for i := range s.Groups {
		k[i] = make([]bool, len(s.Groups[i].Units))
		for u := range k[i] {
			k[i][u] = true
		}
	}
	return k
}

// Counts is how many units of each group stay.
func (k Keep) Counts() []int {
	counts := make([]int, len(k))
	for i, units := range k {
		for _, stays := range units {
			if stays {
				counts[i]++
			}
		}
	}
	return counts
}

// Check refuses a choice that is not of this structure, removes what is fixed, or
// leaves nothing of a group.
func (s *Structure) Check(k Keep) error {
	if len(k) != len(s.Groups) {
		return fmt.Errorf("the choice is of %d groups, the network has %d", len(k), len(s.Groups))
	}
	for i, stay := range k.Counts() {
		group := &s.Groups[i]
		if err := group.check(len(k[i]), stay); err != nil {
			return fmt.Errorf("group %s: %w", group.Name, err)
		}
	}
	return nil
}

func (g *Group) check(chosen, stay int) error {
	if n := len(g.Units); chosen != n {
		return fmt.Errorf("the choice is of %d units, it has %d", chosen, n)
	}
	if stay == 0 {
		return errors.New("all channels would leave: keep at least one unit")
	}
	if g.Fixed != "" && stay < len(g.Units) {
		return fmt.Errorf("its channels have to stay: %s", g.Fixed)
	}
	return nil
}

// Kept are the channels of a layer's value that stay, in order; nil where the
// layer's value is not an image.
func (s *Structure) Kept(k Keep, layer int) []int {
	var kept []int
	for c, group := range s.group[layer] {
		if k[group][s.unit[layer][c]] {
			kept = append(kept, c)
		}
	}
	return kept
}

// Round is the multiple (of 1 or more) next to n, but at least one multiple and
// at most all units. Halves round up. A fixed group keeps all.
func (g *Group) Round(n float64, multiple int) int {
	all := len(g.Units)
	if g.Fixed != "" || !(n < float64(all)) {
		return all
	}
	rounded := max(1, math.Floor(n/float64(multiple)+0.5)) * float64(multiple)
	return int(min(rounded, float64(all)))
}
