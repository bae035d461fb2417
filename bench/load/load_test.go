package load_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dashline/bench/load"
)

func TestArrivals(t *testing.T) {
	ms := func(v ...int) (d []time.Duration) {
		for _, v := range v {
			d = append(d, time.Duration(v)*time.Millisecond)
		}
		return d
	}
	tests := []struct {
		name string
		plan load.Plan
		want [][]time.Duration
	}{
		{"evenly", load.Plan{Scenario: load.SingleStream, Cameras: 1, Rate: 50}, [][]time.Duration{ms(20, 40, 60, 80)}},
		{"cameras one after the other", load.Plan{Scenario: load.MultiStream, Cameras: 2, Rate: 50}, [][]time.Duration{ms(20, 40, 60, 80), ms(30, 50, 70, 90)}},
		{"bursts", load.Plan{Scenario: load.Burst, Cameras: 1, Rate: 50, Burst: 2}, [][]time.Duration{ms(40, 40, 80, 80)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.plan.Check(); err != nil {
				t.Fatal(err)
			}
			got, span := tt.plan.Arrivals(4, 1)
			if !slices.EqualFunc(got, tt.want, slices.Equal) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if span != tt.want[0][3] {
				t.Errorf("what follows begins after %v, want %v: the first camera goes on evenly", span, tt.want[0][3])
			}
		})
	}
}

// TestServer holds the intervals of a Poisson process against what they must be:
// mean and standard deviation are the same, and no two of them hang together.
func TestServer(t *testing.T) {
	p := load.Plan{Scenario: load.Server, Cameras: 1, Rate: 100}
	const n = 20_000
	all, _ := p.Arrivals(n, 7)
	due := all[0]
	var sum, squares, neighbours float64
	last := time.Duration(0)
	before := 0.0
	for i, d := range due {
		x := (d-last).Seconds()*p.Rate - 1
		last = d
		sum += x
		squares += x * x
		if i > 0 {
			neighbours += x * before
		}
		before = x
	}
	if mean := 1 + sum/n; math.Abs(mean-1) > .03 {
		t.Errorf("mean interval %v, want 1", mean)
	}
	if sd := math.Sqrt(squares / n); math.Abs(sd-1) > .04 {
		t.Errorf("standard deviation %v, want 1", sd)
	}
	if r := neighbours / squares; math.Abs(r) > .03 {
		t.Errorf("neighbours hang together: %v", r)
	}
}

func TestArrivalsHoldTheirRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := load.Plan{
			Scenario: rapid.SampledFrom(load.Scenarios()).Draw(t, "scenario"),
			Cameras:  rapid.IntRange(1, 4).Draw(t, "cameras"),
			Rate:     rapid.Float64Range(1, 200).Draw(t, "rate"),
			Burst:    rapid.IntRange(1, 8).Draw(t, "burst"),
		}
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		n := 40 * p.Burst
		seed := rapid.Uint64().Draw(t, "seed")
		all, span := p.Arrivals(n, seed)
		if again, _ := p.Arrivals(n, seed); !slices.EqualFunc(all, again, slices.Equal) {
			t.Error("the same seed gave other times")
		}
		sum := 0
		for _, due := range all {
			sum += len(due)
			if !slices.IsSorted(due) || len(due) > 0 && due[0] <= 0 {
				t.Error("times do not rise from 0")
			}
			if p.Scenario == load.Server && len(due) > 0 && due[len(due)-1] > span {
				t.Errorf("a frame is due %v after the begin of what follows", due[len(due)-1]-span)
			}
			if want := float64(n) / p.Rate; p.Scenario != load.Server && math.Abs(due[n-1].Seconds()-want) > 1/p.Rate {
				t.Errorf("%d frames last %v, want %v s", n, due[n-1], want)
			}
		}
		if sum != n*p.Cameras {
			t.Errorf("%d frames, want %d", sum, n*p.Cameras)
		}
	})
}

func TestCheck(t *testing.T) {
	good := load.Plan{Scenario: load.Burst, Cameras: 1, Rate: 30, Burst: 4}
	tests := []struct {
		name  string
		spoil func(*load.Plan)
		want  string
	}{
		{"unknown", func(p *load.Plan) { p.Scenario = "offline" }, `scenario "offline" is none of single-stream, multi-stream`},
		{"no camera", func(p *load.Plan) { p.Cameras = 0 }, "0 cameras"},
		{"no rate", func(p *load.Plan) { p.Rate = 0 }, "a rate of 0"},
		{"rate is no number", func(p *load.Plan) { p.Rate = math.NaN() }, "a rate of NaN"},
		{"no burst", func(p *load.Plan) { p.Burst = 0 }, "bursts of 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := good
			tt.spoil(&p)
			if err := p.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
