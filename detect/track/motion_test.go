package track

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// full is the filter of all eight states in matrices, as textbooks write it:
// cx, cy, lw, lh and their rates.
type full struct {
	x, p  *mat.Dense
	scale float64
}

func (f *full) noise() (q, r [4]float64) {
	h := f.scale
	return [4]float64{1 * h * 1 * h, 1 * h * 1 * h, 0.09, 0.09}, [4]float64{0.0025 * h * h, 0.0025 * h * h, 0.0049, 0.0049}
}

func beginFull(r rect) *full {
	w, h := r.x1-r.x0, r.y1-r.y0
	f := &full{x: mat.NewDense(8, 1, nil), p: mat.NewDense(8, 8, nil), scale: h}
	for i, v := range []float64{(r.x0 + r.x1) / 2, (r.y0 + r.y1) / 2, math.Log(w), math.Log(h)} {
		f.x.Set(i, 0, v)
	}
	_, noise := f.noise()
	for i, v := range []float64{noise[0], noise[1], noise[2], noise[3], h * h, h * h, 0.25, 0.25} {
		f.p.Set(i, i, v)
	}
	return f
}

func (f *full) after(dt float64) {
	a, q := mat.NewDense(8, 8, nil), mat.NewDense(8, 8, nil)
	spectral, _ := f.noise()
	for i := range 8 {
		a.Set(i, i, 1)
	}
	for i, s := range spectral {
		a.Set(i, i+4, dt)
		q.Set(i, i, s*dt*dt*dt/3)
		q.Set(i, i+4, s*dt*dt/2)
		q.Set(i+4, i, s*dt*dt/2)
		q.Set(i+4, i+4, s*dt)
	}
	var x, ap, p mat.Dense
	x.Mul(a, f.x)
	ap.Mul(a, f.p)
	p.Mul(&ap, a.T())
	p.Add(&p, q)
	f.x, f.p = &x, &p
}

func (f *full) correct(t rapid.TB, r rect) {
	w, h := r.x1-r.x0, r.y1-r.y0
	f.scale = h
	_, noise := f.noise()
	z := mat.NewDense(4, 1, []float64{(r.x0 + r.x1) / 2, (r.y0 + r.y1) / 2, math.Log(w), math.Log(h)})
	hm, rm := mat.NewDense(4, 8, nil), mat.NewDense(4, 4, nil)
	for i := range 4 {
		hm.Set(i, i, 1)
		rm.Set(i, i, noise[i])
	}
	var y, hx, ph, s, inverse, k, ky, x mat.Dense
	hx.Mul(hm, f.x)
	y.Sub(z, &hx)
	ph.Mul(f.p, hm.T())
	s.Mul(hm, &ph)
	s.Add(&s, rm)
	if err := inverse.Inverse(&s); err != nil {
		if _, poor := err.(mat.Condition); !poor { // the units differ, and the matrix is diagonal
			t.Fatal(err)
		}
	}
	k.Mul(&ph, &inverse)
	ky.Mul(&k, &y)
	x.Add(f.x, &ky)
	// Joseph's form of the covariance, which holds for any gain.
	var kh, i, left, p, kr, krk mat.Dense
	kh.Mul(&k, hm)
	i.Sub(mat.NewDiagDense(8, []float64{1, 1, 1, 1, 1, 1, 1, 1}), &kh)
	left.Mul(&i, f.p)
	p.Mul(&left, i.T())
	kr.Mul(&k, rm)
	krk.Mul(&kr, k.T())
	p.Add(&p, &krk)
	f.x, f.p = &x, &p
}

func near(a, b, scale float64) bool { return math.Abs(a-b) <= 1e-9*(scale+math.Abs(a)+math.Abs(b)) }

func genRect() *rapid.Generator[rect] {
	return rapid.Custom(func(t *rapid.T) rect {
		x, y := rapid.Float64Range(0, 1900).Draw(t, "x"), rapid.Float64Range(0, 1000).Draw(t, "y")
		w, h := rapid.Float64Range(1, 900).Draw(t, "w"), rapid.Float64Range(1, 900).Draw(t, "h")
		return rect{x, y, x + w, y + h}
	})
}

// Four filters of two states are the filter of eight, since no noise and no
// motion ties them.
func TestClosedFormsAreTheFullFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRect().Draw(t, "first")
		m, f := begin(r), beginFull(r)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			dt := rapid.Float64Range(0.001, 0.7).Draw(t, "dt")
			m = m.after(dt)
			f.after(dt)
			if rapid.Bool().Draw(t, "seen") {
				r := genRect().Draw(t, "box")
				m = m.corrected(r)
				f.correct(t, r)
			}
			for i, a := range []axis{m.cx, m.cy, m.lw, m.lh} {
				scale := []float64{1000, 1000, 1, 1}[i]
				if !near(a.x, f.x.At(i, 0), scale) || !near(a.v, f.x.At(i+4, 0), scale) {
					t.Fatalf("state %d: %g %g, the full filter has %g %g", i, a.x, a.v, f.x.At(i, 0), f.x.At(i+4, 0))
				}
				if !near(a.xx, f.p.At(i, i), 0) || !near(a.xv, f.p.At(i, i+4), 0) || !near(a.xv, f.p.At(i+4, i), 0) || !near(a.vv, f.p.At(i+4, i+4), 0) {
					t.Fatalf("covariance %d: %+v, the full filter has %g %g %g", i, a, f.p.At(i, i), f.p.At(i, i+4), f.p.At(i+4, i+4))
				}
				for j := range 8 {
					if j%4 != i && math.Abs(f.p.At(i, j)) > 1e-9*math.Sqrt(f.p.At(i, i)*f.p.At(j, j)) {
						t.Fatalf("states %d and %d are tied", i, j)
					}
				}
			}
		}
	})
}

// How many frames a time is cut into does not matter.
func TestTwoStepsAreOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := begin(genRect().Draw(t, "first")).after(0.1).corrected(genRect().Draw(t, "second"))
		a, b := rapid.Float64Range(0, 1).Draw(t, "a"), rapid.Float64Range(0, 1).Draw(t, "b")
		two, one := m.after(a).after(b), m.after(a+b)
		for i, p := range [][2]axis{{two.cx, one.cx}, {two.cy, one.cy}, {two.lw, one.lw}, {two.lh, one.lh}} {
			scale := []float64{1000, 1000, 1, 1}[i]
			if !near(p[0].x, p[1].x, scale) || !near(p[0].v, p[1].v, scale) || !near(p[0].xx, p[1].xx, 0) || !near(p[0].xv, p[1].xv, 1e-3) || !near(p[0].vv, p[1].vv, 0) {
				t.Fatalf("axis %d: in two steps %+v, in one %+v", i, p[0], p[1])
			}
		}
	})
}

// Something that keeps its velocity, and grows by a constant ratio, is forecast
// to where it will be.
func TestForecastOfAConstantVelocity(t *testing.T) {
	at := func(s float64) rect {
		cx, cy, w, h := 300+120*s, 200-40*s, 40*math.Exp(0.3*s), 30*math.Exp(0.4*s)
		return rect{cx - w/2, cy - h/2, cx + w/2, cy + h/2}
	}
	m := begin(at(0))
	for i := 1; i <= 40; i++ {
		m = m.after(0.05).corrected(at(0.05 * float64(i)))
	}
	ahead := m.after(0.1)
	if got := ahead.rect().iou(at(2.1)); got < 0.98 {
		t.Errorf("the forecast %+v has an IoU of %.3f with %+v", ahead.rect(), got, at(2.1))
	}
	if math.Abs(m.cx.v-120) > 6 || math.Abs(m.cy.v+40) > 4 {
		t.Errorf("velocity %.1f %.1f, want 120 -40", m.cx.v, m.cy.v)
	}
}
