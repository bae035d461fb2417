package track

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dashline/pipeline/msg"
)

const ms = time.Millisecond

func started(t testing.TB, o Options) *Tracker {
	t.Helper()
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// car is a detection 40 pixels wide and 30 high around a point.
func car(x, y, score float32) msg.Detection {
	return msg.Detection{Box: msg.Box{X0: x - 20, Y0: y - 15, X1: x + 20, Y1: y + 15}, Class: 2, Label: "car", Score: score}
}

func as(d msg.Detection, class int, label string) msg.Detection {
	d.Class, d.Label = class, label
	return d
}

// states sums up tracks: "1 confirmed, 2 tentative".
func states(tr *Tracker) string {
	var out []string
	for _, t := range tr.Append(nil, 0) {
		out = append(out, fmt.Sprint(t.ID, " ", t.State))
	}
	return strings.Join(out, ", ")
}

// step is one call and what is followed after it.
type step struct {
	at   time.Duration
	dets []msg.Detection // nil: no detector ran
	want string
}

func TestLifeOfTracks(t *testing.T) {
	none := []msg.Detection{}
	one := func(x, y, score float32) []msg.Detection { return []msg.Detection{car(x, y, score)} }
	tests := []struct {
		name    string
		options Options
		steps   []step
	}{
		{"born, confirmed, out of sight and lost", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{100 * ms, one(101, 100, 0.9), "1 confirmed"},
			{200 * ms, none, "1 coasting"},
			{800 * ms, none, "1 coasting"},
			{801 * ms, none, ""},
			{900 * ms, one(101, 100, 0.9), "2 tentative"},
		}},
		{"found again in time", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{100 * ms, one(101, 100, 0.9), "1 confirmed"},
			{700 * ms, one(106, 100, 0.9), "1 confirmed"},
		}},
		{"confirmed after two frames were dropped", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{299 * ms, one(101, 100, 0.9), "1 confirmed"},
		}},
		{"never seen again", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{299 * ms, none, "1 tentative"},
			{300 * ms, none, ""},
		}},
		{"a detector that is slower than the time to confirm", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{500 * ms, one(101, 100, 0.9), "1 confirmed"},
			{1000 * ms, one(102, 100, 0.9), "1 confirmed"},
		}},
		{"many frames without a detector are one", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{33 * ms, nil, "1 tentative"},
			{66 * ms, nil, "1 tentative"},
			{100 * ms, one(101, 100, 0.9), "1 confirmed"},
			{133 * ms, nil, "1 coasting"},
			{166 * ms, nil, "1 coasting"},
			{801 * ms, nil, ""},
		}},
		{"a poor score keeps a track and begins none", Options{}, []step{
			{0, one(100, 100, 0.2), ""},
			{100 * ms, one(100, 100, 0.9), "1 tentative"},
			{200 * ms, one(100, 100, 0.2), "1 tentative"}, // nor does it confirm one
			{300 * ms, one(100, 100, 0.9), "1 confirmed"},
			{400 * ms, one(100, 100, 0.2), "1 confirmed"},
			{500 * ms, one(100, 100, 0.09), "1 coasting"},
		}},
		{"thresholds of one's own", Options{High: 0.8, Low: 0.7, Confirm: 50 * ms, Lost: 60 * ms}, []step{
			{0, one(100, 100, 0.79), ""},
			{1 * ms, one(100, 100, 0.8), "1 tentative"},
			{51 * ms, none, ""},
			{60 * ms, one(100, 100, 0.8), "2 tentative"},
			{70 * ms, one(100, 100, 0.8), "2 confirmed"},
			{80 * ms, one(100, 100, 0.7), "2 confirmed"},
			{90 * ms, one(100, 100, 0.69), "2 coasting"},
			{140 * ms, none, "2 coasting"},
			{141 * ms, none, ""},
		}},
		{"the same time twice confirms nothing", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{0, one(100, 100, 0.9), "1 tentative"},
		}},
		{"a step back is no time", Options{}, []step{
			{time.Hour, one(100, 100, 0.9), "1 tentative"},
			{time.Hour + 100*ms, one(101, 100, 0.9), "1 confirmed"},
			{time.Hour + 500*ms, none, "1 coasting"},
			{time.Hour + 50*ms, none, "1 coasting"},
			{time.Hour + 350*ms, none, "1 coasting"}, // 400 + 300 ms unseen
			{time.Hour + 351*ms, none, ""},
		}},
		{"far back begins anew", Options{}, []step{
			{time.Hour, one(100, 100, 0.9), "1 tentative"},
			{time.Hour + 100*ms, one(101, 100, 0.9), "1 confirmed"},
			{0, one(101, 100, 0.9), "2 tentative"},
		}},
		{"hours ahead", Options{}, []step{
			{0, one(100, 100, 0.9), "1 tentative"},
			{100 * ms, one(101, 100, 0.9), "1 confirmed"},
			{5 * time.Hour, one(101, 100, 0.9), "2 tentative"},
		}},
		{"from one end of time to the other", Options{}, []step{
			{math.MinInt64, one(100, 100, 0.9), "1 tentative"},
			{math.MinInt64 + 100*ms, one(100, 100, 0.9), "1 confirmed"},
			{math.MaxInt64, one(100, 100, 0.9), "2 tentative"},
			{math.MinInt64, one(100, 100, 0.9), "3 tentative"},
		}},
		{"one that leaves the picture", Options{}, []step{
			{0, one(560, 100, 0.9), "1 tentative"},
			{100 * ms, one(580, 100, 0.9), "1 confirmed"},
			{200 * ms, one(600, 100, 0.9), "1 confirmed"},
			{400 * ms, nil, "1 coasting"},
			{700 * ms, nil, ""},
		}},
		{"two that are near do not change places", Options{}, []step{
			{0, []msg.Detection{car(100, 100, 0.9), car(125, 100, 0.8)}, "1 tentative, 2 tentative"},
			{100 * ms, []msg.Detection{car(110, 100, 0.8), car(135, 100, 0.9)}, "1 confirmed, 2 confirmed"},
		}},
		{"a few more tracks than are followed", Options{Limit: 2}, []step{
			{0, []msg.Detection{car(100, 100, 0.4), car(300, 100, 0.8), car(500, 100, 0.5)}, "1 tentative, 2 tentative"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := started(t, tt.options)
			for i, s := range tt.steps {
				if s.dets == nil {
					tr.Coast(s.at)
				} else {
					tr.Update(s.at, 640, 360, s.dets)
				}
				if got := states(tr); got != s.want {
					t.Fatalf("step %d, at %s: %q, want %q", i, s.at, got, s.want)
				}
			}
		})
	}
}

func TestTrackSaysWhatWasMeasured(t *testing.T) {
	tr := started(t, Options{})
	for i := range 10 {
		x := 100 + 10*float32(i) // 200 px/s
		tr.Update(time.Duration(i)*50*ms, 640, 360, []msg.Detection{{Score: 0.01}, car(x, 100, 0.5+float32(i)/64)})
	}
	prefix := []msg.Track{{ID: 77}}
	got := tr.Append(prefix, 100*ms)
	if len(got) != 2 || got[0].ID != 77 {
		t.Fatalf("%+v: want one track after what was there", got)
	}
	seen := got[1]
	if seen.Measured != car(190, 100, 0).Box || seen.Detection != 1 || seen.Label != "car" || seen.Class != 2 || seen.Score != 0.5+9.0/64 || seen.Unseen != 0 {
		t.Errorf("%+v", seen)
	}
	middle := func(b msg.Box) float64 { return float64(b.X0+b.X1) / 2 }
	if d := middle(seen.Box) - 190; math.Abs(d) > 2 {
		t.Errorf("the estimate is %.1f px off", d)
	}
	if d := middle(seen.Forecast) - 210; math.Abs(d) > 3 {
		t.Errorf("the forecast is %.1f px off", d)
	}
	if seen.VX < 180 || seen.VX > 210 || seen.VY < -3 || seen.VY > 3 {
		t.Errorf("velocity %.1f %.1f, want about 200 0", seen.VX, seen.VY)
	}
	// Not seen: a prediction that says so, and is less sure the longer it lasts.
	last := seen
	for i := 1; i <= 6; i++ {
		tr.Coast(450*ms + time.Duration(i)*100*ms)
		got := tr.Append(nil, 100*ms)[0]
		if got.State != msg.TrackCoasting || got.Measured != (msg.Box{}) || got.Detection != -1 || got.Unseen != time.Duration(i)*100*ms || got.ID != seen.ID {
			t.Errorf("%+v", got)
		}
		if !(got.Sigma > last.Sigma) || got.Box == last.Box {
			t.Errorf("after %s sigma is %g, was %g", got.Unseen, got.Sigma, last.Sigma)
		}
		if got.Box != last.Forecast {
			t.Errorf("after %s the box is %+v, 100 ms before the forecast was %+v", got.Unseen, got.Box, last.Forecast)
		}
		last = got
	}
	if got := tr.Append(nil, -time.Second)[0]; got.Forecast != got.Box {
		t.Errorf("a negative time ahead: %+v", got)
	}
}

// A detector that takes a car for a truck now and then makes no new object of it.
func TestClassIsThatOfTheMajority(t *testing.T) {
	tr := started(t, Options{})
	at := time.Duration(0)
	see := func(class int, label string) msg.Track {
		at += 100 * ms
		tr.Update(at, 640, 360, []msg.Detection{as(car(100, 100, 0.8), class, label)})
		all := tr.Append(nil, 0)
		if len(all) != 1 || all[0].ID != 1 {
			t.Fatalf("%+v: want one track", all)
		}
		return all[0]
	}
	for i, s := range []string{"car", "car", "car", "truck", "car"} {
		if got := see(len(s), s); got.Label != "car" || got.Class != 3 {
			t.Errorf("frame %d: %d %s", i, got.Class, got.Label)
		}
	}
	var got msg.Track
	for range 10 {
		got = see(5, "truck")
	}
	if got.Label != "truck" || got.Class != 5 {
		t.Errorf("after ten trucks: %d %s", got.Class, got.Label)
	}
	// But something else that overlaps by half is another object.
	tr.Update(at+100*ms, 640, 360, []msg.Detection{as(car(115, 100, 0.8), 0, "person")})
	if got := states(tr); got != "1 coasting, 2 tentative" {
		t.Error(got)
	}
}

func TestAnotherSizeOfTheFrameBeginsAnew(t *testing.T) {
	tr := started(t, Options{})
	dets := []msg.Detection{car(100, 100, 0.9)}
	tr.Update(0, 640, 360, dets)
	tr.Update(100*ms, 640, 360, dets)
	tr.Update(200*ms, 0, 360, dets) // no size: nothing can be said of boxes
	if got := states(tr); got != "1 coasting" {
		t.Error(got)
	}
	tr.Update(300*ms, 1280, 720, dets)
	if got := states(tr); got != "2 tentative" {
		t.Error(got)
	}
}

func TestBoxesThatAreNone(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	box := func(x0, y0, x1, y1 float32) msg.Detection {
		return msg.Detection{Box: msg.Box{X0: x0, Y0: y0, X1: x1, Y1: y1}, Score: 0.9}
	}
	for _, d := range []msg.Detection{
		box(nan, 10, 50, 50), box(10, nan, 50, 50), box(10, 10, nan, 50), box(10, 10, 50, nan),
		box(-inf, 10, 50, 50), box(10, 10, inf, 50), box(50, 10, 10, 50), box(10, 10, 10.5, 50), box(10, 10, 50, 10),
		box(700, 10, 800, 50), box(-100, 10, -50, 50), box(639.5, 10, 900, 50), {Box: msg.Box{X1: 50, Y1: 50}, Score: nan}, {},
	} {
		tr := started(t, Options{})
		tr.Update(0, 640, 360, []msg.Detection{d})
		if got := states(tr); got != "" {
			t.Errorf("%+v became %s", d, got)
		}
	}
	tr := started(t, Options{})
	tr.Update(0, 640, 360, []msg.Detection{box(-3e38, -3e38, 3e38, 3e38), {Box: msg.Box{X0: 5, X1: 50, Y1: 50}, Score: 7}})
	got := tr.Append(nil, 0)
	if len(got) != 2 || got[0].Measured != (msg.Box{X1: 640, Y1: 360}) && got[1].Measured != (msg.Box{X1: 640, Y1: 360}) || got[0].Score > 1 {
		t.Errorf("boxes beyond the frame: %+v", got)
	}
}

// The page's table has each option with its default.
func TestDocumentedOptions(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "tracks.md"))
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(started(t, Options{}).o)
	for i := range v.NumField() {
		if row := fmt.Sprintf("\n| `%s` | %v |", v.Type().Field(i).Name, v.Field(i)); !strings.Contains(string(b), row) {
			t.Errorf("docs/tracks.md has no row %q", row[1:])
		}
	}
}

func TestOptionsOutOfRange(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{High: -1}, "high score"}, {Options{High: 1.1}, "high score"}, {Options{High: nan}, "high score"},
		{Options{Low: -0.1}, "low score"}, {Options{Low: 0.4}, "low score"}, {Options{Low: nan}, "low score"},
		{Options{Confirm: -1}, "confirm"}, {Options{Confirm: time.Hour}, "confirm"},
		{Options{Lost: 1}, "lost"}, {Options{Lost: time.Hour}, "lost"},
		{Options{Limit: -1}, "limit"}, {Options{Limit: 1001}, "limit"},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want an error with %q", tt.o, err, tt.want)
		}
	}
	for _, o := range []Options{{}, {High: 0.05}, {High: 1, Low: 1, Confirm: ms, Lost: time.Minute, Limit: 1000}} {
		if _, err := New(o); err != nil {
			t.Error(err)
		}
	}
}

// crowd is a drive of n cars, each frame in another order.
func crowd(r *rand.Rand, n, frames int) [][]msg.Detection {
	x, y, vx := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range n {
		x[i], y[i], vx[i] = 40+1200*r.Float32(), 30+660*r.Float32(), 8*(r.Float32()-0.5)
	}
	all := make([][]msg.Detection, frames)
	for f := range all {
		for i := range n {
			if x[i] += vx[i]; r.Float32() < 0.1 {
				continue
			}
			noise := func() float32 { return float32(r.NormFloat64()) }
			d := car(x[i]+noise(), y[i]+noise(), min(1, 0.1+r.Float32()))
			all[f] = append(all[f], as(d, r.IntN(20)/19, "car"))
		}
	}
	return all
}

// The order of detections changes nothing but the indices, and coasting in
// between and asking changes nothing at all.
func TestOrderAndCoastingDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		plain, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Duration(0)
		for _, dets := range crowd(r, 25, 12) {
			step := time.Duration(1+r.IntN(400)) * ms
			for k := range 3 {
				other.Coast(at + step*time.Duration(k)/3)
				other.Append(nil, time.Second)
			}
			at += step
			plain.Update(at, 1280, 720, dets)
			mixed, back := slices.Clone(dets), r.Perm(len(dets))
			for i, k := range back {
				mixed[i] = dets[k]
			}
			other.Update(at, 1280, 720, mixed)
			want, got := plain.Append(nil, 50*ms), other.Append(nil, 50*ms)
			for i := range got {
				if k := got[i].Detection; k >= 0 {
					got[i].Detection = back[k]
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("at %s:\n%+v\nwant\n%+v", at, got, want)
			}
		}
	})
}

// audit looks at what is said of tracks, frame after frame.
type audit struct {
	alive  map[uint64]bool
	newest uint64
}

// check fails the test unless what is said agrees with itself and with what was
// said before.
func (a *audit) check(t testing.TB, tr *Tracker, tracks []msg.Track, dets int) {
	t.Helper()
	if len(tracks) > tr.o.Limit {
		t.Fatalf("%d tracks", len(tracks))
	}
	alive := map[uint64]bool{}
	used := map[int]bool{}
	var last uint64
	for i := range tracks {
		k := &tracks[i]
		if k.ID <= last {
			t.Fatalf("ID %d after %d", k.ID, last)
		}
		if !a.alive[k.ID] && k.ID <= a.newest {
			t.Fatalf("ID %d is used again", k.ID)
		}
		last, alive[k.ID] = k.ID, true
		if k.Detection < -1 || k.Detection >= dets || used[k.Detection] {
			t.Fatalf("track %d has detection %d of %d, or another has it too", k.ID, k.Detection, dets)
		}
		used[k.Detection] = k.Detection >= 0
		if seen := k.Detection >= 0; seen != (k.Measured != msg.Box{}) || seen && k.Unseen != 0 ||
			k.State == msg.TrackConfirmed && !seen || k.State == msg.TrackCoasting && seen || k.Unseen < 0 || k.Unseen > tr.o.Lost {
			t.Fatalf("%+v does not agree with itself", k)
		}
		for _, b := range []msg.Box{k.Box, k.Forecast, k.Measured} {
			if !(0 <= b.X0 && b.X0 <= b.X1 && b.X1 <= float32(tr.width) && 0 <= b.Y0 && b.Y0 <= b.Y1 && b.Y1 <= float32(tr.height)) {
				t.Fatalf("track %d has the box %+v in %g x %g", k.ID, b, tr.width, tr.height)
			}
		}
		for _, v := range []float32{k.VX, k.VY, k.Sigma, k.Score} {
			if v != v || math.IsInf(float64(v), 0) {
				t.Fatalf("%+v has what is no number", k)
			}
		}
		if !(k.Sigma > 0 && k.Score >= tr.o.Low && k.Score <= 1) {
			t.Fatalf("%+v is out of range", k)
		}
	}
	a.alive, a.newest = alive, max(last, a.newest)
}

func TestTenThousandDetections(t *testing.T) {
	tr := started(t, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	var a audit
	for f := range 3 {
		dets := make([]msg.Detection, 10_000)
		for i := range dets {
			dets[i] = car(1280*r.Float32(), 720*r.Float32(), r.Float32())
		}
		tr.Update(time.Duration(f)*33*ms, 1280, 720, dets)
		a.check(t, tr, tr.Append(nil, 100*ms), len(dets))
	}
	if n := len(tr.tracks); n != tr.o.Limit {
		t.Errorf("%d tracks, want %d", n, tr.o.Limit)
	}
}

func TestUpdateAllocatesNothing(t *testing.T) {
	tr := started(t, Options{})
	frames := crowd(rand.New(rand.NewPCG(3, 4)), 60, 50)
	var out []msg.Track
	at := time.Duration(0)
	round := func() {
		for _, dets := range frames {
			at += 33 * ms
			tr.Update(at, 1280, 720, dets)
			out = tr.Append(out[:0], 50*ms)
			at += 33 * ms
			tr.Coast(at)
			out = tr.Append(out[:0], 50*ms)
		}
	}
	round()
	if n := testing.AllocsPerRun(5, round); n != 0 {
		t.Errorf("%v allocations in %d frames", n, 2*len(frames))
	}
	if len(out) < 30 {
		t.Errorf("only %d tracks", len(out))
	}
}

// BenchmarkUpdate is one frame of 50 tracks and 50 detections, forecasts
// included.
func BenchmarkUpdate(b *testing.B) {
	tr := started(b, Options{})
	r := rand.New(rand.NewPCG(5, 6))
	frames := make([][]msg.Detection, 64)
	for f := range frames {
		for i := range 50 { // in ten columns that overlap, some of poor scores
			x, y := float32(60+120*(i%10)), float32(40+60*(i/10)) // 120 px apart
			d := car(x+20*float32(math.Sin(float64(f)/10+float64(i)))+float32(r.NormFloat64()), y+float32(r.NormFloat64()), 0.9)
			if i%7 == f%7 {
				d.Score = 0.2
			}
			d.Box.X1 += 50
			frames[f] = append(frames[f], d)
		}
	}
	var out []msg.Track
	at, f := time.Duration(0), 0
	b.ReportAllocs()
	for b.Loop() {
		at += 33 * ms
		tr.Update(at, 1280, 720, frames[f%len(frames)])
		out = tr.Append(out[:0], 50*ms)
		f++
	}
	b.ReportMetric(float64(len(out)), "tracks")
}
