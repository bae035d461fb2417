package synth

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// strips are how many parts of a picture are painted side by side. It is the same
// on every machine, so that pictures are.
const strips = 4

// studio is all that taking pictures needs and that lives from one to the next.
type studio struct {
	optics  *optics
	canvas  *canvas
	sum     []float32 // of the sub-exposures of a blurred picture
	brushes []*brush
	ground  ground
	grain   *noise
	shots   []shot
	sensor  sensor
	view    view // of the last picture
	frames  int
	lastAt  float64
}

// shot is an actor as one picture shows it.
type shot struct {
	*actor
	at       vec
	sin, cos float64 // of its heading in the world
	climb    float64 // sine and cosine of its pitch, nose up
	level    float64
	far      float64 // distance of its middle from the lens, metres
	polys    []polygon
	light    lit
	// Of all its corners, in pixels, and how many pixels it takes and shows.
	box     [4]float64
	corners [][2]float64
	full    bool // box is of the whole object: nothing of it is behind the lens
	area    []int
	seen    int
	visible [4]int
}

// polygon is something to fill.
type polygon struct {
	pts [][2]float32
	paint
}

func newStudio(sc *Scenario, seed uint64) *studio {
	c := sc.Camera
	st := &studio{optics: newOptics(c), canvas: newCanvas(c.Width, c.Height)}
	st.grain = newNoise(newDice(seed, 3))
	st.ground.grain = st.grain
	for k := range strips {
		st.brushes = append(st.brushes, &brush{canvas: st.canvas, x0: c.Width * k / strips, x1: c.Width * (k + 1) / strips})
	}
	st.sensor = newSensor(c, seed)
	return st
}

// Render takes a picture of the present moment. img has the camera's size.
func (w *World) Render(img *Image) {
	c := &w.scenario.Camera
	if img.Width != c.Width || img.Height != c.Height || len(img.Pix) != 3*c.Width*c.Height {
		panic("synth: the image is not of the camera's size: make it with NewImage")
	}
	if w.studio == nil {
		w.studio = newStudio(&w.scenario, w.seed)
	}
	st := w.studio
	sky := w.road.skyAt(w.ego.s)
	if c.Shutter > 0 {
		// Light is gathered while the shutter is open: before, after, and at the moment.
		if st.sum == nil {
			st.sum = make([]float32, len(st.canvas.light))
		}
		for i, off := range []float64{-c.Shutter / 3, c.Shutter / 3} {
			w.expose(sky, off)
			for k, l := range st.canvas.light {
				if i == 0 {
					st.sum[k] = l
				} else {
					st.sum[k] += l
				}
			}
		}
	}
	w.expose(sky, 0)
	if c.Shutter > 0 {
		for k, l := range st.canvas.light {
			st.canvas.light[k] = (l + st.sum[k]) / 3
		}
	}
	dt := w.time - st.lastAt
	st.lastAt = w.time
	st.sensor.develop(st, &sky, img, st.frames, dt)
	st.frames++
}

// expose paints the world as it is off seconds from now.
func (w *World) expose(sky sky, off float64) {
	st := w.studio
	e := &w.ego
	x, y, yaw, s := e.x+e.v*off*math.Cos(e.yaw), e.y+e.v*off*math.Sin(e.yaw), e.yaw+e.yawRate*off, e.s+e.v*off
	at := w.road.at(s)
	pitch, roll := w.shaken()
	st.view = newView(st.optics, vec{x, y, at.z}, yaw, at.grade*math.Cos(yaw-at.yaw), pitch, roll)
	st.ground.road = w.road
	st.ground.light = newLighting(sky)
	st.ground.prepare(&st.view, s)
	st.shoot(w, off)

	each(st.brushes, func(k int, _ *brush) {
		for i := k; i < len(st.shots); i += strips {
			st.polygons(&st.shots[i], uint16(i+1))
		}
	})
	each(st.brushes, func(k int, b *brush) {
		for row := range b.h {
			clear(b.id[row*b.w+b.x0 : row*b.w+b.x1])
		}
		st.ground.draw(b, &st.view)
		for i := range st.shots {
			st.shadow(b, &st.shots[i])
		}
		for i := range st.shots {
			sh := &st.shots[i]
			marked := 0
			for _, p := range sh.polys {
				marked += b.polygon(p.pts, p.paint)
			}
			sh.area[k] = marked
		}
		st.weather(b, w.time+off)
	})
	st.hideBehindCrests()
	st.count()
}

// each runs f for every brush, on as many goroutines, and waits for them.
func each(brushes []*brush, f func(k int, b *brush)) {
	var wg sync.WaitGroup
	for k, b := range brushes[1:] {
		wg.Go(func() { f(k+1, b) })
	}
	f(0, brushes[0])
	wg.Wait()
}

// shoot lists every actor that may be in the picture, far ones first.
func (st *studio) shoot(w *World, off float64) {
	old := st.shots
	st.shots = st.shots[:0]
	for _, a := range w.actors {
		s, d := a.s+a.dir*a.v*off, a.d+a.across*off
		if a.parked || a.kind == person && a.walking {
			s = a.s
		}
		at := w.road.at(s)
		sin, cos := math.Sincos(at.yaw)
		p := vec{at.x - d*sin, at.y + d*cos, at.z + a.z}
		q := st.view.camera(p)
		r := a.mesh.size.norm() / 2
		if q.z < -r || q.z > horizonAt-20 || math.Abs(q.x) > (q.z+r)*1.3*float64(st.canvas.w)/2/st.view.cam.Fx+3*r {
			continue
		}
		var sh shot
		if n := len(st.shots); n < len(old) {
			old = old[:cap(old)]
			sh = old[n] // for its buffers
		}
		sh.actor, sh.at, sh.far = a, p, math.Hypot(q.z, q.x)
		sh.sin, sh.cos = math.Sincos(a.heading(at.yaw))
		sh.climb, sh.level = 0, 1
		if a.leans() {
			sh.climb, sh.level = math.Sincos(math.Atan(at.grade * (sh.cos*cos + sh.sin*sin)))
		}
		st.shots = append(st.shots, sh)
	}
	slices.SortStableFunc(st.shots, func(a, b shot) int { return cmp.Compare(b.far, a.far) })
	for i := range st.shots {
		sh := &st.shots[i]
		if len(sh.area) != len(st.brushes) {
			sh.area = make([]int, len(st.brushes))
		}
	}
}

// hideBehindCrests puts nothing before ground that is nearer: what stands beyond
// a crest is hidden by it. The ground there is painted over it again by haze of
// its own colour: the pixel beside it that shows the crest.
func (st *studio) hideBehindCrests() {
	c := st.canvas
	for i, id := range c.id {
		if id == 0 || math.IsInf(float64(c.depth[i]), 1) {
			continue
		}
		if sh := &st.shots[id-1]; float64(c.depth[i]) < sh.far-sh.mesh.size.norm()/2-1 && sh.z == 0 {
			st.hidden(i)
		}
	}
}

// hidden gives a pixel back to the ground.
func (st *studio) hidden(i int) {
	c := st.canvas
	c.id[i] = 0
	if below := i + c.w; below < len(c.id) {
		copy(c.light[3*i:3*i+3], c.light[3*below:3*below+3])
	}
}

// count tells for each shot which pixels show it.
func (st *studio) count() {
	for i := range st.shots {
		sh := &st.shots[i]
		sh.seen = 0
		sh.visible = [4]int{math.MaxInt, math.MaxInt, -1, -1}
	}
	c := st.canvas
	for y := range c.h {
		for x, id := range c.id[y*c.w : (y+1)*c.w] {
			if id == 0 {
				continue
			}
			sh := &st.shots[id-1]
			sh.seen++
			v := &sh.visible
			v[0], v[1], v[2], v[3] = min(v[0], x), min(v[1], y), max(v[2], x), max(v[3], y)
		}
	}
}
