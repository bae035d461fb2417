package track

import "math"

// The noises of a box, chosen on the synthetic drives (docs/tracks.md). Those of
// the centre are in heights of the box, so that they fit near and far objects
// alike (Wojke, Bewley and Paulus, "Simple Online and Realtime Tracking with a
// Deep Association Metric", ICIP 2017); those of the sizes' logarithms are
// relative by themselves.
const (
	centreNoise = 0.05 // standard deviation of a measured centre, heights
	sizeNoise   = 0.07 // of a measured size's logarithm
	centreRate  = 1.0  // standard deviation of a rate that is not known yet, heights/s
	sizeRate    = 0.5  // the same of a size's logarithm, 1/s
	centreAccel = 1.0  // square root of the acceleration's spectral density, heights s^-3/2
	sizeAccel   = 0.3  // the same of a size's logarithm, s^-3/2
)

// motion is where a box is and how it moves: centre in pixels and logarithms of
// width and height, each with its rate.
type motion struct {
	cx, cy, lw, lh axis
	scale          float64 // height of the latest measurement, for the noises
}

// begin is the motion of a box that was measured once.
func begin(r rect) motion {
	z := measure(r)
	centre := axis{xx: z.centre, vv: sq(centreRate * z.h)}
	size := axis{xx: z.size, vv: sq(sizeRate)}
	m := motion{cx: centre, cy: centre, lw: size, lh: size, scale: z.h}
	m.cx.x, m.cy.x, m.lw.x, m.lh.x = z.cx, z.cy, z.lw, z.lh
	return m
}

// after is the motion dt seconds later. Two steps of it are one of the sum of
// their times.
func (m motion) after(dt float64) motion {
	q, qs := sq(centreAccel*m.scale), sq(sizeAccel)
	m.cx, m.cy = m.cx.after(dt, q), m.cy.after(dt, q)
	m.lw, m.lh = m.lw.after(dt, qs), m.lh.after(dt, qs)
	return m
}

// corrected is the motion after a measurement at its time.
func (m motion) corrected(r rect) motion {
	z := measure(r)
	m.cx, m.cy = m.cx.corrected(z.cx, z.centre), m.cy.corrected(z.cy, z.centre)
	m.lw, m.lh = m.lw.corrected(z.lw, z.size), m.lh.corrected(z.lh, z.size)
	m.scale = z.h
	return m
}

// rect is the box, not clipped.
func (m *motion) rect() rect {
	const most = 60 // keeps the exponential finite, far beyond any picture
	w, h := math.Exp(min(m.lw.x, most))/2, math.Exp(min(m.lh.x, most))/2
	return rect{m.cx.x - w, m.cy.x - h, m.cx.x + w, m.cy.x + h}
}

// measurement is a box as the filters see it.
type measurement struct {
	cx, cy, lw, lh float64
	centre, size   float64 // variances
	h              float64
}

func measure(r rect) measurement {
	w, h := r.x1-r.x0, r.y1-r.y0
	return measurement{
		cx: (r.x0 + r.x1) / 2, cy: (r.y0 + r.y1) / 2, lw: math.Log(w), lh: math.Log(h),
		centre: sq(centreNoise * h), size: sq(sizeNoise), h: h,
	}
}

func sq(v float64) float64 { return v * v }
