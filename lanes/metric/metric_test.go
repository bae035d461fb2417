package metric

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// near is how exactly the figures of the official evaluators must come out.
const near = 1e-6

func read(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func frames(t *testing.T, path string) []Frame {
	t.Helper()
	all, err := ReadTuSimple(path)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTuSimpleReference(t *testing.T) {
	dir := testkit.Asset(t, "drives/lane_metric_reference")
	truth, found := frames(t, filepath.Join(dir, "tusimple_gt_200.json")), frames(t, filepath.Join(dir, "tusimple_pred_200.json"))
	var want struct {
		Official []struct {
			Name  string
			Value float64
		}
		PerFrame [][3]float64 `json:"per_frame_acc_fp_fn"`
	}
	read(t, filepath.Join(dir, "tusimple_expected_200.json"), &want)
	got, err := TuSimple(found, truth)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range []float64{got.Accuracy, got.FP, got.FN} {
		if w := want.Official[i]; math.Abs(v-w.Value) > near {
			t.Errorf("%s %v; officially %v", w.Name, v, w.Value)
		}
	}
	for i := range found {
		j := slices.IndexFunc(truth, func(f Frame) bool { return f.File == found[i].File })
		a, err := Bench(found[i].Lanes, truth[j].Lanes, truth[j].Samples, *found[i].RunTime)
		if err != nil {
			t.Fatal(err)
		}
		w := want.PerFrame[i]
		if math.Abs(a.Accuracy-w[0]) > near || math.Abs(a.FP-w[1]) > near || math.Abs(a.FN-w[2]) > near {
			t.Errorf("frame %d: %+v; officially %v", i, a, w)
		}
	}
}

// The reference has the official result for the truth itself, bent in known ways.
func TestTuSimplePerturbed(t *testing.T) {
	dir := testkit.Asset(t, "drives/lane_metric_reference")
	truth := frames(t, filepath.Join(dir, "tusimple_gt_200.json"))
	var want struct{ Cases map[string][3]float64 }
	read(t, filepath.Join(dir, "tusimple_perturbed_gt_expected.json"), &want)
	far := func(n int) []float64 { return slices.Repeat([]float64{-2}, n) }
	bends := map[string]func([][]float64, int) [][]float64{
		"exact":           func(l [][]float64, _ int) [][]float64 { return l },
		"drop_last_lane":  func(l [][]float64, _ int) [][]float64 { return l[:len(l)-1] },
		"no_lanes":        func([][]float64, int) [][]float64 { return nil },
		"two_extra_lanes": func(l [][]float64, n int) [][]float64 { return append(slices.Clone(l), far(n), far(n)) },
		"three_extra_lanes": func(l [][]float64, n int) [][]float64 {
			return append(slices.Clone(l), far(n), far(n), far(n))
		},
		"fill_missing_minus2_with_0": func(l [][]float64, _ int) [][]float64 {
			return each(l, func(x float64) float64 { return max(x, 0) })
		},
	}
	for name := range want.Cases {
		if px, ok := strings.CutPrefix(name, "shift_x_"); ok {
			by, err := strconv.ParseFloat(strings.TrimSuffix(px, "px"), 64)
			if err != nil {
				t.Fatal(err)
			}
			bends[name] = func(l [][]float64, _ int) [][]float64 {
				return each(l, func(x float64) float64 {
					if x < 0 {
						return x
					}
					return x + by
				})
			}
		}
	}
	if len(want.Cases) != 11 {
		t.Errorf("%d cases; want 11", len(want.Cases))
	}
	for name, w := range want.Cases {
		bend, ok := bends[name]
		if !ok {
			t.Errorf("there is no bend for %s", name)
			continue
		}
		var sum Accuracy
		for _, f := range truth {
			a, err := Bench(bend(f.Lanes, len(f.Samples)), f.Lanes, f.Samples, 10)
			if err != nil {
				t.Fatal(err)
			}
			sum = Accuracy{sum.Accuracy + a.Accuracy, sum.FP + a.FP, sum.FN + a.FN}
		}
		n := float64(len(truth))
		if math.Abs(sum.Accuracy/n-w[0]) > near || math.Abs(sum.FP/n-w[1]) > near || math.Abs(sum.FN/n-w[2]) > near {
			t.Errorf("%s: %v %v %v; officially %v", name, sum.Accuracy/n, sum.FP/n, sum.FN/n, w)
		}
	}
}

func each(lanes [][]float64, f func(float64) float64) [][]float64 {
	out := make([][]float64, len(lanes))
	for i, l := range lanes {
		for _, x := range l {
			out[i] = append(out[i], f(x))
		}
	}
	return out
}

func TestTuSimpleRules(t *testing.T) {
	lane := func(x float64) []float64 { return slices.Repeat([]float64{x}, 10) }
	ys := []float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}
	tests := []struct {
		name         string
		found, truth [][]float64
		runTime      float64
		want         Accuracy
	}{
		{"nothing there, nothing found", nil, nil, 0, Accuracy{0, 0, 0}},
		{"found", [][]float64{lane(100)}, [][]float64{lane(119)}, 0, Accuracy{1, 0, 0}},
		{"20 pixels are too far", [][]float64{lane(100)}, [][]float64{lane(120)}, 0, Accuracy{0, 1, 1}},
		{"too slow", [][]float64{lane(100)}, [][]float64{lane(100)}, 201, Accuracy{0, 0, 1}},
		{"two lanes share one", [][]float64{lane(100)}, [][]float64{lane(95), lane(105)}, 0, Accuracy{1, -1, 0}},
		{"of five lanes one is forgiven", [][]float64{lane(0), lane(100), lane(200), lane(300)}, [][]float64{lane(0), lane(100), lane(200), lane(300), lane(400)}, 0, Accuracy{1, 0, 0}},
	}
	for _, tt := range tests {
		got, err := Bench(tt.found, tt.truth, ys, tt.runTime)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
	if _, err := Bench([][]float64{lane(1)[:9]}, nil, ys, 0); err == nil {
		t.Error("a lane of nine values for ten h_samples is compared")
	}
	ms := 1.0
	one, two := Frame{File: "a", RunTime: &ms}, Frame{File: "b", RunTime: &ms}
	for name, f := range map[string][2][]Frame{
		"no frames":          {},
		"one of two":         {{one}, {one, two}},
		"the same twice":     {{one, one}, {one, two}},
		"another":            {{one}, {two}},
		"one without a time": {{{File: "a"}}, {one}},
	} {
		if _, err := TuSimple(f[0], f[1]); err == nil {
			t.Errorf("%s: compared", name)
		}
	}
}

func TestCULaneReference(t *testing.T) {
	dir := testkit.Asset(t, "drives/lane_metric_reference/culane")
	var want struct {
		Cases map[string]map[string]struct {
			Counts
			Precision, Recall, F string
		}
	}
	read(t, filepath.Join(dir, "expected.json"), &want)
	if len(want.Cases) != 12 {
		t.Errorf("%d cases; want 12", len(want.Cases))
	}
	c, err := NewCanvas(1640, 590)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, byIoU := range want.Cases {
		pairs, err := ReadCULanePairs(filepath.Join(dir, "pred", name), filepath.Join(dir, "gt"))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]*Counts{"0.3": {}, "0.5": {}}
		for _, p := range pairs {
			s, err := c.Similarity(p.Found, p.Truth)
			if err != nil {
				t.Fatal(err)
			}
			got["0.3"].Add(Count(s, len(p.Found), len(p.Truth), .3))
			got["0.5"].Add(Count(s, len(p.Found), len(p.Truth), Strict))
		}
		for iou, w := range byIoU {
			g := got[iou]
			if *g != w.Counts {
				t.Errorf("%s at %s: %+v; officially %+v", name, iou, *g, w.Counts)
			}
			for what, v := range map[string][2]string{"precision": {format(g.Precision()), w.Precision}, "recall": {format(g.Recall()), w.Recall}, "F": {format(g.F1()), w.F}} {
				// Where there is nothing right the evaluator divides by zero.
				if v[1] == "-nan" {
					v[1] = "0"
				}
				if v[0] != v[1] {
					t.Errorf("%s at %s: %s %s; officially %s", name, iou, what, v[0], v[1])
				}
			}
		}
	}
}

// format has six digits, as the evaluator prints.
func format(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// The same lanes in a picture of half the size are as alike.
func TestCanvasScales(t *testing.T) {
	dir := testkit.Asset(t, "drives/lane_metric_reference/culane")
	pairs, err := ReadCULanePairs(filepath.Join(dir, "pred", "shift12"), filepath.Join(dir, "gt"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := NewCanvas(1640, 590)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	half, err := NewCanvas(820, 295)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	for _, p := range pairs {
		want, err := whole.Similarity(p.Found, p.Truth)
		if err != nil {
			t.Fatal(err)
		}
		got, err := half.Similarity(halved(p.Found), halved(p.Truth))
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			for j := range want[i] {
				if math.Abs(got[i][j]-want[i][j]) > 1e-3 {
					t.Errorf("%s: lanes %d and %d are alike by %.4f; want %.4f", p.Name, i, j, got[i][j], want[i][j])
				}
			}
		}
	}
	c, err := NewCanvas(640, 360)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.w != 1640 || c.h != 923 {
		t.Errorf("640x360 is compared on %dx%d; want 1640x923", c.w, c.h)
	}
}

func halved(lanes []Lane) []Lane {
	var out []Lane
	for _, l := range lanes {
		var h Lane
		for _, p := range l {
			h = append(h, Point{p.X / 2, p.Y / 2})
		}
		out = append(out, h)
	}
	return out
}

// Whatever the lanes are, similarity is 0 to 1, a lane is like itself, and two
// are as alike one way as the other.
func TestSimilarityIsSound(t *testing.T) {
	c, err := NewCanvas(640, 360)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	odd := []Lane{
		nil, {{1, 1}}, {{5, 5}, {5, 5}}, {{5, 5}, {5, 5}, {9, 9}}, {{0, 0}, {640, 360}}, {{100, 360}, {200, 200}, {320, 180}},
		{{-1e6, -1e6}, {1e6, 1e6}}, {{1e6, 1e6}, {1e6, 1e6 - 1}, {1e6 - 1, 1e6}}, {{-50, 100}, {-40, 200}, {-30, 300}},
		{{math.MaxFloat32, 0}, {0, math.MaxFloat32}, {1, 1}}, {{100, 360}, {100.0001, 360}, {5, 1e6}, {100, 360}},
	}
	s, err := c.Similarity(odd, odd)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s {
		for j := range s {
			if !(s[i][j] >= 0 && s[i][j] <= 1) || s[i][j] != s[j][i] {
				t.Errorf("lanes %d and %d: %g and %g", i, j, s[i][j], s[j][i])
			}
		}
	}
	for _, i := range []int{4, 5, 6} {
		if s[i][i] != 1 {
			t.Errorf("lane %d is like itself by %g", i, s[i][i])
		}
	}
	if s[0][0] != 0 || s[1][1] != 0 || s[4][7] != 0 {
		t.Errorf("lanes without pixels are alike: %v %v %v", s[0][0], s[1][1], s[4][7])
	}
	if _, err := c.Similarity(make([]Lane, maxLanes+1), nil); err == nil {
		t.Error("a lane too many is compared")
	}
	for _, size := range [][2]int{{0, 10}, {10, 0}, {1, 10000}, {100000, 1}} {
		if c, err := NewCanvas(size[0], size[1]); err == nil {
			c.Close()
			t.Errorf("a canvas for %v", size)
		}
	}
}

func TestSplineGoesThroughItsPoints(t *testing.T) {
	lane := Lane{{0, 0}, {10, 5}, {12, 20}, {3, 40}}
	p := spline(lane)
	if len(p) != 3*perSegment+1 {
		t.Fatalf("%d points", len(p))
	}
	for i, q := range lane {
		if got := p[i*perSegment]; math.Hypot(got.X-q.X, got.Y-q.Y) > 1e-9 {
			t.Errorf("point %d is %v; want %v", i, got, q)
		}
	}
	// Through points on a line it is the line.
	for _, q := range spline(Lane{{0, 0}, {1, 2}, {4, 8}, {5, 10}}) {
		if math.Abs(q.Y-2*q.X) > 1e-9 {
			t.Errorf("%v is off the line", q)
		}
	}
}

// assign against all pairings of small tables.
func TestAssign(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rows, columns := 1+r.IntN(5), 1+r.IntN(5)
		value := make([][]float64, rows)
		for i := range value {
			for range columns {
				value[i] = append(value[i], float64(r.IntN(6))/5)
			}
		}
		got, pairs, used := 0.0, 0, map[int]bool{}
		for i, j := range assign(value) {
			if j < 0 {
				continue
			}
			if used[j] {
				t.Fatalf("column %d is used twice for %v", j, value)
			}
			used[j] = true
			got, pairs = got+value[i][j], pairs+1
		}
		if want := most(value, 0, map[int]bool{}); math.Abs(got-want) > 1e-9 || pairs != min(rows, columns) {
			t.Errorf("%d pairs of %v sum to %g; want %g", pairs, value, got, want)
		}
	}
	if assign(nil) != nil {
		t.Error("no rows are assigned")
	}
}

func most(value [][]float64, row int, used map[int]bool) float64 {
	if row == len(value) {
		return 0
	}
	best := most(value, row+1, used)
	for j, v := range value[row] {
		if !used[j] {
			used[j] = true
			best = max(best, v+most(value, row+1, used))
			delete(used, j)
		}
	}
	return best
}

func TestCounts(t *testing.T) {
	c := Counts{TP: 3, FP: 1, FN: 3}
	if c.Precision() != .75 || c.Recall() != .5 || math.Abs(c.F1()-.6) > 1e-12 {
		t.Errorf("%v %v %v", c.Precision(), c.Recall(), c.F1())
	}
	if z := (Counts{}); z.F1() != 0 || z.Precision() != 0 || z.Recall() != 0 {
		t.Error("of nothing")
	}
	if got := Count(nil, 0, 3, .5); got != (Counts{FN: 3}) {
		t.Errorf("nothing found: %+v", got)
	}
	if got := Count([][]float64{{.5}}, 1, 1, .5); got != (Counts{FP: 1, FN: 1}) {
		t.Errorf("exactly .5 is not more than that: %+v", got)
	}
}

func TestArea(t *testing.T) {
	var a Area
	if a.IoU() != -1 || a.MeanIoU() != -1 {
		t.Error("of nothing")
	}
	for _, m := range [][2][]uint8{{{1, 1, 0, 0}, {0, 1, 1, 0}}, {{9, 9, 9, 9}, {1, 1, 1, 1}}, {{0, 0}, {0, 0}}} {
		if err := a.Add(m[0], m[1]); err != nil {
			t.Fatal(err)
		}
	}
	var b Area
	b.Merge(a)
	if b.IoU() != 5./7 || math.Abs(b.MeanIoU()-(1./3+1)/2) > 1e-12 || b.Pictures != 2 {
		t.Errorf("%+v: IoU %g, mean %g", b, b.IoU(), b.MeanIoU())
	}
	if err := a.Add([]uint8{1}, nil); err == nil {
		t.Error("masks of different size are compared")
	}
}

func TestReadersRefuse(t *testing.T) {
	for text, want := range map[string]string{
		`{"lanes":[]}`:                     "no raw_file",
		`{"raw_file":"a"}`:                 "no lanes",
		"\n{":                              "line 2",
		`{"raw_file":"a","lanes":[[1e9]]}`: "in no picture",
		`{"raw_file":"a","lanes":[],"h_samples":[-1e7]}`:                       "in no picture",
		`{"raw_file":"` + strings.Repeat("a", maxLine):                         "longer",
		`{"raw_file":"a","lanes":[` + strings.Repeat("[],", maxLanes) + `[]]}`: "257 lanes",
	} {
		if _, err := parseTuSimple(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v; want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"1 2\n1 2 3":                   "2: 3 values",
		"1 x":                          "no point",
		"1 Inf":                        "no point",
		"1 2000000":                    "no point",
		strings.Repeat("\n", 300):      "more than 256",
		strings.Repeat("1 2 ", 9000):   "18000 values",
		strings.Repeat(" ", 1+maxFile): "longer",
	} {
		if _, err := parseCULane([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v; want %q", text, err, want)
		}
	}
	lanes, err := parseCULane([]byte("1 2 3 4\n\n5 6\n"))
	if err != nil || len(lanes) != 3 || len(lanes[0]) != 2 || len(lanes[1]) != 0 {
		t.Errorf("read %v, %v", lanes, err)
	}
}

func TestPairs(t *testing.T) {
	found, truth := t.TempDir(), t.TempDir()
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("1 2 3 4\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadCULanePairs(found, truth); err == nil {
		t.Error("an empty folder is truth")
	}
	write(filepath.Join(truth, "a", "1.lines.txt"))
	write(filepath.Join(truth, "2.lines.txt"))
	write(filepath.Join(found, "a", "1.lines.txt"))
	pairs, err := ReadCULanePairs(found, truth)
	if err != nil || len(pairs) != 2 || !pairs[0].Missing || pairs[1].Missing || len(pairs[1].Found) != 1 || pairs[1].Name != filepath.Join("a", "1") {
		t.Errorf("%+v, %v", pairs, err)
	}
	write(filepath.Join(found, "3.lines.txt"))
	if _, err := ReadCULanePairs(found, truth); err == nil || !strings.Contains(err.Error(), "no truth") {
		t.Errorf("predictions without truth: %v", err)
	}
}

func FuzzTuSimple(f *testing.F) {
	f.Add(`{"raw_file":"a","lanes":[[-2,1,2],[3,4,5]],"h_samples":[1,2,3],"run_time":10}`)
	f.Add(`{"raw_file":"a","lanes":[[],[],[],[],[]],"h_samples":[],"run_time":-1}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseTuSimple(strings.NewReader(text))
		if err != nil || len(all) == 0 {
			return
		}
		a, err := TuSimple(all, all)
		if err == nil && !(a.Accuracy >= 0 && a.Accuracy <= 1 && a.FP <= 1 && a.FN >= 0 && a.FN <= 1) {
			t.Fatalf("%+v", a)
		}
	})
}

func FuzzCULane(f *testing.F) {
	f.Add("1 2 3 4 5 7\n-5 1e3 7 8\n")
	f.Add("1 1 1 1 1 1\n\n0 0 1e6 1e6 -1e6 5")
	c, err := NewCanvas(64, 36)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.Close() })
	f.Fuzz(func(t *testing.T, text string) {
		lanes, err := parseCULane([]byte(text))
		if err != nil || len(lanes) > 8 {
			return
		}
		s, err := c.Similarity(lanes, lanes)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s {
			for j := range s {
				if !(s[i][j] >= 0 && s[i][j] <= 1) {
					t.Fatalf("lanes %d and %d: %g", i, j, s[i][j])
				}
			}
		}
	})
}
