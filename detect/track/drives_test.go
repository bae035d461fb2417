package track

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"dashline/pipeline/msg"
	"dashline/sensors/synth/truth"
)

// picture is what is really there at one time.
type picture struct {
	at      time.Duration
	objects []truth.Object
}

// drive is the truth of a synthetic drive.
type drive struct {
	name          string
	width, height int
	pictures      []picture // every 1/30 s
}

// drives are eight that are committed, 72 seconds in all.
func drives(t testing.TB) []drive {
	t.Helper()
	var all []drive
	for _, name := range []string{"default", "cut-in", "fog", "low-sun", "night", "road-works", "step-out", "worn-curves"} {
		_, here, _, _ := runtime.Caller(0)
		r, err := truth.Open(filepath.Join(filepath.Dir(here), "..", "..", "testdata", "drives", name+".truth.jsonl.gz"))
		if err != nil {
			t.Fatal(err)
		}
		d := drive{name: name, width: r.Drive.Camera.Width, height: r.Drive.Camera.Height}
		for {
			f, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			d.pictures = append(d.pictures, picture{time.Duration(f.Time * float64(time.Second)), f.Objects})
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// ignored says whether most of a box is on something that a detector is not asked
// for.
func (p *picture) ignored(r rect) bool {
	for _, o := range p.objects {
		b := of(o.Box)
		if both := (rect{max(r.x0, b.x0), max(r.y0, b.y0), min(r.x1, b.x1), min(r.y1, b.y1)}); o.Ignore && 2*both.area() > r.area() {
			return true
		}
	}
	return false
}

// rhythm says how many pictures lie between two that are looked at.
type rhythm struct {
	name string
	step func(*rand.Rand) int
}

var rhythms = []rhythm{
	{"33 ms", func(*rand.Rand) int { return 1 }},
	{"100 ms", func(*rand.Rand) int { return 3 }},
	{"irregular", func(r *rand.Rand) int { return 1 + r.IntN(6) }},
}

// detect makes of the truth what a detector might say: boxes with noise, objects
// that are missed, more often where they are hidden, classes that are mistaken,
// and things that are not there.
func detect(r *rand.Rand, d *drive, p *picture) []msg.Detection {
	var out []msg.Detection
	classes := truth.Classes()
	add := func(b [4]float64, class int, score float64) {
		box := rect{b[0], b[1], b[2], b[3]}.clip(float64(d.width), float64(d.height)).box()
		if box.X1 > box.X0 && box.Y1 > box.Y0 && score >= 0.05 {
			out = append(out, msg.Detection{Box: box, Class: class, Label: classes[class], Score: float32(min(score, 0.99))})
		}
	}
	for _, o := range p.objects {
		b, class := o.Box, slices.Index(classes, o.Class)
		w, h := b[2]-b[0], b[3]-b[1]
		miss, score := 0.06+0.5*o.Occluded, 0.75-0.5*o.Occluded+0.15*r.NormFloat64()
		if h < 16 {
			score -= 0.15
		}
		if o.Ignore {
			miss, score = 0.7, score-0.2
		}
		for k := range b {
			size := []float64{w, h}[k%2]
			b[k] += (0.5 + 0.04*size) * r.NormFloat64()
		}
		if class < 2 && r.Float64() < 0.03 {
			class = 1 - class
		}
		if r.Float64() >= miss {
			add(b, class, score)
		}
	}
	for r.Float64() < 0.4 {
		w, h := 8+60*r.Float64(), 8+60*r.Float64()
		x, y := float64(d.width)*r.Float64(), float64(d.height)*r.Float64()
		add([4]float64{x - w/2, y - h/2, x + w/2, y + h/2}, r.IntN(len(classes)), 0.1+0.45*r.Float64())
	}
	slices.SortStableFunc(out, func(a, b msg.Detection) int { return int(math.Copysign(1, float64(b.Score-a.Score))) })
	return out
}

// follower is a tracker under test.
type follower interface {
	Update(at time.Duration, width, height int, dets []msg.Detection)
	Append(dst []msg.Track, ahead time.Duration) []msg.Track
}

// mean is a sum and of how many.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }

func (m mean) value() float64 { return m.sum / float64(max(1, m.n)) }

// quality is how well objects were followed: counts over all pictures, and
// overlaps with the truth 100 ms after capture.
type quality struct {
	objects, covered    int // that are to be found, and those with a track
	switches, fragments int // covered by another track than before; again after it was not
	ghosts              int // tracks of nothing
	// Of tracks that are seen: of the forecast, the estimate for the time of
	// capture and the detector's own box. Moving are objects whose own boxes at
	// both times have an IoU below 0.8.
	forecast, estimate, stale   mean
	movingForecast, movingStale mean
}

func (q *quality) coverage() float64 { return float64(q.covered) / float64(q.objects) }

func (q quality) String() string {
	return fmt.Sprintf("covered %.1f %% of %d, %d switches, %d fragmentations, %.2f tracks of nothing an object; IoU 100 ms later: forecast %.3f, estimate %.3f, detection %.3f; of %d that move: forecast %.3f, detection %.3f",
		100*q.coverage(), q.objects, q.switches, q.fragments, float64(q.ghosts)/float64(q.objects),
		q.forecast.value(), q.estimate.value(), q.stale.value(), q.movingStale.n, q.movingForecast.value(), q.movingStale.value())
}

const horizon = 3 // pictures: 100 ms

// follow measures a tracker on a drive; the detections depend on seed alone.
func (q *quality) follow(f follower, d *drive, rh rhythm, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	type past struct {
		id        uint64
		now, then bool // covered in this picture, and ever before
	}
	known := map[int]*past{}
	var tracks []msg.Track
	for i := 0; i < len(d.pictures); i += rh.step(r) {
		p := &d.pictures[i]
		f.Update(p.at, d.width, d.height, detect(r, d, p))
		tracks = f.Append(tracks[:0], 100*time.Millisecond)
		tracks = slices.DeleteFunc(tracks, func(t msg.Track) bool { return t.State == msg.TrackTentative })
		taken := make([]bool, len(tracks))
		partner := make([]int, len(p.objects))
		for k := range partner {
			partner[k] = -1
		}
		over := func(o *truth.Object, t *msg.Track) float64 { return of(o.Box).iou(from(t.Box)) }
		// Those who belonged together stay so while they overlap (CLEAR MOT).
		for k := range p.objects {
			if was := known[p.objects[k].ID]; was != nil {
				for j := range tracks {
					if tracks[j].ID == was.id && !taken[j] && over(&p.objects[k], &tracks[j]) >= 0.5 {
						partner[k], taken[j] = j, true
					}
				}
			}
		}
		for {
			best, bk, bj := 0.5, -1, -1
			for k := range p.objects {
				for j := range tracks {
					if v := over(&p.objects[k], &tracks[j]); partner[k] < 0 && !taken[j] && v >= best {
						best, bk, bj = v, k, j
					}
				}
			}
			if bk < 0 {
				break
			}
			partner[bk], taken[bj] = bj, true
		}
		for k := range p.objects {
			o := &p.objects[k]
			was := known[o.ID]
			if was == nil {
				was = &past{}
				known[o.ID] = was
			}
			if partner[k] >= 0 {
				t := &tracks[partner[k]]
				if !o.Ignore {
					q.covered++
					if was.id != 0 && was.id != t.ID {
						q.switches++
					}
					if was.then && !was.now {
						q.fragments++
					}
					q.ahead(d, i, o, t)
				}
				was.id, was.now, was.then = t.ID, true, true
			} else {
				was.now = was.now && o.Ignore
			}
			if !o.Ignore {
				q.objects++
			}
		}
		for j := range tracks {
			if !taken[j] && !p.ignored(from(tracks[j].Box)) {
				q.ghosts++
			}
		}
	}
}

// ahead compares with the truth a horizon later.
func (q *quality) ahead(d *drive, i int, o *truth.Object, t *msg.Track) {
	if i+horizon >= len(d.pictures) || t.Detection < 0 {
		return
	}
	for _, later := range d.pictures[i+horizon].objects {
		if later.ID == o.ID && !later.Ignore {
			now := of(later.Box)
			forecast, stale := now.iou(from(t.Forecast)), now.iou(from(t.Measured))
			q.forecast.add(forecast)
			q.estimate.add(now.iou(from(t.Box)))
			q.stale.add(stale)
			if now.iou(of(o.Box)) < 0.8 {
				q.movingForecast.add(forecast)
				q.movingStale.add(stale)
			}
		}
	}
}

func of(b [4]float64) rect { return rect{b[0], b[1], b[2], b[3]} }

func from(b msg.Box) rect { return rect{float64(b.X0), float64(b.Y0), float64(b.X1), float64(b.Y1)} }

// greedy is the baseline: the last box of each track, the largest overlaps
// first, and nothing predicted.
type greedy struct {
	last   uint64
	tracks []msg.Track
	at     []time.Duration
	sure   []bool
}

func (g *greedy) Update(at time.Duration, _, _ int, dets []msg.Detection) {
	for i := len(g.tracks) - 1; i >= 0; i-- {
		if age := at - g.at[i]; age > 700*time.Millisecond || !g.sure[i] && age > 300*time.Millisecond {
			g.tracks, g.at, g.sure = slices.Delete(g.tracks, i, i+1), slices.Delete(g.at, i, i+1), slices.Delete(g.sure, i, i+1)
			continue
		}
		g.tracks[i].Detection = -1
	}
	taken := make([]bool, len(dets))
	for {
		best, bi, bj := 0.3, -1, -1
		for i := range g.tracks {
			for j := range dets {
				if v := from(g.tracks[i].Box).iou(from(dets[j].Box)); g.tracks[i].Detection < 0 && !taken[j] &&
					dets[j].Score >= 0.3 && dets[j].Class == g.tracks[i].Class && v > best {
					best, bi, bj = v, i, j
				}
			}
		}
		if bi < 0 {
			break
		}
		taken[bj], g.sure[bi], g.at[bi] = true, true, at
		g.tracks[bi].Box, g.tracks[bi].Measured, g.tracks[bi].Forecast, g.tracks[bi].Detection = dets[bj].Box, dets[bj].Box, dets[bj].Box, bj
	}
	for j, d := range dets {
		if !taken[j] && d.Score >= 0.3 {
			g.last++
			g.tracks = append(g.tracks, msg.Track{ID: g.last, Class: d.Class, Box: d.Box, Measured: d.Box, Forecast: d.Box, Detection: j})
			g.at, g.sure = append(g.at, at), append(g.sure, false)
		}
	}
}

func (g *greedy) Append(dst []msg.Track, _ time.Duration) []msg.Track {
	for i, t := range g.tracks {
		t.State = msg.TrackConfirmed
		if !g.sure[i] {
			t.State = msg.TrackTentative
		}
		dst = append(dst, t)
	}
	return dst
}
