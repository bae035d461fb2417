package prune

import (
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"slices"

	"dashline/model"
)

// Schedule is how sparse a network is at each step of training: not before Begin,
// then every Every steps more, until Final at End (Zhu and Gupta 2017,
// arXiv:1710.01878). Without training between the steps they come to the same as
// one step to Final: what is zero already is what is smallest.
type Schedule struct {
	Initial, Final    float64 // parts of the weights that are zero, 0..1
	Begin, End, Every int     // steps; Every of 0 is 1
}

// At is the sparsity at a step:
// Final + (Initial-Final) * (1 - (step-Begin)/(End-Begin))^3.
func (s Schedule) At(step int) float64 {
	if step < s.Begin {
		return 0
	}
	if step >= s.End {
		return s.Final
	}
	done := step - s.Begin
	done -= done % max(1, s.Every)
	left := 1 - float64(done)/float64(s.End-s.Begin)
	return s.Final + (s.Initial-s.Final)*left*left*left
}

// Sparsify sets the weights of smallest magnitude to zero, in place: the part
// sparsity (0..1) of the weights of each convolution and fully connected layer, to
// the nearest whole number. Biases and normalisations stay. Of equal magnitudes
// the first go.
func Sparsify(g *model.Graph, sparsity float64) error {
	if !(sparsity >= 0 && sparsity <= 1) {
		return fmt.Errorf("a sparsity of %v is not possible: give a part of the weights, 0 to 1", sparsity)
	}
	for i := range g.Layers {
		for part := range model.Weights(g.Layers[i].Op) {
			if part.Name == "weight" {
				clearSmallest(part.Values, sparsity)
			}
		}
	}
	return nil
}

func clearSmallest(kernel []float32, sparsity float64) {
	n := int(math.Round(sparsity * float64(len(kernel))))
	if n == 0 {
		return
	}
	magnitudes := make([]float32, len(kernel))
	for i, w := range kernel {
		magnitudes[i] = magnitude(w)
	}
	slices.Sort(magnitudes)
	threshold := magnitudes[n-1]
	below, _ := slices.BinarySearch(magnitudes, threshold)
	equal := n - below // so many of those at the threshold go
	for i, w := range kernel {
		switch m := magnitude(w); {
		case m < threshold:
			kernel[i] = 0
		case m == threshold && equal > 0:
			kernel[i] = 0
			equal--
		}
	}
}

func magnitude(w float32) float32 { return float32(math.Abs(float64(w))) }

// FileSize is the bytes of a file, and those after gzip at its usual level: all
// that sparse weights make smaller.
func FileSize(file io.Reader) (plain, zipped int64, err error) {
	var size counter
	zip := gzip.NewWriter(&size)
	if plain, err = io.Copy(zip, file); err != nil {
		return 0, 0, err
	}
	if err := zip.Close(); err != nil {
		return 0, 0, err
	}
	return plain, int64(size), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
