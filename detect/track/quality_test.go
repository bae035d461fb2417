package track

import (
	"testing"
)

// On the truth of the synthetic drives with a made-up detector (detect), the
// tracker is compared with greedy, which predicts nothing. What docs/tracks.md
// says of both is what -v prints here.
func TestQualityOnDrives(t *testing.T) {
	all := drives(t)
	for _, rh := range rhythms {
		var ours, baseline quality
		for seed := range uint64(2) {
			for i := range all {
				tr, err := New(Options{})
				if err != nil {
					t.Fatal(err)
				}
				ours.follow(tr, &all[i], rh, seed)
				baseline.follow(&greedy{}, &all[i], rh, seed)
			}
		}
		t.Logf("%-9s  tracker: %s", rh.name, ours)
		t.Logf("%-9s  greedy:  %s", rh.name, baseline)
		atMost := func(what string, got, than, ratio float64) {
			if !(got <= ratio*than) {
				t.Errorf("%s: %s %g is more than %g x %g", rh.name, what, got, ratio, than)
			}
		}
		atMost("identity switches:", float64(ours.switches), float64(baseline.switches), 0.7)
		atMost("fragmentations:", float64(ours.fragments), float64(baseline.fragments), 0.7)
		atMost("not covered:", 1-ours.coverage(), 1-baseline.coverage(), 0.9)
		atMost("tracks of nothing:", float64(ours.ghosts), float64(baseline.ghosts), 1)
		// 100 ms after capture, the forecast is nearer to the truth than the box that
		// the detector gave, and the estimate for the time of capture is between.
		lack := func(m mean) float64 { return 1 - m.value() }
		atMost("overlap that the forecast lacks:", lack(ours.forecast), lack(ours.stale), 0.85)
		atMost("the same of what moves:", lack(ours.movingForecast), lack(ours.movingStale), 0.75)
		atMost("overlap that the estimate lacks:", lack(ours.estimate), lack(ours.stale), 1)
		if ours.objects < 1000 || ours.movingStale.n < 300 {
			t.Errorf("%s: only %d objects and %d that move were looked at", rh.name, ours.objects, ours.movingStale.n)
		}
	}
}
