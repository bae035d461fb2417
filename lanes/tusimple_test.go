package lanes

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"dashline/internal/testkit"
	"dashline/lanes/ground"
	"dashline/pipeline/msg"
)

// label is one line of a TuSimple label file.
type label struct {
	RawFile  string      `json:"raw_file"`
	Lanes    [][]float64 `json:"lanes"` // x at each sample, negative where there is none
	HSamples []float64   `json:"h_samples"`
}

func labels(t *testing.T, asset string) []label {
	t.Helper()
	raw, err := os.ReadFile(testkit.Asset(t, asset))
	if err != nil {
		t.Fatal(err)
	}
	var all []label
	for _, text := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		var l label
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// score is TuSimple's for one frame.
func score(pred [][]float64, l label) (accuracy, fp, fn float64) {
	truth := l.Lanes
	if len(pred) > len(truth)+2 {
		return 0, 0, 1
	}
	var sum, worst, missed, matched float64
	worst = 1
	for _, lane := range truth {
		var pts []point
		for i, x := range lane {
			if x >= 0 {
				pts = append(pts, point{x: x, y: l.HSamples[i]})
			}
		}
		_, k := straight(pts, 0)
		limit := 20 * math.Hypot(1, k)
		best := 0.0
		for _, p := range pred {
			hits := 0.0
			for i, x := range lane {
				if math.Abs(orMissing(x)-orMissing(p[i])) < limit {
					hits++
				}
			}
			best = math.Max(best, hits/float64(len(lane)))
		}
		if best < 0.85 {
			missed++
		} else {
			matched++
		}
		sum += best
		worst = math.Min(worst, best)
	}
	if len(truth) > 4 {
		sum -= worst
		missed = math.Max(0, missed-1)
	}
	n := math.Max(1, math.Min(4, float64(len(truth))))
	if len(pred) > 0 {
		fp = (float64(len(pred)) - matched) / float64(len(pred))
	}
	return sum / n, fp, missed / n
}

// orMissing is how the benchmark writes that there is no line: the same on both
// sides counts as right.
func orMissing(x float64) float64 {
	if x < 0 {
		return -100
	}
	return x
}

// sample gives a line's x at rows of the label, -2 where it is not. Labels go on
// to the edge of the picture where the paint ends before it; with extend so does
// the line, straight as its near part is.
func sample(pts []msg.Pixel, rows []float64, width, scale float64, extend bool) []float64 {
	var near []point
	for _, p := range pts[:(len(pts)+2)/3+1] {
		near = append(near, point{x: float64(p.X) * scale, y: float64(p.Y) * scale})
	}
	xs := make([]float64, len(rows))
	for i, row := range rows {
		xs[i] = -2
		if extend && row > near[0].y {
			if x, _ := straight(near, row); x >= 0 && x < width {
				xs[i] = x
			}
		}
		for k := 1; k < len(pts); k++ {
			a, b := pts[k-1], pts[k]
			ay, by := float64(a.Y)*scale, float64(b.Y)*scale
			if by <= row && row <= ay {
				t := (row - by) / (ay - by)
				xs[i] = scale * (float64(b.X) + t*float64(a.X-b.X))
				break
			}
		}
	}
	return xs
}

// The benchmark's own reference: predictions and truth of 200 frames.
func TestTuSimpleScore(t *testing.T) {
	truth := labels(t, "drives/lane_metric_reference/tusimple_gt_200.json")
	pred := labels(t, "drives/lane_metric_reference/tusimple_pred_200.json")
	byFile := map[string]label{}
	for _, p := range pred {
		byFile[p.RawFile] = p
	}
	var accuracy, fp, fn float64
	for _, l := range truth {
		a, p, n := score(byFile[l.RawFile].Lanes, l)
		accuracy, fp, fn = accuracy+a/float64(len(truth)), fp+p/float64(len(truth)), fn+n/float64(len(truth))
	}
	if math.Abs(accuracy-0.6392559523809525) > 1e-9 || math.Abs(fp-0.72) > 1e-9 || math.Abs(fn-0.6754166666666669) > 1e-9 {
		t.Errorf("accuracy %v FP %v FN %v, reference 0.63926 0.72 0.67542", accuracy, fp, fn)
	}
}

// Labelled highway pictures: TuSimple's accuracy with the default settings. The
// network is not trained on them, and labels go on where paint is hidden by cars
// or ends, so this is no benchmark entry: the floor is there to notice a break.
func TestTuSimplePictures(t *testing.T) {
	f := open(t, "twinlitenet-cv46", "opencv")
	type labelled struct {
		file string
		label
	}
	var all []labelled
	clip := labels(t, "drives/lane_tusimple_clip_0313-1_120/label_data.json")
	all = append(all, labelled{"drives/lane_tusimple_clip_0313-1_120/frames/20.png", clip[0]})
	for _, l := range labels(t, "drives/lane_tusimple_small10/label_data_1280x720.json") {
		all = append(all, labelled{"drives/lane_tusimple_small10/" + l.RawFile, l})
	}
	const labelWidth = 1280
	var accuracy, fp, fn [2]float64 // as found, and continued to the edge
	for _, l := range all {
		img := gocv.IMRead(testkit.Asset(t, l.file), gocv.IMReadColor)
		cam, ok := ground.Default(img.Cols(), img.Rows()).AtHorizon(0.36 * float32(img.Rows()))
		if !ok {
			t.Fatal("no camera")
		}
		var set msg.LaneSet
		_, err := f.Find(img, &cam, &set)
		img.Close()
		if err != nil {
			t.Fatal(err)
		}
		checkSet(t, &set)
		for k := range 2 {
			var pred [][]float64
			for _, lane := range set.Lanes {
				pred = append(pred, sample(lane.Points, l.HSamples, labelWidth, labelWidth/float64(set.Width), k == 1))
			}
			a, p, n := score(pred, l.label)
			t.Logf("%s: accuracy %.3f FP %.2f FN %.2f with %d lines of %d", l.file, a, p, n, len(pred), len(l.Lanes))
			accuracy[k], fp[k], fn[k] = accuracy[k]+a, fp[k]+p, fn[k]+n
		}
	}
	n := float64(len(all))
	for k, how := range []string{"as found", "continued to the edge"} {
		t.Logf("mean of %d pictures, lines %s: accuracy %.3f FP %.2f FN %.2f", len(all), how, accuracy[k]/n, fp[k]/n, fn[k]/n)
	}
	if accuracy[0]/n < 0.6 || accuracy[1]/n < 0.75 {
		t.Error("lines are not where they are labelled")
	}
}
