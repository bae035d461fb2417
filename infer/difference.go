package infer

import "math"

// Difference is how far one network's numbers are from another's, over all that
// were added. The zero value is of none.
type Difference struct {
	Largest float64 // between two numbers of the same place
	Scale   float64 // largest absolute value of the first network's
	// NotFinite counts the places where one of both is NaN or infinite. They are in
	// none of the others.
	NotFinite int
}

// Add holds numbers against those of the first network, in the same places. It
// panics where these are not as many.
func (d *Difference) Add(first, second []float32) {
	if len(first) != len(second) {
		panic("infer: a difference of outputs of different lengths")
	}
	for i, a := range first {
		x, y := float64(a), float64(second[i])
		if gap := math.Abs(x - y); gap <= math.MaxFloat64 { // not of NaN and infinite ones
			d.Largest, d.Scale = max(d.Largest, gap), max(d.Scale, math.Abs(x))
			continue
		}
		d.NotFinite++
	}
}

// Relative is Largest in parts of Scale: 0 where nothing differs, infinite where
// only the first network's numbers are all 0.
func (d Difference) Relative() float64 {
	if d.Largest == 0 {
		return 0
	}
	return d.Largest / d.Scale
}
