package ap_test

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dashline/detect/ap"
	"dashline/detect/labels"
	"dashline/internal/testkit"
	"dashline/model/catalog"
)

// oracle is what testdata/oracles/coco_eval.py wrote of one network.
type oracle struct {
	Network  string
	Whole    [12]float64
	Stats    [12]float64
	PerClass [][4]float64 `json:"per_class"` // class, AP, AP50, objects
	Images   map[string][][6]float64
}

func readOracle(t *testing.T, file string) (o oracle) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestOracle measures what each network found in real pictures, crowds and equal
// scores included, and compares with pycocotools on the same detections.
func TestOracle(t *testing.T) {
	data := testkit.Asset(t, "drives/det_coco_val128")
	files, err := filepath.Glob(filepath.Join(testkit.Root(), "testdata", "oracles", "coco_eval-*.json.gz"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%d oracles, %v; want 6", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "coco_eval-"), ".json.gz"), func(t *testing.T) {
			want := readOracle(t, file)
			n, err := catalog.Get(want.Network)
			if err != nil {
				t.Fatal(err)
			}
			set, err := labels.Read(data, n.Classes)
			if err != nil {
				t.Fatal(err)
			}
			detections := 0
			images := make([]ap.Image, len(set.Pictures))
			for i, p := range set.Pictures {
				images[i].Truth = p.Truth
				for _, v := range want.Images[strconv.Itoa(p.ID)] {
					detections++
					images[i].Found = append(images[i].Found, ap.Detection{Class: int(v[0]), Score: v[1], Box: ap.Box{X: v[2], Y: v[3], W: v[4], H: v[5]}})
				}
			}
			if detections < 500 {
				t.Fatalf("only %d detections are of these pictures", detections)
			}
			m, err := ap.Match(images, len(n.Classes))
			if err != nil {
				t.Fatal(err)
			}
			r := m.Summary(n.Classes)
			near := func(what string, got, want float64) {
				t.Helper()
				if !(math.Abs(got-want) <= 1e-6) {
					t.Errorf("%s is %.8f; pycocotools has %.8f", what, got, want)
				}
			}
			for i, v := range []float64{r.AP, r.AP50, r.AP75, r.APS, r.APM, r.APL, r.AR1, r.AR10, r.AR100} {
				near([]string{"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100"}[i], v, want.Stats[i])
			}
			if len(r.PerClass) != len(want.PerClass) {
				t.Fatalf("%d classes have truth; pycocotools has %d", len(r.PerClass), len(want.PerClass))
			}
			for i, k := range r.PerClass {
				w := want.PerClass[i]
				if k.Class != int(w[0]) || k.Truths != int(w[3]) {
					t.Errorf("class %d (%s) has %d objects; pycocotools has class %g with %g", k.Class, k.Name, k.Truths, w[0], w[3])
				}
				near("AP of "+k.Name, k.AP, w[1])
				near("AP50 of "+k.Name, k.AP50, w[2])
			}
		})
	}
}

// TestOracleOfMadeUpSets compares with pycocotools where real sets have few cases:
// crowds, equal scores, sizes on the edge of a range, more than a hundred boxes.
func TestOracleOfMadeUpSets(t *testing.T) {
	f, err := os.Open(filepath.Join(testkit.Root(), "testdata", "oracles", "coco_random.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var sets []struct {
		Classes int
		Stats   [12]float64
		Images  []struct {
			Truth [][7]float64
			Found [][6]float64
		}
	}
	if err := json.NewDecoder(z).Decode(&sets); err != nil {
		t.Fatal(err)
	}
	if len(sets) != 60 {
		t.Errorf("%d sets; want 60", len(sets))
	}
	for n, set := range sets {
		images := make([]ap.Image, len(set.Images))
		for i, img := range set.Images {
			for _, v := range img.Truth {
				images[i].Truth = append(images[i].Truth, ap.Truth{Class: int(v[0]), Box: ap.Box{X: v[1], Y: v[2], W: v[3], H: v[4]}, Area: v[5], Crowd: v[6] != 0})
			}
			for _, v := range img.Found {
				images[i].Found = append(images[i].Found, ap.Detection{Class: int(v[0]), Score: v[1], Box: ap.Box{X: v[2], Y: v[3], W: v[4], H: v[5]}})
			}
		}
		m, err := ap.Match(images, set.Classes)
		if err != nil {
			t.Fatal(err)
		}
		r := m.Summary(nil)
		for i, v := range []float64{r.AP, r.AP50, r.AP75, r.APS, r.APM, r.APL, r.AR1, r.AR10, r.AR100} {
			if !(math.Abs(v-set.Stats[i]) <= 1e-9) {
				t.Errorf("set %d: figure %d is %.10f; pycocotools has %.10f", n, i, v, set.Stats[i])
			}
		}
	}
}

// TestOracleOfStreaming compares with what testdata/oracles/streaming.py pairs and
// measures of made-up runs, as they were found and brought up to each moment.
func TestOracleOfStreaming(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testkit.Root(), "testdata", "oracles", "streaming.json"))
	if err != nil {
		t.Fatal(err)
	}
	var runs []struct {
		Moments []struct {
			At    int64
			Truth [][5]float64
		}
		Answers []struct {
			Captured, Published int64
			Found               [][6]float64
			Moves               [][4]float64
		}
		Used          []int
		AP, AP50      float64
		Width, Height float64
		AheadAP       float64 `json:"ahead_ap"`
		AheadAP50     float64 `json:"ahead_ap50"`
	}
	if err := json.Unmarshal(text, &runs); err != nil {
		t.Fatal(err)
	}
	if len(runs) != 6 {
		t.Errorf("%d runs; want 6", len(runs))
	}
	for n, run := range runs {
		moments, outputs := make([]ap.Moment, len(run.Moments)), make([]ap.Output, len(run.Answers))
		for i, m := range run.Moments {
			moments[i].At = time.Duration(m.At) * time.Microsecond
			for _, v := range m.Truth {
				moments[i].Truth = append(moments[i].Truth, ap.Truth{Class: int(v[0]), Box: ap.Box{X: v[1], Y: v[2], W: v[3], H: v[4]}, Area: v[3] * v[4]})
			}
		}
		for i, a := range run.Answers {
			outputs[i].Captured, outputs[i].Published = time.Duration(a.Captured)*time.Microsecond, time.Duration(a.Published)*time.Microsecond
			for _, v := range a.Found {
				outputs[i].Found = append(outputs[i].Found, ap.Detection{Class: int(v[0]), Score: v[1], Box: ap.Box{X: v[2], Y: v[3], W: v[4], H: v[5]}})
			}
		}
		ahead := func(o int, at time.Duration) []ap.Detection {
			var things []ap.Moving
			for i, v := range run.Answers[o].Moves {
				things = append(things, ap.Moving{Detection: outputs[o].Found[i], VX: v[0], VY: v[1], VW: v[2], VH: v[3]})
			}
			return ap.Ahead(nil, things, at-outputs[o].Captured, run.Width, run.Height)
		}
		check := func(forecast ap.Forecast, wantAP, wantAP50 float64) {
			images, used := ap.Streaming(moments, outputs, forecast)
			if !slices.Equal(used, run.Used) {
				t.Errorf("run %d: outputs %v are used; the oracle uses %v", n, used, run.Used)
			}
			m, err := ap.Match(images, 2)
			if err != nil {
				t.Fatal(err)
			}
			r := m.Summary(nil)
			if math.Abs(r.AP-wantAP) > 1e-9 || math.Abs(r.AP50-wantAP50) > 1e-9 {
				t.Errorf("run %d, forecast %v: AP %.10f and AP50 %.10f; the oracle has %.10f and %.10f", n, forecast != nil, r.AP, r.AP50, wantAP, wantAP50)
			}
		}
		check(nil, run.AP, run.AP50)
		check(ahead, run.AheadAP, run.AheadAP50)
	}
}
