package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"
)

// drive renders some pictures of a scenario and hashes them with their truth.
func drive(t *testing.T, sc Scenario, seed uint64, pictures int) [32]byte {
	t.Helper()
	w, err := New(sc, seed)
	if err != nil {
		t.Fatal(err)
	}
	img := NewImage(sc.Camera.Width, sc.Camera.Height)
	h := sha256.New()
	for range pictures {
		for range 9 {
			w.Step(1/sc.FPS, nil)
		}
		w.Render(img)
		h.Write(img.Pix)
		if err := json.NewEncoder(h).Encode(w.Truth()); err != nil {
			t.Fatal(err)
		}
	}
	return [32]byte(h.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	pictures := few(4)
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			sc := builtin(t, name)
			one := drive(t, sc, 7, pictures)
			old := runtime.GOMAXPROCS(1)
			again := drive(t, sc, 7, pictures)
			runtime.GOMAXPROCS(old)
			if one != again {
				t.Error("the same scenario and seed give other bytes on one core")
			}
			if other := drive(t, sc, 8, pictures); one == other {
				t.Error("another seed gives the same bytes")
			}
		})
	}
	if drive(t, builtin(t, "highway"), 1, 1) == drive(t, builtin(t, "city"), 1, 1) {
		t.Error("two scenarios give the same bytes")
	}
}

func builtin(t *testing.T, name string) Scenario {
	t.Helper()
	sc, err := Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// few is n, or a few of n under the race detector.
func few(n int) int {
	if race {
		return (n + 7) / 8
	}
	return n
}

// The vehicle keeps its lane and its distance, and traffic does not lock up.
func TestTrafficFlows(t *testing.T) {
	seeds := few(10)
	total := 0.0
	for seed := range uint64(seeds) {
		w, err := New(builtin(t, "mixed"), seed)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 * 30 {
			w.Step(1./30, nil)
			st := w.road.at(w.ego.s)
			if w.ego.d < st.right-1 || w.ego.d > 0.3 { // a lane that ends may be left late
				t.Fatalf("seed %d: at s %.0f the vehicle is %.2f m off the line, on lanes from %.2f to 0", seed, w.ego.s, w.ego.d, st.right)
			}
			for _, a := range w.actors {
				if a.kind < signal && math.Abs(a.s-w.ego.s-egoMiddle) < (a.mesh.size.x+egoLength)/2-0.3 && math.Abs(a.d-w.ego.d) < (a.mesh.size.y+egoWidth)/2-0.3 {
					t.Fatalf("seed %d, %.1f s: the vehicle at %.1f %.2f (%.1f m/s, lane %d) runs into a thing of kind %d at %.1f %.2f (%.1f m/s, lane %d)",
						seed, w.time, w.ego.s, w.ego.d, w.ego.v, w.ego.lane, a.kind, a.s, a.d, a.v, a.lane)
				}
			}
		}
		total += w.ego.s
	}
	if mean := total / float64(seeds); mean < 300 {
		t.Errorf("a minute takes the vehicle %.0f m on average: traffic stands", mean)
	}
}

// Nobody waits for who waits for him: in any two minutes of a long drive the vehicle
// moves on, and it comes about two thirds as far as it did when this was written.
// Seconds are simulated, not waited for.
func TestTrafficNeverLocksUp(t *testing.T) {
	minutes := few(24)
	for _, c := range []struct {
		name string
		seed uint64
		km   float64 // in an hour
	}{{"city", 2, 9}, {"mixed", 3, 10}, {"step-out", 1, 8}, {"highway", 1, 24}, {"busy", 3, 10}}[:few(5)] {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, err := New(builtin(t, c.name), c.seed)
			if err != nil {
				t.Fatal(err)
			}
			stood := 0.0
			for range minutes * 60 * 10 {
				w.Step(0.1, nil)
				if stood += 0.1; w.ego.v > 0.3 {
					stood = 0
				}
				if stood > 120 {
					t.Fatalf("at %.0f s the vehicle has stood at s %.0f for two minutes", w.time, w.ego.s)
				}
			}
			km := w.ego.s / 1000
			t.Logf("%d minutes take the vehicle %.1f km", minutes, km)
			if km < c.km*float64(minutes)/60 {
				t.Errorf("want %.0f km in an hour", c.km)
			}
		})
	}
}

// A drive begins in any of its scenes where the scenario says so, else in the first.
func TestStartsAnywhere(t *testing.T) {
	sc := builtin(t, "mixed")
	for _, anywhere := range []bool{true, false} {
		sc.Anywhere = anywhere
		first := map[string]bool{}
		for seed := range uint64(20) {
			w, err := New(sc, seed)
			if err != nil {
				t.Fatal(err)
			}
			first[w.road.at(0).sec.Name] = true
		}
		if want := map[bool]int{true: len(sc.Scenes), false: 1}[anywhere]; len(first) != want || !first[sc.Scenes[0].Name] {
			t.Errorf("start_anywhere: %v: drives begin in %v", anywhere, first)
		}
	}
}

// A broken line to oncoming traffic is only where each way has one lane.
func TestBrokenCentreLines(t *testing.T) {
	broken, wide := 0, 0
	for seed := range uint64(60) {
		w, err := New(builtin(t, "mixed"), seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, sec := range w.road.sections {
			dashed, several := strings.HasPrefix(sec.centre, "dashed"), sec.lanes > 1 || sec.oncoming > 1
			if dashed && several {
				t.Errorf("seed %d: %s with %d and %d lanes", seed, sec.centre, sec.lanes, sec.oncoming)
			}
			if dashed {
				broken++
			}
			if several {
				wide++
			}
		}
	}
	if broken == 0 || wide == 0 {
		t.Errorf("%d sections with a broken line, %d with several lanes a way: too few to tell", broken, wide)
	}
}

// A driver of one's own steers and brakes.
func TestControl(t *testing.T) {
	w, err := New(builtin(t, "highway"), 3)
	if err != nil {
		t.Fatal(err)
	}
	v, yaw := w.ego.v, w.ego.yaw
	for range 60 {
		w.Step(1./60, &Control{Accel: -3, Curvature: 0.002})
	}
	if got := v - w.ego.v; math.Abs(got-3) > 1e-6 {
		t.Errorf("a second at -3 m/s² takes %.3f m/s off", got)
	}
	if want := (v - 1.5) * 0.002; math.Abs(w.ego.yaw-yaw-want) > 1e-6 {
		t.Errorf("turned by %.5f, want %.5f", w.ego.yaw-yaw, want)
	}
	for range 60 * 20 {
		w.Step(1./60, &Control{Accel: -8})
	}
	if w.ego.v != 0 {
		t.Errorf("braked to %.2f m/s: a vehicle does not roll back", w.ego.v)
	}
}

// Step and Render make nothing that lasts: after an hour memory is what it was
// after the first minutes. Seconds are simulated, not waited for.
func TestAllocatedMemoryStaysFlat(t *testing.T) {
	sc := builtin(t, "mixed")
	w, err := New(sc, 5)
	if err != nil {
		t.Fatal(err)
	}
	img := NewImage(sc.Camera.Width, sc.Camera.Height)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	minutes := func(n int) {
		for range n {
			for range 60 * 10 {
				w.Step(0.1, nil)
			}
			w.Render(img)
		}
	}
	minutes(5)
	early, actors := heap(), len(w.actors)
	minutes(55)
	late := heap()
	t.Logf("heap %.1f MB after 5 minutes, %.1f MB after 60; %d and %d actors, %d stations, %d sections; %.1f km",
		float64(early)/1e6, float64(late)/1e6, actors, len(w.actors), len(w.road.stations), len(w.road.sections), w.ego.s/1000)
	if w.ego.s < 10e3 {
		t.Errorf("an hour takes the vehicle %.1f km: it hardly drove", w.ego.s/1000)
	}
	if float64(late) > 1.25*float64(early) {
		t.Errorf("the heap grew from %d to %d bytes", early, late)
	}
}

func TestImageOfAnotherSizePanics(t *testing.T) {
	w, err := New(builtin(t, "city"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an image of another size is accepted")
		}
	}()
	w.Render(NewImage(10, 10))
}

func TestScenarios(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no name", "scenes:\n  - name: a\n", "key name is missing"},
		{"no scenes", "name: a\n", "key scenes is missing"},
		{"range", "name: a\nscenes:\n  - speed: [20, 10]\n", "scenes[0].speed is [20, 10]: give the least and then the most"},
		{"weather", "name: a\nscenes:\n  - weather: [snow]\n", `expected one of clear, overcast, rain, fog, low_sun, night, found "snow"`},
		{"unknown key", "name: a\nscenes:\n  - lane: [1, 2]\n", "unknown key scenes[0].lane: did you mean"},
		{"camera", "name: a\ncamera:\n  width: 5000\nscenes:\n  - name: b\n", "camera.width is 5000: give a value from 64 to 4096"},
		{"event", "name: a\nscenes:\n  - event_every: 3\n", "event_every is 3 without events"},
		{"lanes", "name: a\nscenes:\n  - lanes: [0, 2]\n", "0 is outside of its range, 1 to 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(c.text))
			if err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := Builtin("hihgway"); err == nil || !bytes.Contains([]byte(err.Error()), []byte("did you mean highway?")) {
		t.Errorf("%v", err)
	}
}

func FuzzScenario(f *testing.F) {
	for _, name := range Names() {
		data, err := embedded.ReadFile("scenarios/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sc, err := Parse("fuzz.yaml", data)
		if err != nil {
			return
		}
		if err := sc.Validate(); err != nil {
			t.Errorf("Parse gives what Validate refuses: %v", err)
		}
	})
}
