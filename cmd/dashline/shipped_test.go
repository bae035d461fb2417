package main

import (
	"math"
	"path/filepath"
	"testing"

	"dashline/internal/testkit"
	"dashline/model/catalog"
)

// TestShippedLargeNetworks holds the shipped networks to what docs/eval.md says of
// them, rounded down, on pictures of seeds that none was trained or chosen on. By
// its name scripts/check runs it without the race detector.
func TestShippedLargeNetworks(t *testing.T) {
	if testing.Short() || race {
		t.Skip("takes minutes: scripts/check runs it without -short and the race detector")
	}
	drive := filepath.Join(testkit.Root(), "testdata", "drives", "heldout.mp4")
	type report struct {
		AP50    float64
		Images  int
		Compare struct {
			Difference struct {
				AP50         float64
				AP50Interval [2]float64 `json:"ap50_interval"`
			}
		}
	}
	holds := func(network string, got report, least float64) {
		t.Logf("%s: AP50 %.3f on %d pictures", network, got.AP50, got.Images)
		if got.AP50 < least || got.Images != 360 {
			t.Errorf("%s: AP50 %.3f on %d pictures, at least %.2f on 360 is promised", network, got.AP50, got.Images, least)
		}
		n, err := catalog.Get(network)
		if err != nil {
			t.Fatal(err)
		}
		if a := n.Accuracy; a.Data != catalog.DataName([]string{drive}, 1) || math.Abs(a.AP50-got.AP50) > .0035 { // engines round otherwise
			t.Errorf("%s is described with %+v, and %.4f is measured on %s", network, a, got.AP50, catalog.DataName([]string{drive}, 1))
		}
	}
	var full, taught report
	evaluated(t, &full, "detect", "--network", "dashline-full", "--data", drive, "--json")
	holds("dashline-full", full, .85)
	evaluated(t, &taught, "detect", "--network", "dashline-tiny", "--compare", "dashline-tiny-labels", "--data", drive, "--json")
	holds("dashline-tiny", taught, .70)
	d := taught.Compare.Difference
	t.Logf("distilled less label-only: AP50 %.3f, interval %.3f", d.AP50, d.AP50Interval)
	if d.AP50Interval[0] <= 0 {
		t.Error("that the distilled network is better than its like without a teacher may be chance")
	}
	var lanes struct {
		F1       float64
		Drivable float64 `json:"drivable_iou"`
	}
	evaluated(t, &lanes, "lanes", "--network", "dashline-lanes", "--data", drive, "--json")
	t.Logf("dashline-lanes: F1 %.3f, drivable IoU %.3f", lanes.F1, lanes.Drivable)
	if lanes.F1 < .90 || lanes.Drivable < .95 {
		t.Errorf("dashline-lanes: F1 %.3f, drivable IoU %.3f; at least .90 and .95 are promised", lanes.F1, lanes.Drivable)
	}
}
