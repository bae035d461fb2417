package exec

import "dashline/model"

// finish adds biases to the sums of channels x anything, normalises and activates.
func finish(out []float32, channels int, bias []float32, norm *model.Norm, act *model.Act) {
	each := len(out) / channels
	for c := range channels {
		x := out[c*each:][:each]
		switch {
		case norm != nil:
			a, b := norm.Affine(c)
			if bias != nil {
				b += a * float64(bias[c])
			}
			scale, shift := float32(a), float32(b)
			for i, v := range x {
				x[i] = float32(v*scale) + shift // never fused: the same bytes everywhere
			}
		case bias != nil:
			b := bias[c]
			for i, v := range x {
				x[i] = v + b
			}
		}
		apply(act, c, x)
	}
}

// activate activates a value whose second dimension is its channels.
func activate(act *model.Act, shape model.Shape, out []float32) {
	if act.Kind != model.Prelu || len(act.Slope) == 1 {
		apply(act, 0, out)
		return
	}
	channels := shape.Channels()
	each := 1
	for _, d := range shape[2:] {
		each *= d
	}
	for i := 0; i*each < len(out); i++ {
		apply(act, i%channels, out[i*each:][:each])
	}
}
