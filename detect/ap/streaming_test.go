package ap

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// genOutputs has times on a coarse grid, so that ties are common, and outputs in
// no order.
func genOutputs() *rapid.Generator[[]Output] {
	grid := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, 12).Draw(t, "t")) * time.Millisecond
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Output {
		captured := grid.Draw(t, "captured")
		return Output{Captured: captured, Published: captured + grid.Draw(t, "latency")}
	}), 0, 12)
}

func genTimes() *rapid.Generator[[]time.Duration] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(-2, 26).Draw(t, "at")) * time.Millisecond
	}), 1, 20)
}

// bruteNewest asks of each time and each pair of outputs which is to be preferred.
func bruteNewest(at []time.Duration, outputs []Output) []int {
	var all []int
	for _, t := range at {
		found := -1
		for i, o := range outputs {
			beaten := o.Published > t
			for k, other := range outputs {
				if other.Published > t || k == i {
					continue
				}
				switch {
				case other.Captured != o.Captured:
					beaten = beaten || other.Captured > o.Captured
				case other.Published != o.Published:
					beaten = beaten || other.Published > o.Published
				default:
					beaten = beaten || k > i
				}
			}
			if !beaten {
				found = i
			}
		}
		all = append(all, found)
	}
	return all
}

func TestNewestIsWhatBruteForceFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at, outputs := genTimes().Draw(t, "at"), genOutputs().Draw(t, "outputs")
		if got, want := Newest(at, outputs), bruteNewest(at, outputs); !slices.Equal(got, want) {
			t.Fatalf("%v of %+v; want %v", got, outputs, want)
		}
	})
}

// Waiting longer with an answer never shows one before its time, and never makes
// what is known at any time newer.
func TestLatencyNeverHelps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at, outputs := genTimes().Draw(t, "at"), genOutputs().Draw(t, "outputs")
		before := Newest(at, outputs)
		late := slices.Clone(outputs)
		for i := range late {
			late[i].Published += time.Duration(rapid.IntRange(0, 5).Draw(t, "more")) * time.Millisecond
		}
		for i, o := range Newest(at, late) {
			switch {
			case o < 0:
			case late[o].Published > at[i]:
				t.Fatalf("at %v the output of %v is used", at[i], late[o].Published)
			case before[i] < 0 || late[o].Captured > outputs[before[i]].Captured:
				t.Fatalf("at %v a later answer is about %v, an earlier one about less", at[i], late[o].Captured)
			}
		}
	})
}

// An output that is dropped is one that is never published.
func TestDroppedIsNeverPublished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at, outputs := genTimes().Draw(t, "at"), genOutputs().Draw(t, "outputs")
		var kept, never []Output
		for i, o := range outputs {
			o.Found = []Detection{{Score: float64(i)}}
			if rapid.Bool().Draw(t, "kept") {
				kept = append(kept, o)
			} else {
				o.Published = 1 << 62
			}
			never = append(never, o)
		}
		moments := make([]Moment, len(at))
		for i := range at {
			moments[i].At = at[i]
		}
		dropped, _ := Streaming(moments, kept, nil)
		unpublished, _ := Streaming(moments, never, nil)
		if !reflect.DeepEqual(dropped, unpublished) {
			t.Fatalf("%+v; want %+v", dropped, unpublished)
		}
	})
}

// streamed is a made data set as moments with an output each, published after
// some time and in no order.
func streamed(seed uint64, images []Image, latency time.Duration) (moments []Moment, outputs []Output) {
	for i, img := range images {
		at := time.Duration(i) * 33 * time.Millisecond
		moments = append(moments, Moment{at, img.Truth})
		outputs = append(outputs, Output{at, at + latency, img.Found})
	}
	r := rand.New(rand.NewPCG(seed, 3))
	r.Shuffle(len(outputs), func(i, k int) { outputs[i], outputs[k] = outputs[k], outputs[i] })
	return moments, outputs
}

// Answers that take no time on every frame have the accuracy of the detector, bit
// for bit; the least time puts each a frame behind.
func TestWithoutLatencyStreamingIsOffline(t *testing.T) {
	for seed := range uint64(50) {
		images := made(seed, 12, 3, seed%2 == 0)
		moments, outputs := streamed(seed, images, 0)
		got, _ := Streaming(moments, outputs, nil)
		if want := summary(t, images, 3); !reflect.DeepEqual(summary(t, got, 3), want) {
			t.Errorf("seed %d: %+v; offline it is %+v", seed, summary(t, got, 3), want)
		}
		moments, outputs = streamed(seed, images, 1)
		got, used := Streaming(moments, outputs, nil)
		for i := range got {
			if i == 0 && (used[0] != -1 || got[0].Found != nil) {
				t.Errorf("seed %d: something is known before the first answer", seed)
			}
			if i > 0 && !reflect.DeepEqual(got[i].Found, images[i-1].Found) {
				t.Errorf("seed %d: at frame %d the answer is not that on the frame before", seed, i)
			}
		}
	}
}

func TestNewestByHand(t *testing.T) {
	const ms = time.Millisecond
	at := []time.Duration{0, 10 * ms, 20 * ms, 30 * ms, 40 * ms}
	tests := []struct {
		name    string
		outputs []Output
		want    []int
	}{
		{"nothing", nil, []int{-1, -1, -1, -1, -1}},
		{"a tie counts", []Output{{Captured: 0, Published: 10 * ms}}, []int{-1, 0, 0, 0, 0}},
		{"just after a tie", []Output{{Captured: 0, Published: 10*ms + 1}}, []int{-1, -1, 0, 0, 0}},
		{"older news is passed over", []Output{{Captured: 10 * ms, Published: 20 * ms}, {Captured: 0, Published: 30 * ms}}, []int{-1, -1, 0, 0, 0}},
		{"a correction counts", []Output{{Captured: 0, Published: 30 * ms}, {Captured: 0, Published: 10 * ms}}, []int{-1, 1, 1, 0, 0}},
	}
	for _, tt := range tests {
		if got := Newest(at, tt.outputs); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, got, tt.want)
		}
	}
}

// Something that moves as it is said to is found where it is, however old the
// answer; without a forecast it is not.
func TestForecastCatchesUp(t *testing.T) {
	const width, height = 640, 360
	rapid.Check(t, func(t *rapid.T) {
		whole := func(name string, lo, hi int) float64 { return float64(rapid.IntRange(lo, hi).Draw(t, name)) }
		m := Moving{VX: whole("vx", 60, 150), VY: whole("vy", -10, 10), VW: whole("vw", -5, 20), VH: whole("vh", -5, 20)}
		latency := time.Duration(whole("latency", 0, 400)) * time.Millisecond
		place := func(at time.Duration) Box {
			s := at.Seconds()
			w, h := 30+m.VW*s, 30+m.VH*s
			return Box{60 + m.VX*s - w/2, 150 + m.VY*s - h/2, w, h}
		}
		var moments []Moment
		var outputs []Output
		for i := range 30 {
			at := time.Duration(i) * 50 * time.Millisecond
			b := place(at)
			moments = append(moments, Moment{at, []Truth{{Box: b, Area: b.W * b.H}}})
			outputs = append(outputs, Output{at, at + latency, []Detection{{Box: b, Score: .5}}})
		}
		ahead := func(o int, at time.Duration) []Detection {
			m.Detection = outputs[o].Found[0]
			return Ahead(nil, []Moving{m}, at-outputs[o].Captured, width, height)
		}
		images, used := Streaming(moments, outputs, ahead)
		for i, o := range used {
			if o < 0 {
				continue
			}
			if v := overlap(images[i].Found[0].Box, moments[i].Truth[0].Box, false); v < 1-1e-9 {
				t.Fatalf("at %v the forecast overlaps by %g", moments[i].At, v)
			}
		}
		if latency >= 300*time.Millisecond {
			plain, _ := Streaming(moments, outputs, nil)
			m, err := Match(plain, 1)
			if err != nil {
				t.Fatal(err)
			}
			if r := m.Summary(nil); r.AP > .5 {
				t.Fatalf("without a forecast AP is %g after %v", r.AP, latency)
			}
		}
	})
}

func TestAheadClipsAndLeavesOut(t *testing.T) {
	at := func(b Box, vx, vy, vw, vh float64) Moving {
		return Moving{Detection{Class: 1, Box: b, Score: .5}, vx, vy, vw, vh}
	}
	got := Ahead(nil, []Moving{
		at(Box{90, 10, 20, 20}, 0, 0, 0, 0),     // half outside already
		at(Box{80, 10, 10, 10}, 100, 0, 0, 0),   // leaves
		at(Box{10, 10, 10, 10}, 0, 0, -10, 0),   // shrinks to nothing
		at(Box{10, 10, 10, 10}, -15, 2, 0, 0),   // comes out on the left
		at(Box{40, 40, 10, 10}, 0, 0, -20, -20), // would turn inside out
		at(Box{40, 40, 10, 10}, 1, 0, 4, 8),     // grows
	}, time.Second, 100, 100)
	want := []Box{{90, 10, 10, 20}, {0, 12, 5, 10}, {39, 36, 14, 18}}
	if len(got) != len(want) {
		t.Fatalf("%+v; want boxes %v", got, want)
	}
	for i, d := range got {
		if d.Box != want[i] || d.Class != 1 || d.Score != .5 {
			t.Errorf("%+v; want box %v", d, want[i])
		}
	}
}
