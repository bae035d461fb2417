package synth

import (
	"math/rand/v2"
)

// dice is a random stream of its own: what one part of the world draws does not
// move what another draws.
type dice struct{ *rand.Rand }

func newDice(seed, stream uint64) dice { return dice{rand.New(rand.NewPCG(seed, stream))} }

// in draws from a range.
func (d dice) in(r [2]float64) float64 { return r[0] + (r[1]-r[0])*d.Float64() }

// whole draws from a range of integers, both ends included.
func (d dice) whole(r [2]int) int { return r[0] + d.IntN(r[1]-r[0]+1) }

// chance is true with probability p.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// spread draws from a normal distribution cut off at three deviations.
func (d dice) spread(mean, deviation float64) float64 {
	return mean + deviation*max(-3, min(3, d.NormFloat64()))
}

// one draws one of several.
func one[T any](d dice, of []T) T { return of[d.IntN(len(of))] }

// hash mixes an integer into 32 random-looking bits (Wang's integer hash).
func hash(x uint32) uint32 {
	x = (x ^ 61) ^ (x >> 16)
	x *= 9
	x ^= x >> 4
	x *= 0x27d4eb2d
	return x ^ x>>15
}

// noiseSide is the period of a noise tile.
const noiseSide = 256

// noise is a tile of fractal value noise that repeats every noiseSide steps:
// octaves of smoothly interpolated random lattices, values about -1 to 1.
type noise [noiseSide * noiseSide]float32

func newNoise(d dice) *noise {
	n := new(noise)
	amplitude, total := float32(0.5), float32(0)
	for cell := 64; cell >= 1; cell /= 2 {
		side := noiseSide / cell
		lattice := make([]float32, side*side)
		for i := range lattice {
			lattice[i] = 2*d.Float32() - 1
		}
		for y := range noiseSide {
			fy, y0 := smooth(float32(y%cell)/float32(cell)), y/cell
			y1 := (y0 + 1) % side
			for x := range noiseSide {
				fx, x0 := smooth(float32(x%cell)/float32(cell)), x/cell
				x1 := (x0 + 1) % side
				a := lattice[y0*side+x0]*(1-fx) + lattice[y0*side+x1]*fx
				b := lattice[y1*side+x0]*(1-fx) + lattice[y1*side+x1]*fx
				n[y*noiseSide+x] += amplitude * (a*(1-fy) + b*fy)
			}
		}
		total += amplitude
		amplitude *= 0.72
	}
	for i := range n {
		n[i] *= 2.4 / total
	}
	return n
}

// at interpolates the tile.
func (n *noise) at(x, y float32) float32 {
	xf, yf := floor(x), floor(y)
	fx, fy := x-float32(xf), y-float32(yf)
	const mask = noiseSide - 1
	x0, y0 := xf&mask, (yf&mask)*noiseSide
	x1, y1 := (xf+1)&mask, ((yf+1)&mask)*noiseSide
	a := n[y0+x0] + (n[y0+x1]-n[y0+x0])*fx
	b := n[y1+x0] + (n[y1+x1]-n[y1+x0])*fx
	return a + (b-a)*fy
}

func floor(x float32) int {
	i := int(x)
	if float32(i) > x {
		i--
	}
	return i
}

// smooth is the cubic from 0 to 1 that is flat at both ends.
func smooth(x float32) float32 { return x * x * (3 - 2*x) }

func smooth64(x float64) float64 {
	x = max(0, min(1, x))
	return x * x * (3 - 2*x)
}

func mix(a, b, t float64) float64 { return a + (b-a)*t }
