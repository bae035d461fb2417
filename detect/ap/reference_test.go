package ap

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

// near is how exactly the figures of other programs must come out.
const near = 1e-6

// TestReference compares with pycocotools' published result on a hundred images.
func TestReference(t *testing.T) {
	folder := testkit.Asset(t, "drives/map_reference/test_coco_eval")
	images, classes := reference(t, folder)
	m, err := Match(images, classes)
	if err != nil {
		t.Fatal(err)
	}
	r := m.Summary(nil)
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"AP", r.AP, .503647}, {"AP50", r.AP50, .696973}, {"AP75", r.AP75, .571667},
		{"APs", r.APS, .593252}, {"APm", r.APM, .557991}, {"APl", r.APL, .489363},
		{"AR1", r.AR1, .386813}, {"AR10", r.AR10, .593680}, {"AR100", r.AR100, .595353},
	} {
		if math.Abs(tt.got-tt.want) > near {
			t.Errorf("%s is %.7f; pycocotools has %.6f", tt.name, tt.got, tt.want)
		}
	}
}

// reference reads images in the order of their numbers and classes in that of theirs.
func reference(t *testing.T, folder string) (images []Image, classes int) {
	t.Helper()
	type row struct {
		Image    int        `json:"image_id"`
		Category int        `json:"category_id"`
		BBox     [4]float64 `json:"bbox"`
		Area     float64    `json:"area"`
		Crowd    int        `json:"iscrowd"`
		Score    float64    `json:"score"`
	}
	var gt struct {
		Images      []struct{ ID int }
		Annotations []row
		Categories  []struct{ ID int }
	}
	var found []row
	for file, v := range map[string]any{"gts/sampled_gts_bbox_area.json": &gt, "cocoapi_results.json": &found} {
		data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatal(err)
		}
	}
	var ids, categories []int
	for _, v := range gt.Images {
		ids = append(ids, v.ID)
	}
	for _, v := range gt.Categories {
		categories = append(categories, v.ID)
	}
	slices.Sort(ids)
	slices.Sort(categories)
	images = make([]Image, len(ids))
	for _, v := range gt.Annotations {
		img := &images[slices.Index(ids, v.Image)]
		img.Truth = append(img.Truth, Truth{Class: slices.Index(categories, v.Category), Box: Box{v.BBox[0], v.BBox[1], v.BBox[2], v.BBox[3]}, Area: v.Area, Crowd: v.Crowd == 1})
	}
	for _, v := range found {
		img := &images[slices.Index(ids, v.Image)]
		img.Found = append(img.Found, Detection{Class: slices.Index(categories, v.Category), Box: Box{v.BBox[0], v.BBox[1], v.BBox[2], v.BBox[3]}, Score: v.Score})
	}
	return images, len(categories)
}

// TestVOCToyCase is the worked example that the VOC metric is usually explained by.
func TestVOCToyCase(t *testing.T) {
	folder := testkit.Asset(t, "drives/map_reference/test_case_1")
	files, err := filepath.Glob(filepath.Join(folder, "gts", "*.txt"))
	if err != nil || len(files) != 7 {
		t.Fatalf("%d files, %v; want 7", len(files), err)
	}
	var images []Image
	for _, file := range files {
		var img Image
		for line := range lines(t, file) {
			var b Box
			if _, err := fmt.Sscanf(line, "object %g %g %g %g", &b.X, &b.Y, &b.W, &b.H); err != nil {
				t.Fatal(err)
			}
			img.Truth = append(img.Truth, Truth{Box: b})
		}
		for line := range lines(t, filepath.Join(folder, "dets", filepath.Base(file))) {
			var d Detection
			if _, err := fmt.Sscanf(line, "object %g %g %g %g %g", &d.Score, &d.Box.X, &d.Box.Y, &d.Box.W, &d.Box.H); err != nil {
				t.Fatal(err)
			}
			img.Found = append(img.Found, d)
		}
		images = append(images, img)
	}
	for iou, want := range map[float64]float64{.1: .3371980676, .3: .2456866804, .5: .0222222222} {
		if got := VOC(images, 0, iou); math.Abs(got-want) > 1e-9 {
			t.Errorf("AP at IoU %g is %.10f; want %.10f", iou, got, want)
		}
	}
}

func lines(t *testing.T, file string) func(func(string) bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Lines(strings.TrimSpace(string(data)))
}
