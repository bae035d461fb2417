package metric

import (
	"errors"
	"fmt"
	"math"
)

// The constants of TuSimple's evaluation.
const (
	pixelThreshold = 20   // pixels, across the line
	pointThreshold = .85  // share of points that makes a match
	maxRunTime     = 200  // milliseconds
	absent         = -100 // what both sides' missing points count as
)

// Frame is a line of a TuSimple file: each lane has an x for every h_sample,
// negative where the lane has no point there.
type Frame struct {
	File    string      `json:"raw_file"`
	Lanes   [][]float64 `json:"lanes"`
	Samples []float64   `json:"h_samples"`
	RunTime *float64    `json:"run_time"` // milliseconds; of predictions
}

// Accuracy is TuSimple's result: the share of points found, of wrong lanes among
// those found, and of lanes missed among those that are there.
type Accuracy struct {
	Accuracy float64 `json:"accuracy"`
	FP       float64 `json:"fp"`
	FN       float64 `json:"fn"`
}

// TuSimple compares predictions with truth, frame by frame, and averages. It
// fails where frames do not pair or lanes have not a value for every h_sample.
func TuSimple(found, truth []Frame) (Accuracy, error) {
	if len(found) != len(truth) {
		return Accuracy{}, fmt.Errorf("there are predictions for %d frames and truth for %d: predict each frame once", len(found), len(truth))
	}
	if len(truth) == 0 {
		return Accuracy{}, errors.New("there are no frames")
	}
	byFile := make(map[string]*Frame, len(truth))
	for i := range truth {
		byFile[truth[i].File] = &truth[i]
	}
	var sum Accuracy
	for i := range found {
		f := &found[i]
		t, ok := byFile[f.File]
		if !ok {
			return Accuracy{}, fmt.Errorf("frame %q is predicted twice, or there is no truth for it", f.File)
		}
		delete(byFile, f.File)
		if f.RunTime == nil {
			return Accuracy{}, fmt.Errorf("frame %q: its prediction has no run_time: add it in milliseconds", f.File)
		}
		a, err := Bench(f.Lanes, t.Lanes, t.Samples, *f.RunTime)
		if err != nil {
			return Accuracy{}, fmt.Errorf("frame %q: %w", f.File, err)
		}
		sum.Accuracy, sum.FP, sum.FN = sum.Accuracy+a.Accuracy, sum.FP+a.FP, sum.FN+a.FN
	}
	n := float64(len(truth))
	return Accuracy{sum.Accuracy / n, sum.FP / n, sum.FN / n}, nil
}

// Bench compares the lanes of one frame (LaneEval.bench of TuSimple's lane.py).
// A lane that is there takes the best of those found, which several may share.
func Bench(found, truth [][]float64, samples []float64, runTime float64) (Accuracy, error) {
	for _, lanes := range [][][]float64{found, truth} {
		for i, l := range lanes {
			if len(l) != len(samples) {
				return Accuracy{}, fmt.Errorf("lane %d has %d values for %d h_samples: give one each", i, len(l), len(samples))
			}
		}
	}
	if runTime > maxRunTime || len(found) > len(truth)+2 {
		return Accuracy{FN: 1}, nil
	}
	sum, worst, matched, missed := 0.0, math.Inf(1), 0.0, 0.0
	for _, t := range truth {
		threshold := pixelThreshold / math.Cos(math.Atan(slope(t, samples)))
		best := 0.0
		for _, f := range found {
			best = max(best, hits(f, t, threshold))
		}
		if best < pointThreshold {
			missed++
		} else {
			matched++
		}
		sum, worst = sum+best, min(worst, best)
	}
	var a Accuracy
	if len(found) > 0 {
		a.FP = (float64(len(found)) - matched) / float64(len(found))
	}
	if len(truth) > 4 { // one of five lanes may be missed
		missed = max(missed-1, 0)
		sum -= worst
	}
	n := float64(max(min(len(truth), 4), 1))
	a.Accuracy, a.FN = sum/n, missed/n
	return a, nil
}

// hits is the share of h_samples at which a lane is near enough, or as absent.
func hits(found, truth []float64, threshold float64) float64 {
	if len(truth) == 0 {
		return 0
	}
	n := 0
	for i, t := range truth {
		f := found[i]
		if f < 0 {
			f = absent
		}
		if t < 0 {
			t = absent
		}
		if math.Abs(f-t) < threshold {
			n++
		}
	}
	return float64(n) / float64(len(truth))
}

// slope is k of the least-squares line x = k*y + b through a lane's points, 0
// where it has fewer than two.
func slope(xs, ys []float64) float64 {
	n, mx, my := 0.0, 0.0, 0.0
	for i, x := range xs {
		if x >= 0 {
			n, mx, my = n+1, mx+x, my+ys[i]
		}
	}
	if n < 2 {
		return 0
	}
	mx, my = mx/n, my/n
	xy, yy := 0.0, 0.0
	for i, x := range xs {
		if x >= 0 {
			xy += (x - mx) * (ys[i] - my)
			yy += (ys[i] - my) * (ys[i] - my)
		}
	}
	if yy == 0 {
		return 0
	}
	return xy / yy
}
