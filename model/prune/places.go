package prune

import (
	"math"
	"math/rand/v2"

	"dashline/model"
)

// places are where a layer's value is looked at: some pixels of every image.
type places struct {
	each   int       // an image
	pixels []int     // row*width + column, image after image
	weight []float32 // how much each counts: 1, but for parts of a head, which have their own
}

func (p *places) rows() int      { return len(p.pixels) }
func (p *places) of(n int) []int { return p.pixels[n*p.each : (n+1)*p.each] }

// grid is the height and width of a value.
type grid [2]int

func gridOf(s model.Shape) grid { return grid{s.Height(), s.Width()} }

// spread chooses places for every grid of the network: at most most pixels of an
// image, drawn without replacement, all alike. More of them where the heads see
// objects, and counting more, was no better: few places then say most of what is
// fitted.
func spread(g *model.Graph, images, most int, seed uint64) map[grid]*places {
	out := map[grid]*places{}
	for i := range g.Layers {
		s := g.Layers[i].Shape
		if len(s) != 4 || out[gridOf(s)] != nil {
			continue
		}
		area := s.Height() * s.Width()
		p := &places{each: min(most, area)}
		random := rand.New(rand.NewPCG(seed, uint64(area)))
		for range images {
			for _, at := range random.Perm(area)[:p.each] {
				p.pixels, p.weight = append(p.pixels, at), append(p.weight, 1)
			}
		}
		out[gridOf(s)] = p
	}
	return out
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
