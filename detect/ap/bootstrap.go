package ap

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Resamples is how often a data set is drawn anew by default.
const Resamples = 1000

// Interval is the middle 95 percent of what resampling gives. It is not Known
// where there is no truth, or fewer than two blocks to draw from. In JSON it is
// [Low, High], or null.
type Interval struct {
	Low, High float64
	Known     bool
}

func (i Interval) MarshalJSON() ([]byte, error) {
	if !i.Known {
		return []byte("null"), nil
	}
	return json.Marshal([2]float64{i.Low, i.High})
}

func (i *Interval) UnmarshalJSON(b []byte) error {
	var v *[2]float64
	if err := json.Unmarshal(b, &v); err != nil || v == nil {
		*i = Interval{}
		return err
	}
	*i = Interval{v[0], v[1], true}
	return nil
}

// Bootstrap says how to resample. The zero value draws every image by itself.
type Bootstrap struct {
	Resamples int    // 0 means [Resamples]
	Seed      uint64 // the same seed draws the same
	// Blocks has a number for each image, and images with the same number are
	// drawn together. Frames of a drive that follow each other are nearly the
	// same: drawn one by one they would make the interval too narrow.
	Blocks []int
}

// Intervals are the bootstrap intervals of one detector (percentile method,
// Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
type Intervals struct {
	APInterval   Interval `json:"ap_interval"`
	AP50Interval Interval `json:"ap50_interval"`
}

// Intervals resamples the images and returns the intervals of AP and AP50. It
// fails where Blocks does not fit the images.
func (m *Matched) Intervals(b Bootstrap) (Intervals, error) {
	var c counter
	var ap, ap50 []float64
	err := b.Draw(m.images, func(weights []int32) {
		if p := m.precision(&c, all, weights); p.mean >= 0 {
			ap, ap50 = append(ap, p.mean), append(ap50, p.at[0])
		}
	})
	return Intervals{Middle(ap), Middle(ap50)}, err
}

// Difference is how much better a detector is than another on the same images.
// It is beyond chance where the interval does not hold 0.
type Difference struct {
	AP           float64  `json:"ap"`
	AP50         float64  `json:"ap50"`
	APInterval   Interval `json:"ap_interval"`
	AP50Interval Interval `json:"ap50_interval"`
}

// Compare returns m less other with intervals. Both are of the same images in the
// same order, which are drawn together (a paired bootstrap), so that what is hard
// for both does not widen the interval.
func (m *Matched) Compare(other *Matched, b Bootstrap) (Difference, error) {
	if m.images != other.images {
		return Difference{}, fmt.Errorf("compare %d images with %d: both detectors must have seen the same", m.images, other.images)
	}
	var c counter
	one, two := m.precision(&c, all, nil), other.precision(&c, all, nil)
	if one.mean < 0 || two.mean < 0 {
		return Difference{}, nil
	}
	d := Difference{AP: one.mean - two.mean, AP50: one.at[0] - two.at[0]}
	var ap, ap50 []float64
	err := b.Draw(m.images, func(weights []int32) {
		one, two := m.precision(&c, all, weights), other.precision(&c, all, weights)
		if one.mean >= 0 && two.mean >= 0 {
			ap, ap50 = append(ap, one.mean-two.mean), append(ap50, one.at[0]-two.at[0])
		}
	})
	d.APInterval, d.AP50Interval = Middle(ap), Middle(ap50)
	return d, err
}

// Draw calls use with how often each image is in each resample: as many blocks
// as there are, drawn with replacement. weights are borrowed for the call. Of
// fewer than two blocks there is no resample. It fails where Blocks does not fit the images.
func (b Bootstrap) Draw(images int, use func(weights []int32)) error {
	block, blocks := make([]int, images), images
	for i := range block {
		block[i] = i
	}
	if b.Blocks != nil {
		if len(b.Blocks) != images {
			return fmt.Errorf("bootstrap: %d block numbers for %d images: give one each", len(b.Blocks), images)
		}
		number := map[int]int{}
		for i, v := range b.Blocks {
			if _, known := number[v]; !known {
				number[v] = len(number)
			}
			block[i] = number[v]
		}
		blocks = len(number)
	}
	if blocks < 2 {
		return nil // every draw would be the same
	}
	n := b.Resamples
	if n <= 0 {
		n = Resamples
	}
	random := rand.New(rand.NewPCG(b.Seed, 0x6461_7368_6c69_6e65))
	drawn, weights := make([]int32, blocks), make([]int32, images)
	for range n {
		clear(drawn)
		for range blocks {
			drawn[random.IntN(blocks)]++
		}
		for i := range weights {
			weights[i] = drawn[block[i]]
		}
		use(weights)
	}
	return nil
}

// Middle is the middle 95 percent of v, which it sorts; not Known where v is empty.
func Middle(v []float64) Interval {
	if len(v) == 0 {
		return Interval{}
	}
	slices.Sort(v)
	return Interval{quantile(v, 0.025), quantile(v, 0.975), true}
}

// quantile interpolates between the nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
