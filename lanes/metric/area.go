package metric

import "fmt"

// Area sums up how well masks of an area agree with the truth.
type Area struct {
	Both, Either int64 // pixels of both masks, and of at least one
	Pictures     int   // in which either has any

	means float64
}

// Add compares two masks of the same picture, in which pixels that are not 0
// belong to the area.
func (a *Area) Add(found, truth []uint8) error {
	if len(found) != len(truth) {
		return fmt.Errorf("compare masks of %d and %d pixels: they must be of one size", len(found), len(truth))
	}
	var both, either int64
	for i, f := range found {
		if f != 0 && truth[i] != 0 {
			both++
		}
		if f != 0 || truth[i] != 0 {
			either++
		}
	}
	if either == 0 {
		return nil
	}
	a.Both, a.Either, a.Pictures = a.Both+both, a.Either+either, a.Pictures+1
	a.means += float64(both) / float64(either)
	return nil
}

// Merge adds what another Area has summed up.
func (a *Area) Merge(b Area) {
	a.Both, a.Either, a.Pictures, a.means = a.Both+b.Both, a.Either+b.Either, a.Pictures+b.Pictures, a.means+b.means
}

// IoU is the intersection over union of all pixels of all pictures, -1 where
// there are none.
func (a Area) IoU() float64 {
	if a.Either == 0 {
		return -1
	}
	return float64(a.Both) / float64(a.Either)
}

// MeanIoU is the mean over pictures of each one's, -1 where there are none.
func (a Area) MeanIoU() float64 {
	if a.Pictures == 0 {
		return -1
	}
	return a.means / float64(a.Pictures)
}
