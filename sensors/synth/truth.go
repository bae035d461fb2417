package synth

import (
	"cmp"
	"math"
	"slices"

	"dashline/sensors/synth/truth"
)

// What a detector is not asked for: less than this is visible, in pixels of a
// picture 360 rows high, or more than this share is hidden or outside. KITTI's
// "moderate" asks for 25 pixels of 375 rows and for what is partly hidden: this
// asks for more (Geiger, Lenz and Urtasun, "Are we ready for autonomous driving?",
// 2012).
const (
	minHeight  = 16.0
	minWidth   = 8.0
	maxHidden  = 0.65
	maxOutside = 0.65
)

// How far lane lines are true, metres, and how far the drivable road.
const (
	laneRange     = 80.0
	drivableRange = 120.0
	laneReach     = 10.0 // lines farther to the side than this are not the vehicle's
)

// Truth is what is true of the last picture that Render took.
func (w *World) Truth() truth.Frame {
	st := w.studio
	e := &w.ego
	pitch, roll := w.shaken()
	at := w.road.at(e.s)
	f := truth.Frame{
		Time: w.time, Scene: w.sceneOf(at.sec),
		Ego: truth.Ego{X: e.x, Y: e.y, Z: at.z, Yaw: math.Remainder(e.yaw, 2*math.Pi), S: e.s, D: e.d,
			Speed: e.v, Accel: e.accel, YawRate: e.yawRate, Pitch: pitch, Roll: roll},
		Objects: []truth.Object{}, Lanes: []truth.Lane{}, Drivable: [][2]float64{},
	}
	if st == nil {
		return f
	}
	f.Index = st.frames - 1
	for i := range st.shots {
		if o, ok := st.object(w, &st.shots[i]); ok {
			f.Objects = append(f.Objects, o)
		}
	}
	slices.SortFunc(f.Objects, func(a, b truth.Object) int { return cmp.Compare(a.ID, b.ID) })
	f.Lanes = w.lanes(&st.view)
	f.Drivable = w.drivable(&st.view)
	return f
}

// object tells what is true of a shot; ok is false where nothing of it is visible.
func (st *studio) object(w *World, sh *shot) (o truth.Object, ok bool) {
	if sh.kind == scenery || sh.seen == 0 {
		return o, false
	}
	area := 0
	for _, n := range sh.area {
		area += n
	}
	b := sh.visible
	o = truth.Object{
		ID: sh.id, Class: truth.Classes()[sh.kind],
		Box:  [4]float64{float64(b[0]), float64(b[1]), float64(b[2] + 1), float64(b[3] + 1)},
		Full: sh.box, Occluded: max(0, 1-float64(sh.seen)/float64(max(1, area))),
	}
	o.Outline = plain(hull(slices.Clone(sh.corners)))
	o.Truncated = outside(o.Full, st.canvas.w, st.canvas.h)
	if !sh.full { // part of it is beside or behind the lens
		o.Truncated = max(o.Truncated, 0.5)
	}
	scale := float64(st.canvas.h) / 360
	o.Ignore = o.Box[3]-o.Box[1] < minHeight*scale || o.Box[2]-o.Box[0] < minWidth*scale ||
		o.Occluded > maxHidden || o.Truncated > maxOutside

	m := sh.mesh.size
	mid := st.view.vehicle(sh.toWorld(vec{0, 0, m.z / 2}))
	axis := sh.turned(vec{1, 0, 0})
	ahead := vec{axis.dot(st.view.forward), axis.dot(st.view.leftward), axis.dot(st.view.upward)}
	o.Center = [3]float64{mid.x, mid.y, mid.z}
	o.Size = [3]float64{m.x, m.y, m.z}
	o.Yaw = math.Atan2(ahead.y, ahead.x)
	o.Pitch = math.Asin(max(-1, min(1, ahead.z)))
	road := w.road.at(sh.s).yaw
	along, across := sh.dir*sh.v, sh.across
	if sh.parked {
		along = 0
	}
	if sh.walking {
		along = 0
	}
	sin, cos := math.Sincos(road - st.view.yaw)
	o.Velocity = [2]float64{along*cos - across*sin, along*sin + across*cos}
	return o, true
}

// plain leaves out corners of an outline that are within half a pixel of
// the line between those that stay.
func plain(outline [][2]float64) [][2]float64 {
	out := make([][2]float64, 0, len(outline))
	for i, p := range outline {
		next := outline[(i+1)%len(outline)]
		if len(out) > 0 && i+1 < len(outline) {
			last := out[len(out)-1]
			dx, dy := next[0]-last[0], next[1]-last[1]
			if n := math.Hypot(dx, dy); n > 0 && math.Abs((p[0]-last[0])*dy-(p[1]-last[1])*dx)/n < 0.5 {
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// outside is the share of a box that lies outside of a picture.
func outside(b [4]float64, w, h int) float64 {
	all := (b[2] - b[0]) * (b[3] - b[1])
	in := max(0, min(b[2], float64(w))-max(b[0], 0)) * max(0, min(b[3], float64(h))-max(b[1], 0))
	if !(all > 0) {
		return 0
	}
	return max(0, 1-in/all)
}

// far lists distances at which lines are sampled: closer together near the camera.
func far(to float64) []float64 {
	var out []float64
	for x := 1.5; x < to; x *= 1.25 {
		out = append(out, x)
	}
	return append(out, to)
}

// sight samples a line of the road ahead, given by its d at a station, as far as
// it can be seen: until the road turns away or falls behind a crest.
func (w *World) sight(v *view, to float64, d func(*station) (float64, bool)) (img [][2]float64, ground [][3]float64) {
	last := math.Inf(1)
	for _, x := range far(to) {
		st := w.road.at(w.ego.s + x)
		at, there := d(&st)
		if !there {
			if len(img) > 0 {
				break
			}
			continue
		}
		p := w.road.point(w.ego.s+x, at)
		px, py, ok := v.project(p)
		if !ok {
			continue
		}
		if py >= last-0.02 || math.Cos(st.yaw-v.yaw) < 0.3 {
			break
		}
		last = py
		q := v.vehicle(p)
		img = append(img, [2]float64{px, py})
		ground = append(ground, [3]float64{q.x, q.y, q.z})
	}
	return img, ground
}

// lanes are the painted lines beside and ahead of the vehicle.
func (w *World) lanes(v *view) []truth.Lane {
	type found struct {
		truth.Lane
		d float64
	}
	var all []found
	h, wide := float64(v.cam.Height), float64(v.cam.Width)
	for slot := range slots {
		var first line
		img, ground := w.sight(v, laneRange, func(st *station) (float64, bool) {
			var buf [slots]line
			for _, l := range st.linesAt(buf[:0]) {
				if l.slot == slot {
					if first.kind == "" {
						first = l
					}
					return l.d, true
				}
			}
			return 0, false
		})
		if len(img) < 2 || math.Abs(first.d-w.ego.d) > laneReach {
			continue
		}
		// What of it is in the picture has to be a line and not a speck.
		low, high, in := -1.0, h, 0
		for _, p := range img {
			if p[0] >= 0 && p[0] <= wide && p[1] >= 0 && p[1] <= h {
				low, high, in = max(low, p[1]), min(high, p[1]), in+1
			}
		}
		if in < 2 || low-high < 0.06*h {
			continue
		}
		color := "white"
		if first.yellow {
			color = "yellow"
		}
		worn := w.road.at(w.ego.s+10).sec.worn > 0.3
		all = append(all, found{truth.Lane{Kind: first.kind, Color: color, Worn: worn, Image: img, Ground: ground}, first.d - w.ego.d})
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(b.d, a.d) })
	left := 0
	for _, l := range all {
		if l.d > 0 {
			left++
		}
	}
	out := make([]truth.Lane, len(all))
	for i, l := range all {
		l.Side = i - left // -1 is the nearest to the left
		if l.Side >= 0 {
			l.Side++
		}
		out[i] = l.Lane
	}
	return out
}

// drivable is the outline of the lanes in the direction of travel.
func (w *World) drivable(v *view) [][2]float64 {
	left, _ := w.sight(v, drivableRange, func(*station) (float64, bool) { return 0, true })
	right, _ := w.sight(v, drivableRange, func(st *station) (float64, bool) { return st.right, true })
	if len(left) < 2 || len(right) < 2 {
		return [][2]float64{}
	}
	slices.Reverse(right)
	return append(left, right...)
}
