package track

// axis is a Kalman filter of one coordinate: its value x and rate v, and their
// covariance [xx xv; xv vv]. Time is in seconds.
type axis struct {
	x, v       float64
	xx, xv, vv float64
}

// after is the filter dt later, by constant velocity with white-noise
// acceleration of spectral density q (Bar-Shalom, Li and Kirubarajan,
// "Estimation with Applications to Tracking and Navigation", 2001, 6.2.2).
// Two steps of it are one step of the sum of their times.
func (f axis) after(dt, q float64) axis {
	return axis{
		x:  f.x + dt*f.v,
		v:  f.v,
		xx: f.xx + dt*(2*f.xv+dt*(f.vv+q*dt/3)),
		xv: f.xv + dt*(f.vv+q*dt/2),
		vv: f.vv + q*dt,
	}
}

// corrected is the filter after a measurement z of x with variance r (the same,
// 5.2.3). Its gain is (xx, xv)/(xx+r).
func (f axis) corrected(z, r float64) axis {
	s := f.xx + r
	kx, kv, y := f.xx/s, f.xv/s, z-f.x
	return axis{
		x:  f.x + kx*y,
		v:  f.v + kv*y,
		xx: kx * r, // (1-kx)*xx without its rounding
		xv: f.xv * (r / s),
		vv: f.vv - kv*f.xv,
	}
}
