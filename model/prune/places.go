package prune

import (
	"math"
	"math/rand/v2"

	"dashline/model"
)

// places are where a layer's value is looked at: some pixels of every image,
// and how much each counts.
type places struct {
	each   int       // an image
	pixels []int     // row*width + column, image after image
	weight []float32 // mean 1
}

func (p *places) rows() int      { return len(p.pixels) }
func (p *places) of(n int) []int { return p.pixels[n*p.each : (n+1)*p.each] }

// grid is the height and width of a value.
type grid [2]int

func gridOf(s model.Shape) grid { return grid{s.Height(), s.Width()} }

// spread chooses places for every grid of the network: at most most pixels of an
// image, drawn without replacement. attention, 0 to 1 at relative coordinates of
// an image, says where objects are; there a place counts more.
func spread(g *model.Graph, images, most int, seed uint64, attention []attention) map[grid]*places {
	out := map[grid]*places{}
	for i := range g.Layers {
		s := g.Layers[i].Shape
		if len(s) != 4 || out[gridOf(s)] != nil {
			continue
		}
		area := s.Height() * s.Width()
		p := &places{each: min(most, area)}
		random := rand.New(rand.NewPCG(seed, uint64(area)))
		for n := range images {
			for _, at := range random.Perm(area)[:p.each] {
				p.pixels = append(p.pixels, at)
				w := float32(1)
				if attention != nil {
					w = attention[n].at((float64(at/s.Width())+.5)/float64(s.Height()), (float64(at%s.Width())+.5)/float64(s.Width()))
				}
				p.weight = append(p.weight, w)
			}
		}
		level(p.weight)
		out[gridOf(s)] = p
	}
	return out
}

// level scales weights to a mean of 1.
func level(w []float32) {
	var sum float64
	for _, x := range w {
		sum += float64(x)
	}
	for i := range w {
		w[i] = float32(float64(w[i]) * float64(len(w)) / sum)
	}
}

// attention is how much each part of one image counts, on a coarse grid.
type attention struct {
	h, w  int
	value []float32
}

func (a attention) at(y, x float64) float32 {
	row := min(int(y*float64(a.h)), a.h-1)
	col := min(int(x*float64(a.w)), a.w-1)
	return a.value[row*a.w+col]
}

// attend is where the heads of a network see objects in one image: 1 + gain
// times the largest objectness around a place, over its mean. heads are what the
// network's Yolo layers read.
func attend(heads []head, raw [][]float32, gain float64) attention {
	fine := heads[0]
	for _, h := range heads {
		if h.grid[0] > fine.grid[0] {
			fine = h
		}
	}
	a := attention{h: fine.grid[0], w: fine.grid[1]}
	seen := make([]float64, a.h*a.w)
	for k, h := range heads {
		area := h.grid[0] * h.grid[1]
		for y := range a.h {
			for x := range a.w {
				cell := y*h.grid[0]/a.h*h.grid[1] + x*h.grid[1]/a.w
				for b := range h.anchors {
					seen[y*a.w+x] = max(seen[y*a.w+x], sigmoid(float64(raw[k][(b*h.stride+4)*area+cell])))
				}
			}
		}
	}
	a.value = make([]float32, len(seen))
	var sum float64
	for y := range a.h {
		for x := range a.w {
			var around float64
			for v := max(y-1, 0); v <= min(y+1, a.h-1); v++ {
				for u := max(x-1, 0); u <= min(x+1, a.w-1); u++ {
					around = max(around, seen[v*a.w+u])
				}
			}
			a.value[y*a.w+x] = float32(around)
			sum += around
		}
	}
	mean := sum / float64(len(seen))
	for i, v := range a.value {
		a.value[i] = float32(1 + gain*float64(v)/math.Max(mean, 1e-9))
	}
	return a
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
