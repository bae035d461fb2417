package export_test

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dashline/detect/labels"
	"dashline/sensors/synth/export"
	"dashline/sensors/synth/truth"
)

const width, height = 128, 72

// picture is a red one with two cars, of which one is to be ignored, and three
// lines.
func picture(drive string, i int) *export.Picture {
	p := &export.Picture{Drive: drive, Frame: i, Width: width, Height: height, BGR: bytes.Repeat([]byte{0, 0, 200}, width*height)}
	p.Truth = truth.Frame{
		Objects: []truth.Object{
			{ID: 1, Class: "car", Box: [4]float64{32, 18, 96, 36}, Full: [4]float64{32, 18, 96, 36}, Outline: [][2]float64{{32, 18}, {96, 18}, {96, 36}, {32, 36}}},
			{ID: 7, Class: "person", Ignore: true, Box: [4]float64{118, 20, 128, 50}, Full: [4]float64{118, 20, 148, 50}, Outline: [][2]float64{{118, 20}, {148, 20}, {148, 50}, {118, 50}}},
		},
		Lanes: []truth.Lane{
			{Side: -2, Image: [][2]float64{{-40, 80}, {50, 30}}},
			{Side: -1, Image: [][2]float64{{10.5, 72.5}, {50.5, 32.5}}},
			{Side: 1, Image: [][2]float64{{120.25, 72}, {80, 30}}},
		},
		Drivable: [][2]float64{{0, 72}, {50.123, 30}, {80, 30}, {128, 72}},
	}
	return p
}

func fill(t *testing.T, dir, format string, pictures ...*export.Picture) {
	t.Helper()
	s, err := export.Create(dir, format, truth.Classes())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pictures {
		l, err := s.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// tree is what is in a folder: paths, sorted.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func text(t *testing.T, parts ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestYOLO(t *testing.T) {
	dir := t.TempDir()
	plain := picture("b-1", 3)
	plain.Truth.Objects = plain.Truth.Objects[:1]
	fill(t, dir, "yolo", picture("a-1", 0), plain)
	fill(t, dir, "yolo", picture("a-2", 123456)) // later, into the same folder
	want := []string{
		"classes.txt", "ignore/a-1_000000.txt", "ignore/a-2_123456.txt",
		"images/a-1_000000.jpg", "images/a-2_123456.jpg", "images/b-1_000003.jpg",
		"labels/a-1_000000.txt", "labels/a-2_123456.txt", "labels/b-1_000003.txt",
		"lanes/a-1_000000.json", "lanes/a-2_123456.json", "lanes/b-1_000003.json",
	}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q; want %q", got, want)
	}
	if got, want := text(t, dir, "labels", "a-1_000000.txt"), "0 0.500000 0.375000 0.500000 0.250000\n"; got != want {
		t.Errorf("labels %q; want %q", got, want)
	}
	if got, want := text(t, dir, "ignore", "a-1_000000.txt"), "5 0.960938 0.486111 0.078125 0.416667\n"; got != want {
		t.Errorf("ignore %q; want %q", got, want)
	}
	var road struct {
		Lanes, Outlines [][][2]float64
		Drivable        [][2]float64
	}
	if err := json.Unmarshal([]byte(text(t, dir, "lanes", "a-1_000000.json")), &road); err != nil {
		t.Fatal(err)
	}
	if len(road.Lanes) != 3 || len(road.Outlines) != 2 || len(road.Drivable) != 4 || road.Drivable[1] != [2]float64{50.12, 30} {
		t.Errorf("road %+v", road)
	}
	f, err := os.Open(filepath.Join(dir, "images", "a-1_000000.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := jpeg.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := img.At(60, 30).RGBA(); img.Bounds().Dx() != width || img.Bounds().Dy() != height || r>>8 < 195 || g>>8 > 5 || b>>8 > 5 {
		t.Errorf("a picture of %v with %d, %d, %d", img.Bounds(), r>>8, g>>8, b>>8)
	}
}

// The evaluators read what the exports say.
func TestLabelsComeBack(t *testing.T) {
	for _, format := range []string{"yolo", "coco"} {
		dir := t.TempDir()
		fill(t, dir, format, picture("a", 0), picture("a", 10))
		set, err := labels.Read(dir, truth.Classes())
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if len(set.Pictures) != 2 {
			t.Fatalf("%s: %d pictures", format, len(set.Pictures))
		}
		for _, p := range set.Pictures {
			if len(p.Truth) != 2 || p.Width != width || p.Height != height {
				t.Fatalf("%s: %+v", format, p)
			}
			car, person := p.Truth[0], p.Truth[1]
			if car.Class != 0 || car.Crowd || person.Class != 5 || !person.Crowd {
				t.Errorf("%s: %+v", format, p.Truth)
			}
		}
	}
}

func TestCOCO(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "coco", picture("a", 0), picture("b", 10))
	var got struct {
		Images      []map[string]any
		Categories  []map[string]any
		Annotations []struct {
			ID, Image_ID, Category_ID, IsCrowd int
			Area                               float64
			BBox                               []float64
			Segmentation                       [][]float64
		}
	}
	if err := json.Unmarshal([]byte(text(t, dir, "annotations.json")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Images) != 2 || len(got.Categories) != 8 || len(got.Annotations) != 4 || got.Images[1]["file_name"] != "b_000010.jpg" {
		t.Fatalf("%+v", got)
	}
	a := got.Annotations[3]
	if a.ID != 4 || a.Image_ID != 2 || a.Category_ID != 6 || a.IsCrowd != 1 || a.Area != 300 || !slices.Equal(a.BBox, []float64{118, 20, 10, 30}) {
		t.Errorf("annotation %+v", a)
	}
	// The outline ends where the picture does.
	if want := []float64{118, 20, 128, 20, 128, 50, 118, 50}; !slices.Equal(a.Segmentation[0], want) {
		t.Errorf("segmentation %v; want %v", a.Segmentation, want)
	}
}

func TestWhatCannotBeExported(t *testing.T) {
	s, err := export.Create(t.TempDir(), "yolo", []string{"car"})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(p *export.Picture){
		"person":    func(*export.Picture) {},
		"file's":    func(p *export.Picture) { p.Drive = "../x" },
		"bytes":     func(p *export.Picture) { p.BGR = p.BGR[1:] },
		"picture -": func(p *export.Picture) { p.Frame = -1 },
	} {
		p := picture("a", 0)
		change(p)
		if _, err := s.Encode(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := export.Create(t.TempDir(), "voc", nil); err == nil || !strings.Contains(err.Error(), "yolo, coco, tusimple") {
		t.Error(err)
	}
}

// Nothing that is there is mixed with what it does not go with.
func TestFoldersThatAreTaken(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "yolo", picture("a", 0))
	if _, err := export.Create(dir, "yolo", []string{"cat"}); err == nil || !strings.Contains(err.Error(), "other classes") {
		t.Error(err)
	}
	for _, format := range []string{"coco", "tusimple"} {
		dir := t.TempDir()
		fill(t, dir, format, picture("a", 0))
		before := tree(t, dir)
		if _, err := export.Create(dir, format, truth.Classes()); err == nil || !strings.Contains(err.Error(), "there already") {
			t.Errorf("%s: %v", format, err)
		}
		if after := tree(t, dir); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %v became %v", format, before, after)
		}
	}
}
