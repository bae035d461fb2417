package synth

import (
	"math"
	"testing"

	"dashline/sensors/synth/truth"
)

// seen projects a point of vehicle coordinates with nothing but what a truth
// file says of the camera and of the frame: a second opinion on the renderer.
func seen(c truth.Camera, e truth.Ego, p [3]float64) (x, y float64, ok bool) {
	rad := math.Pi / 180
	// From the lens, in vehicle axes: forward, left, up.
	fwd, left, up := p[0], p[1], p[2]-c.Mount
	sin, cos := math.Sincos(c.Yaw * rad)
	fwd, left = fwd*cos+left*sin, left*cos-fwd*sin
	sin, cos = math.Sincos(c.Pitch*rad + e.Pitch)
	fwd, up = fwd*cos-up*sin, up*cos+fwd*sin
	right, down := -left, -up
	sin, cos = math.Sincos(c.Roll*rad + e.Roll)
	right, down = right*cos+down*sin, down*cos-right*sin
	if fwd < near {
		return 0, 0, false
	}
	xn, yn := right/fwd, down/fwd
	r2 := xn*xn + yn*yn
	radial := 1 + c.K1*r2 + c.K2*r2*r2 + c.K3*r2*r2*r2
	xd := xn*radial + 2*c.P1*xn*yn + c.P2*(r2+2*xn*xn)
	yd := yn*radial + c.P1*(r2+2*yn*yn) + 2*c.P2*xn*yn
	return c.Fx*xd + c.Cx + 0.5, c.Fy*yd + c.Cy + 0.5, true
}

// corner k of an object's 3-D box, in vehicle coordinates.
func boxCorner(o *truth.Object, u, v, w float64) [3]float64 {
	x, y, z := u*o.Size[0]/2, v*o.Size[1]/2, w*o.Size[2]/2
	sin, cos := math.Sincos(o.Pitch)
	x, z = x*cos-z*sin, x*sin+z*cos
	sin, cos = math.Sincos(o.Yaw)
	return [3]float64{o.Center[0] + x*cos - y*sin, o.Center[1] + x*sin + y*cos, o.Center[2] + z}
}

// lenses are cameras to hold the truth against: ideal, and as real ones are.
func lenses(sc Scenario) []Scenario {
	bent := sc
	bent.Camera.K1, bent.Camera.K2, bent.Camera.P1 = -0.12, 0.02, 0.001
	bent.Camera.Yaw, bent.Camera.Roll, bent.Camera.Pitch = 4, -1.5, 3
	return []Scenario{sc, bent}
}

// The projected 3-D box of an object is where its pixels are, to one pixel: each
// object is drawn as the solid block that its truth says it fills.
func TestBoxesAreWhereThePixelsAre(t *testing.T) {
	checked := 0
	for _, name := range []string{"city", "mixed", "unseen"} {
		for _, sc := range lenses(builtin(t, name)) {
			w, err := New(sc, 11)
			if err != nil {
				t.Fatal(err)
			}
			img := NewImage(sc.Camera.Width, sc.Camera.Height)
			for range few(12) {
				for range 45 {
					w.Step(1./30, nil)
				}
				w.Render(img)
				f := w.Truth()
				all := w.actors
				for _, o := range f.Objects {
					if o.Ignore || o.Truncated > 0.3 {
						continue
					}
					a := *find(all, o.ID)
					block := *a.mesh
					block.parts = []part{{faces: box(-o.Size[0]/2, o.Size[0]/2, -o.Size[1]/2, o.Size[1]/2, 0, o.Size[2], rgb{1, 1, 1})}}
					a.mesh = &block
					w.actors = []*actor{&a}
					w.studio.mark(w)
					checked += compare(t, w, sc.Camera.Camera, f.Ego, &o)
				}
				w.actors = all
			}
		}
	}
	if checked < few(150) {
		t.Errorf("only %d objects were compared", checked)
	}
}

// mark fills the canvas with the ids of the world's actors alone.
func (st *studio) mark(w *World) {
	clear(st.canvas.id)
	st.shoot(w, 0)
	for i := range st.shots {
		st.polygons(&st.shots[i], uint16(i+1))
		for _, p := range st.shots[i].polys {
			for _, b := range st.brushes {
				b.polygon(p.pts, p.paint)
			}
		}
	}
	st.hideBehindCrests()
}

func find(all []*actor, id int) *actor {
	for _, a := range all {
		if a.id == id {
			return a
		}
	}
	return nil
}

// compare holds the pixels of the only object against its projected box: no
// pixel more than one outside of it, and none missing more than one inside.
func compare(t *testing.T, w *World, c truth.Camera, e truth.Ego, o *truth.Object) int {
	t.Helper()
	var pts [][2]float64
	const steps = 8 // along each edge, since a lens may bend it
	for k := range steps + 1 {
		u := 2*float64(k)/steps - 1
		for _, q := range [][3]float64{{u, 1, 1}, {u, 1, -1}, {u, -1, 1}, {u, -1, -1}, {1, u, 1}, {1, u, -1}, {-1, u, 1}, {-1, u, -1}, {1, 1, u}, {1, -1, u}, {-1, 1, u}, {-1, -1, u}} {
			x, y, ok := seen(c, e, boxCorner(o, q[0], q[1], q[2]))
			if !ok {
				return 0
			}
			pts = append(pts, [2]float64{x, y})
		}
	}
	outline := hull(pts)
	cv := w.studio.canvas
	x0, y0, x1, y1 := cv.w, cv.h, 0, 0
	for _, p := range outline {
		x0, y0, x1, y1 = min(x0, int(p[0])-2), min(y0, int(p[1])-2), max(x1, int(p[0])+3), max(y1, int(p[1])+3)
	}
	for y := range cv.h {
		for x := range cv.w {
			if x < x0 || x >= x1 || y < y0 || y >= y1 {
				if cv.id[y*cv.w+x] != 0 {
					t.Errorf("object %d (%s): pixel %d,%d is far outside of its projected box", o.ID, o.Class, x, y)
					return 1
				}
				continue
			}
			in := depthIn(outline, float64(x)+0.5, float64(y)+0.5)
			marked := cv.id[y*cv.w+x] != 0
			if marked && in < -1 {
				t.Errorf("object %d (%s): pixel %d,%d is %.2f px outside of its projected box", o.ID, o.Class, x, y, -in)
				return 1
			}
			if !marked && in > 1 && math.IsInf(float64(cv.depth[y*cv.w+x]), 1) {
				t.Errorf("object %d (%s): pixel %d,%d is missing, %.2f px inside of its projected box", o.ID, o.Class, x, y, in)
				return 1
			}
		}
	}
	return 1
}

// depthIn is how far a point is inside of a convex outline (negative: outside).
func depthIn(outline [][2]float64, x, y float64) float64 {
	in := math.Inf(1)
	for i, a := range outline {
		b := outline[(i+1)%len(outline)]
		dx, dy := b[0]-a[0], b[1]-a[1]
		in = min(in, (dx*(y-a[1])-dy*(x-a[0]))/math.Hypot(dx, dy))
	}
	return in
}

// What scenery hides is not visible: a wall before a car leaves what sticks out.
func TestSceneryHides(t *testing.T) {
	sc := builtin(t, "highway")
	w, err := New(sc, 1)
	if err != nil {
		t.Fatal(err)
	}
	img := NewImage(sc.Camera.Width, sc.Camera.Height)
	car := &actor{kind: car, id: 1, mesh: newCar(newDice(1, 1)), s: w.ego.s + 20, d: w.ego.d}
	wall := func(height float64) *actor {
		m := &mesh{size: vec{0.2, 6, height}, parts: []part{{faces: box(-0.1, 0.1, -3, 3, 0, height, rgb{1, 0, 0})}}}
		return &actor{kind: scenery, mesh: m, s: w.ego.s + 12, d: w.ego.d}
	}
	look := func(all ...*actor) []truth.Object {
		w.actors = all
		w.Render(img)
		return w.Truth().Objects
	}
	open := look(car)
	if len(open) != 1 || open[0].Occluded > 0 {
		t.Fatalf("an open view: %+v", open)
	}
	half := look(car, wall(1.1))
	if len(half) != 1 || half[0].Occluded < 0.2 || half[0].Occluded > 0.8 || half[0].Box[3] >= open[0].Box[3]-3 || half[0].Box[1] != open[0].Box[1] {
		t.Errorf("behind a low wall: %+v; in the open: %+v", half, open[0].Box)
	}
	if hidden := look(car, wall(4)); len(hidden) != 0 {
		t.Errorf("behind a high wall: %+v", hidden)
	}
}

// Whatever is drawn of an object lies inside of its 3-D box, and fills it.
func TestShapesFillTheirBoxes(t *testing.T) {
	d := newDice(1, 1)
	for range few(60) {
		for name, m := range map[string]*mesh{
			"car": newCar(d), "truck": newTruck(d), "bus": newBus(d), "motorcycle": newMotorcycle(d),
			"bicycle": newBicycle(d), "person": newPerson(d), "signal": newSignal(), "cone": newCone(),
		} {
			lo, hi := m.bounds()
			half := vec{m.size.x / 2, m.size.y / 2, 0}
			const over, slack = 0.035, 0.12
			if lo.x < -half.x-over || lo.y < -half.y-over || hi.x > half.x+over || hi.y > half.y+over || lo.z < -0.06 || hi.z > m.size.z+over+0.05 {
				t.Errorf("%s of %+v reaches from %+v to %+v", name, m.size, lo, hi)
			}
			if hi.x-lo.x < m.size.x-slack-0.25 || hi.y-lo.y < m.size.y-slack || hi.z-lo.z < m.size.z-slack {
				t.Errorf("%s of %+v only reaches from %+v to %+v", name, m.size, lo, hi)
			}
		}
	}
}

// bounds of a mesh in every phase of a step.
func (m *mesh) bounds() (lo, hi vec) {
	lo, hi = vec{9, 9, 9}, vec{-9, -9, -9}
	take := func(p vec, r float64) {
		lo = vec{min(lo.x, p.x-r), min(lo.y, p.y-r), min(lo.z, p.z-r)}
		hi = vec{max(hi.x, p.x+r), max(hi.y, p.y+r), max(hi.z, p.z+r)}
	}
	for i := range m.parts {
		p := &m.parts[i]
		for _, phase := range []float64{-math.Pi / 2, 0, math.Pi / 2} { // of a step
			pose := p.pose(phase)
			for _, f := range p.faces {
				for _, q := range f.pts {
					take(pose(q), 0)
				}
			}
		}
		for _, d := range p.discs {
			take(d.at, d.radius)
		}
		for _, q := range p.posts {
			take(vec{q.at.x - q.r0, q.at.y - q.r0, q.at.z}, 0)
			take(vec{q.at.x + q.r0, q.at.y + q.r0, q.at.z + q.h}, 0)
		}
	}
	return lo, hi
}

// The image points of a lane line are its ground points, seen by the camera.
func TestLanesProject(t *testing.T) {
	n := 0
	for _, sc := range lenses(builtin(t, "mixed")) {
		w, err := New(sc, 21)
		if err != nil {
			t.Fatal(err)
		}
		img := NewImage(sc.Camera.Width, sc.Camera.Height)
		for range few(20) {
			for range 30 {
				w.Step(1./30, nil)
			}
			w.Render(img)
			f := w.Truth()
			for _, l := range f.Lanes {
				for i, g := range l.Ground {
					if p := l.Image[i]; p[0] < 0 || p[0] > 640 || p[1] > 360 {
						continue // so far out a bent lens is not followed
					}
					x, y, ok := seen(sc.Camera.Camera, f.Ego, g)
					if !ok || math.Hypot(x-l.Image[i][0], y-l.Image[i][1]) > 0.01 {
						t.Fatalf("line %d: point %v is at %.2f,%.2f, the truth says %v", l.Side, g, x, y, l.Image[i])
					}
					n++
				}
			}
		}
	}
	if n < few(1000) {
		t.Errorf("only %d points", n)
	}
}

// The paint in the picture is where the truth says, to one pixel: on an empty
// road, across each line, light has its centre on the line.
func TestPaintIsWhereTheLinesAre(t *testing.T) {
	sc := builtin(t, "mixed")
	for i := range sc.Scenes {
		s := &sc.Scenes[i]
		s.Weather, s.Worn, s.Traffic, s.Crossings, s.Cyclists, s.People, s.Parked, s.RoadWorks = []string{"overcast"}, [2]float64{}, [2]float64{}, 0, 0, 0, 0, 0
		s.Surroundings = []string{"fields"}
	}
	checked, worst := 0, 0.0
	for _, sc := range lenses(sc) {
		w, err := New(sc, 31)
		if err != nil {
			t.Fatal(err)
		}
		img := NewImage(sc.Camera.Width, sc.Camera.Height)
		for range few(30) {
			for range 30 {
				w.Step(1./30, nil)
			}
			w.actors = nil // only the road
			w.Render(img)
			f := w.Truth()
			for _, l := range f.Lanes {
				if l.Kind != "solid" {
					continue
				}
				for i, p := range l.Image {
					if i == 0 || i+1 == len(l.Image) {
						continue
					}
					a, b := l.Image[i-1], l.Image[i+1]
					off, ok := w.paintOff(p, (b[0]-a[0])/(b[1]-a[1]), l.Ground[i][0])
					if !ok {
						continue
					}
					checked++
					worst = max(worst, math.Abs(off))
					if math.Abs(off) > 1 {
						t.Errorf("%.1f s, line %d, %.1f m ahead: the paint is %.2f px beside %v", f.Time, l.Side, l.Ground[i][0], off, p)
					}
				}
			}
		}
	}
	t.Logf("%d places, at most %.2f px off", checked, worst)
	if checked < few(300) {
		t.Errorf("only %d places were compared", checked)
	}
}

// paintOff measures how far the centre of the light on p's row is from the line
// through p of slope dx/dy, at right angles to it. It is not asked where a line
// is too far or too flat to have a centre on a row.
func (w *World) paintOff(p [2]float64, slope, ahead float64) (float64, bool) {
	c := w.studio.canvas
	y := int(p[1])
	if ahead < 5 || ahead > 35 || math.Abs(slope) > 6 {
		return 0, false
	}
	x := p[0] + slope*(float64(y)+0.5-p[1]) // the line in the middle of the row
	half := 2*paintHalf*w.scenario.Camera.Fx/ahead*1.4 + 2
	half += math.Abs(slope)
	x0, x1 := int(x-half-3), int(x+half+3)
	if x0 < 1 || x1 >= c.w-1 || y < 1 || y >= c.h-1 {
		return 0, false
	}
	light := func(x int) float64 { return float64(c.light[3*(y*c.w+x)+1]) }
	base, peak := max(light(x0), light(x1)), 0.0
	for x := x0; x <= x1; x++ {
		peak = max(peak, light(x))
	}
	if peak < 2*base {
		return 0, false
	}
	sum, at := 0.0, 0.0
	for x := x0; x <= x1; x++ {
		if v := light(x) - base*1.15; v > 0 {
			sum += v
			at += v * (float64(x) + 0.5)
		}
	}
	return (at/sum - x) / math.Hypot(1, slope), true
}
