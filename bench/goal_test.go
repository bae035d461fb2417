package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dashline/bench/report"
	"dashline/bench/worker"
)

func goal() *Goal {
	return &Goal{Deadline: 100 * time.Millisecond, Quantile: .99, MissRate: .01, Level: .95}
}

func TestPlannedFrames(t *testing.T) {
	g := Goal{Deadline: time.Second, Quantile: .999, MissRate: .001, Level: .99}
	// 6,636 are what 99 % takes with one frame above; a tenth of the error is for
	// stopping early.
	if n := g.frames(); n < 6636 || n > 6900 {
		t.Errorf("%d frames are planned", n)
	}
}

// TestVerdict feeds made-up frames: what is certain is said, and what is not is not.
func TestVerdict(t *testing.T) {
	tests := []struct {
		name         string
		rate         float64 // of misses
		slow         bool    // missed frames are not answered in time either
		frames       int
		want         report.Verdict
		why          string
		stopsInside  int // 0: it does not have to stop
		neverCertain bool
	}{
		{"none", 0, true, goal().frames(), report.Pass, "within the 1 % that are allowed", 0, false},
		{"too few frames", 0, true, 100, report.Inconclusive, "measure more frames", 0, true},
		{"one in ten", .1, true, 2000, report.Fail, "more than the 1 % that are allowed", 500, false},
		{"dropped, but answered by the next", .1, false, 2000, report.Fail, "missed (late, dropped or failed)", 500, false},
		{"just what is allowed", .01, true, goal().frames(), report.Inconclusive, "", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			tr := newTrial(goal(), 1)
			stopped := 0
			for i := range tt.frames {
				miss := random.Float64() < tt.rate
				tr.add(miss, miss && tt.slow)
				if stopped == 0 && tr.certain() {
					stopped = i + 1
				}
			}
			v, why := tr.verdict()
			if v != tt.want || !strings.Contains(why, tt.why) {
				t.Errorf("%s: %s; want %s: %s", v, why, tt.want, tt.why)
			}
			if tt.stopsInside > 0 && (stopped == 0 || stopped > tt.stopsInside) {
				t.Errorf("certain after %d frames, want %d at most", stopped, tt.stopsInside)
			}
			if tt.neverCertain && stopped > 0 {
				t.Errorf("certain after %d frames", stopped)
			}
		})
	}
}

// TestVerdictIsSeldomWrong runs trials whose rate is just beyond what is allowed,
// looked at after every frame: they may pass as often as the level says and no
// more. Nor may trials fail more often whose rates are just what is allowed.
func TestVerdictIsSeldomWrong(t *testing.T) {
	const runs = 3000
	wrong := 0
	for run := range runs {
		random := rand.New(rand.NewPCG(uint64(run), 9))
		g := &Goal{Deadline: time.Second, Quantile: .9, MissRate: .1, Level: .9}
		tr := newTrial(g, 1)
		for range 3 * g.frames() {
			miss := random.Float64() < .101
			tr.add(miss, miss)
			if tr.certain() {
				break
			}
		}
		if v, _ := tr.verdict(); v == report.Pass {
			wrong++
		}
	}
	// A tenth, and three standard deviations.
	most := runs*.1 + 3*math.Sqrt(runs*.1*.9)
	if float64(wrong) > most {
		t.Errorf("%d of %d trials passed wrongly, %v at most would do", wrong, runs, most)
	}
	wrong = 0
	for run := range runs {
		random := rand.New(rand.NewPCG(uint64(run), 10))
		g := &Goal{Deadline: time.Second, Quantile: .9, MissRate: .1, Level: .9}
		tr := newTrial(g, 1)
		for range 3 * g.frames() {
			tr.add(random.Float64() < .1, random.Float64() < .1) // either could be what fails
			if tr.certain() {
				break
			}
		}
		if v, _ := tr.verdict(); v == report.Fail {
			wrong++
		}
	}
	if float64(wrong) > most {
		t.Errorf("%d of %d trials failed wrongly, %v at most would do", wrong, runs, most)
	}
	t.Logf("%d of %d failed wrongly", wrong, runs)
}

func TestAnswered(t *testing.T) {
	inf := math.Inf(1)
	f := func(camera int, due, age float64, outcome string) frame {
		return frame{camera: camera, at: due / 1000, age: age, outcome: outcome}
	}
	tests := []struct {
		name   string
		frames []frame
		want   []float64 // in the order in which they were due
	}{
		{"each by itself", []frame{f(0, 0, 10, "on_time"), f(0, 33, 12, "late")}, []float64{10, 12}},
		{"a dropped one by the next", []frame{f(0, 33, 0, "dropped"), f(0, 0, 50, "on_time"), f(0, 66, 10, "on_time")}, []float64{50, 43, 10}},
		{"not by an older one", []frame{f(0, 0, 100, "late"), f(0, 33, 0, "dropped")}, []float64{100, inf}},
		{"not by another camera's", []frame{f(0, 0, 0, "failed"), f(1, 33, 10, "on_time")}, []float64{inf, 10}},
		{"a newer one was sooner", []frame{f(0, 0, 90, "on_time"), f(0, 33, 10, "on_time")}, []float64{43, 10}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer(tt.frames)
			var got []float64
			for _, f := range tt.frames {
				got = append(got, math.Round(f.answer*1e6)/1e6)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestGoalCheck(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Goal)
		want  string
	}{
		{"no deadline", func(g *Goal) { g.Deadline = 0 }, "a deadline of 0s"},
		{"quantile", func(g *Goal) { g.Quantile = 1 }, "a quantile of 100 %"},
		{"miss rate", func(g *Goal) { g.MissRate = 0 }, "a miss rate of 0 %"},
		{"level", func(g *Goal) { g.Level = math.NaN() }, "a level of NaN %"},
		{"low level", func(g *Goal) { g.Level = .44 }, "give 50 or more"},
		{"more than can be shown", func(g *Goal) { g.MissRate = 1.2e-6 }, "takes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := goal()
			tt.spoil(g)
			if err := g.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestHeld sees that a frame which is dropped at the end of a block is answered by the
// next block where that follows at once, and by none where there is a gap.
func TestHeld(t *testing.T) {
	for _, more := range []bool{true, false} {
		o := &Options{Goal: *goal()}
		s := &subject{trial: newTrial(&o.Goal, 1)}
		s.take(o, &worker.Frames{Span: 66, Frames: []worker.Frame{{Due: 33, Age: 10, Outcome: "on_time"}, {Due: 66, Outcome: "dropped"}}}, more)
		s.take(o, &worker.Frames{Span: 33, Frames: []worker.Frame{{Due: 33, Age: 10, Outcome: "on_time"}}}, false)
		got := []float64{}
		for _, f := range s.frames {
			got = append(got, math.Round(f.answer*1e6)/1e6)
		}
		want := []float64{10, 43, 10}
		if !more {
			want[1] = math.Inf(1)
		}
		if !slices.Equal(got, want) || len(s.trial.misses.hits) != 3 {
			t.Errorf("more %v: answers %v, want %v", more, got, want)
		}
	}
}

// Where nothing is published any more, the trial hears of it in time: a frame without
// an answer is slow once its deadline is over, whatever comes later.
func TestNothingIsPublishedAnyMore(t *testing.T) {
	o := &Options{Goal: *goal()}
	s := &subject{trial: newTrial(&o.Goal, 1)}
	const block = 30
	blocks := 0
	for ; !s.trial.certain() && blocks < 100; blocks++ {
		dead := &worker.Frames{Span: 1000}
		for i := range block {
			dead.Frames = append(dead.Frames, worker.Frame{Due: float64(i+1) * 1000 / block, Outcome: "failed"})
		}
		s.take(o, dead, true)
	}
	if blocks > 3 {
		t.Errorf("it took %d blocks until that was certain", blocks)
	}
	s.settled(o)
	if n := blocks * block; len(s.frames) != n || len(s.trial.misses.hits) != n || len(s.held) != 0 {
		t.Errorf("%d frames and %d judged, want %d; %d are held", len(s.frames), len(s.trial.misses.hits), n, len(s.held))
	}
	if v, why := s.trial.verdict(); v != report.Fail {
		t.Errorf("%s: %s", v, why)
	}
}

// What comes faster than the configuration's rate costs no frame anything.
func TestSurplusIsNoFrame(t *testing.T) {
	o := &Options{Closed: true}
	s := &subject{}
	s.take(o, &worker.Frames{Wall: 100, CPU: 30, Frames: []worker.Frame{
		{Due: 33, Age: 10, Outcome: "on_time"}, {Due: 66, Outcome: "dropped", Reason: "rate"}, {Due: 100, Outcome: "dropped", Reason: "rate"},
	}}, false)
	if len(s.frames) != 1 || len(s.cpu) != 1 || s.cpu[0] != 30 {
		t.Errorf("%d frames, processor time %v of each", len(s.frames), s.cpu)
	}
}

// A quantile that is told anyway is told once.
func TestQuantileOfTheGoalIsToldOnce(t *testing.T) {
	x := make([]float64, 2000)
	for i := range x {
		x[i] = float64(i)
	}
	nearly := math.Nextafter(.999, 1) // which 99.9 in 100 parts is
	for q, want := range map[float64]int{.999: 4, nearly: 4, .95: 5} {
		if d := distribution(x, .95, &Goal{Quantile: q}); len(d.Quantiles) != want {
			t.Errorf("%v: %d quantiles, want %d", q, len(d.Quantiles), want)
		}
	}
}

func TestBarren(t *testing.T) {
	failed := frame{outcome: "failed", stage: "detect", reason: "engine"}
	s := &subject{name: "tiny", frames: []frame{{outcome: "dropped", stage: "wait", reason: "newer"}, failed, failed}}
	if err := s.barren(); err == nil || err.Error() != "tiny: nothing was published of any of 3 frames: failed in detect for engine" {
		t.Error(err)
	}
	s.frames[1].outcome = "late"
	if err := s.barren(); err != nil {
		t.Error(err)
	}
}
