package prune

import (
	"math"
	"math/rand/v2"
	"slices"

	"dashline/model"
)

// places are where a layer's value is looked at: some pixels of every image,
// and how much each counts.
type places struct {
	each   int       // an image
	pixels []int     // row*width + column, image after image
	weight []float32 // mean 1
	// stands is for how many pixels each place stands: one over its chance to be
	// drawn.
	stands []float32
}

func (p *places) rows() int      { return len(p.pixels) }
func (p *places) of(n int) []int { return p.pixels[n*p.each : (n+1)*p.each] }

// grid is the height and width of a value.
type grid [2]int

func gridOf(s model.Shape) grid { return grid{s.Height(), s.Width()} }

// spread chooses places for every grid of the network: at most most pixels of an
// image, drawn without replacement. attention says where objects are; there a
// place is more likely to be drawn, in proportion, and counts for as much more as
// it is not drawn more often. nil treats all alike.
func spread(g *model.Graph, images, most int, seed uint64, attention []attention) map[grid]*places {
	out := map[grid]*places{}
	for i := range g.Layers {
		s := g.Layers[i].Shape
		if len(s) != 4 || out[gridOf(s)] != nil {
			continue
		}
		h, w := s.Height(), s.Width()
		p := &places{each: min(most, h*w)}
		random := rand.New(rand.NewPCG(seed, uint64(h*w)))
		worth := make([]float64, h*w)
		for n := range images {
			for at := range worth {
				worth[at] = 1
				if attention != nil {
					worth[at] = float64(attention[n].at((float64(at/w)+.5)/float64(h), (float64(at%w)+.5)/float64(w)))
				}
			}
			pixels, chances := draw(worth, p.each, random)
			for k, at := range pixels {
				p.pixels = append(p.pixels, at)
				p.weight = append(p.weight, float32(worth[at]/chances[k]))
				p.stands = append(p.stands, float32(1/chances[k]))
			}
		}
		level(p.weight)
		out[gridOf(s)] = p
	}
	return out
}

// draw takes count of the indices of worth, each with a chance in proportion to
// its worth, at most 1 (systematic sampling in a random order, Madow 1949), and says
// what the chances were.
func draw(worth []float64, count int, random *rand.Rand) (drawn []int, chances []float64) {
	chance := make([]float64, len(worth))
	sure := make([]bool, len(worth)) // to be drawn
	for left := count; ; {
		var sum float64
		for i, x := range worth {
			if !sure[i] {
				sum += x
			}
		}
		more := false
		for i, x := range worth {
			if sure[i] {
				continue
			}
			if chance[i] = float64(left) * x / sum; chance[i] >= 1 {
				chance[i], sure[i], more = 1, true, true
			}
		}
		if !more {
			break
		}
		left = count
		for _, s := range sure {
			if s {
				left--
			}
		}
		if left <= 0 {
			break
		}
	}
	at, sum := random.Float64(), 0.
	for _, i := range random.Perm(len(worth)) {
		sum += chance[i]
		if len(drawn) < count && sum > at {
			drawn, chances = append(drawn, i), append(chances, chance[i])
			at++
		}
	}
	if len(drawn) < count { // rounding took the last one's turn
		last := 0
		for slices.Contains(drawn, last) || chance[last] == 0 {
			last++
		}
		drawn, chances = append(drawn, last), append(chances, chance[last])
	}
	return drawn, chances
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
// times how much the largest objectness around a place counts, over its mean. heads are what the
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
			a.value[y*a.w+x] = float32(notice(around))
			sum += notice(around)
		}
	}
	mean := sum / float64(len(seen))
	for i, v := range a.value {
		a.value[i] = float32(1 + gain*float64(v)/math.Max(mean, 1e-9))
	}
	return a
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
