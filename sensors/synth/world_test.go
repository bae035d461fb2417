package synth

import "testing"

func TestFlow(t *testing.T) {
	for seed := range uint64(12) {
		sc, _ := Builtin("mixed")
		w, err := New(sc, seed)
		if err != nil {
			t.Fatal(err)
		}
		still, longest, run := 0, 0, 0
		most := 0.0
		for range 60 * 30 {
			w.Step(1./30, nil)
			if w.ego.v < 0.3 {
				still++
				run++
				longest = max(longest, run)
			} else {
				run = 0
			}
			st := w.road.at(w.ego.s)
			off := w.ego.d - w.laneMiddle(&st, w.ego.lane, 1)
			most = max(most, max(off, -off))
		}
		t.Logf("seed %d: %.0f m, still %d, longest %d, off %.2f actors %d", seed, w.ego.s, still, longest, most, len(w.actors))
	}
}
