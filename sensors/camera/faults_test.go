package camera

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestFaultsAreChecked(t *testing.T) {
	if err := (Faults{}).Validate(); err != nil {
		t.Error(err)
	}
	all := Faults{
		Loss: 1, Burst: 0.5, BurstLength: 3, Reorder: 0.1, ReorderDepth: 64, Duplicate: 0.1, Jitter: Duration(MaxJitter),
		Bandwidth: 1000, Queue: 1500, Truncate: 0.1, Flip: 0.1, Freeze: true, DisconnectEvery: Duration(time.Second), NoRTCP: true,
		ClockDrift: -100_000, ClockJump: Duration(-time.Hour), RTPJump: Duration(-6 * time.Hour), SDP: SDPGarbage, ResolutionEvery: Duration(time.Minute), NoKeyFrames: Duration(time.Minute),
	}
	if err := all.Validate(); err != nil {
		t.Error(err)
	}
	for want, f := range map[string]Faults{
		"loss -0.1":              {Loss: -0.1},
		"loss NaN":               {Loss: math.NaN()},
		"burst 1.1":              {Burst: 1.1},
		"reorder 2":              {Reorder: 2},
		"duplicate":              {Duplicate: 2},
		"truncate":               {Truncate: 2},
		"flip":                   {Flip: 2},
		"burst_length 0.5":       {Burst: 0.1, BurstLength: 0.5},
		"burst_length without":   {BurstLength: 5},
		"reorder_depth 65":       {Reorder: 0.1, ReorderDepth: 65},
		"reorder_depth without":  {ReorderDepth: 5},
		"jitter -1s":             {Jitter: Duration(-time.Second)},
		"jitter 6s":              {Jitter: Duration(6 * time.Second)},
		"disconnect_every 1ms":   {DisconnectEvery: Duration(time.Millisecond)},
		"resolution_every 100h":  {ResolutionEvery: Duration(100 * time.Hour)},
		"no_key_frames 2m0s":     {NoKeyFrames: Duration(2 * time.Minute)},
		"bandwidth 10":           {Bandwidth: 10},
		"queue 10":               {Bandwidth: 10000, Queue: 10},
		"queue without":          {Queue: 10000},
		"clock_drift 1e+06":      {ClockDrift: 1e6},
		"clock_jump":             {ClockJump: math.MinInt64},
		"rtp_jump 6h0m1s: give":  {RTPJump: Duration(6*time.Hour + time.Second)},
		"rtp_jump -":             {RTPJump: math.MinInt64},
		"sdp \"wrong\"":          {SDP: "wrong"},
		"clock_drift NaN: give ": {ClockDrift: math.NaN()},
	} {
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ":") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestFaultsAsJSON(t *testing.T) {
	f := Faults{Loss: 0.25, Jitter: Duration(1500 * time.Millisecond), Freeze: true, SDP: SDPMissing}
	b, err := json.Marshal(f)
	if err != nil || !strings.Contains(string(b), `"jitter":"1.5s"`) {
		t.Fatalf("%s, %v", b, err)
	}
	var back Faults
	if err := json.Unmarshal(b, &back); err != nil || back != f {
		t.Errorf("%+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"jitter":"soon"}`), &back); err == nil || !strings.Contains(err.Error(), "500ms") {
		t.Errorf("a span of words: %v", err)
	}
}
