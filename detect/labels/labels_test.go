package labels

import (
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dashline/detect/ap"
	"dashline/internal/testkit"
	"dashline/model/catalog"
	"dashline/sensors/synth/truth"
)

// files writes a folder; a name that ends in .png becomes a picture of 100x50.
func files(t *testing.T, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range all {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".png") && text == "" {
			err = png.Encode(f, image.NewGray(image.Rect(0, 0, 100, 50)))
		} else {
			_, err = f.WriteString(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// short are the objects of a picture, rounded.
func short(p Picture) []ap.Truth {
	var out []ap.Truth
	for _, t := range p.Truth {
		for _, v := range []*float64{&t.Box.X, &t.Box.Y, &t.Box.W, &t.Box.H, &t.Area} {
			*v = math.Round(*v*1e6) / 1e6
		}
		out = append(out, t)
	}
	return out
}

var network = []string{"person", "car", "truck", "motorbike"}

func TestYOLO(t *testing.T) {
	dir := files(t, map[string]string{
		"classes.txt":        "motorcycle\ncar\ncat\n",
		"images/7.png":       "",
		"images/9.png":       "",
		"images/readme.md":   "not a picture",
		"labels/7.txt":       "1 0.5 0.5 0.2 0.4\n\n0 0.1 0.2 0.02 0.04\n2 0.5 0.5 1 1\n2 0.5 0.5 1 1\n",
		"ignore/9.txt":       "1 0.5 0.5 1 1\n2 0.5 0.5 1 1\n",
		"labels/classes.txt": "other\n",
	})
	s, err := Read(dir, network)
	if err != nil {
		t.Fatal(err)
	}
	if s.Format != "yolo" || len(s.Pictures) != 2 || s.Pictures[0].ID != 7 || s.Pictures[0].Width != 100 || s.Pictures[0].Height != 50 {
		t.Errorf("read %+v", s)
	}
	want := []ap.Truth{{Class: 1, Box: ap.Box{X: 40, Y: 15, W: 20, H: 20}, Area: 400}, {Class: 3, Box: ap.Box{X: 9, Y: 9, W: 2, H: 2}, Area: 4}}
	if got := short(s.Pictures[0]); !reflect.DeepEqual(got, want) {
		t.Errorf("truth %+v; want %+v", got, want)
	}
	want = []ap.Truth{{Class: 1, Box: ap.Box{W: 100, H: 50}, Area: 5000, Crowd: true}}
	if got := short(s.Pictures[1]); !reflect.DeepEqual(got, want) {
		t.Errorf("crowd %+v; want %+v", got, want)
	}
	if want := map[string]int{"cat": 2}; !reflect.DeepEqual(s.Left, want) {
		t.Errorf("left out %v; want %v", s.Left, want)
	}
}

func TestKITTI(t *testing.T) {
	const rest = " 1 1 1 1 1 1 1\n"
	dir := files(t, map[string]string{
		"image_2/000003.png": "",
		"label_2/000003.txt": "Car 0 0 0 10 20 30 40" + rest + "Pedestrian 0 0 0 1 2 3 4" + rest + "Person_sitting 0 0 0 1 2 3 4" + rest +
			"Van 0 0 0 1 2 3 4" + rest + "DontCare -1 -1 -10 1 2 3 4" + rest + "Tram 0 0 0 1 2 3 4" + rest,
	})
	s, err := Read(dir, network)
	if err != nil {
		t.Fatal(err)
	}
	b := ap.Box{X: 1, Y: 2, W: 2, H: 2}
	want := []ap.Truth{
		{Class: 1, Box: ap.Box{X: 10, Y: 20, W: 20, H: 20}, Area: 400}, {Class: 0, Box: b, Area: 4}, {Class: 0, Box: b, Area: 4},
		{Class: 1, Box: b, Area: 4, Crowd: true}, {Class: 2, Box: b, Area: 4, Crowd: true}, // the van
		{Class: ap.Any, Box: b, Area: 4, Crowd: true},
	}
	if got := s.Pictures[0].Truth; s.Format != "kitti" || !reflect.DeepEqual(got, want) {
		t.Errorf("truth %+v; want %+v", got, want)
	}
	if want := map[string]int{"Tram": 1}; !reflect.DeepEqual(s.Left, want) {
		t.Errorf("left out %v; want %v", s.Left, want)
	}
	s, err = Read(dir, []string{"van"})
	if err != nil || len(s.Pictures[0].Truth) != 2 || s.Pictures[0].Truth[0].Crowd {
		t.Errorf("for a network that knows vans: %+v, %v; want the van and the region", s.Pictures[0].Truth, err)
	}
}

const instancesJSON = `{"images":[{"id":9,"file_name":"b.png","width":100,"height":50},{"id":4,"file_name":"a.png","width":100,"height":50}],
"annotations":[{"image_id":4,"category_id":3,"bbox":[1,2,3,4],"area":7.5,"iscrowd":0,"segmentation":[[1,2]]},
{"image_id":9,"category_id":4,"bbox":[1,2,3,4],"iscrowd":1},{"image_id":9,"category_id":99,"bbox":[1,2,3,4],"area":1}],
"categories":[{"id":3,"name":"car"},{"id":4,"name":"motorcycle"},{"id":99,"name":"spoon"}]}`

func TestCOCO(t *testing.T) {
	for _, at := range []struct{ file, folder string }{
		{"annotations/instances_val2017.json", "val2017/"}, {"annotations/instances_val2017.json", "images/val2017/"},
		{"labels.json", ""}, {"labels.json", "images/"},
	} {
		dir := files(t, map[string]string{at.file: instancesJSON, at.folder + "a.png": "", at.folder + "b.png": ""})
		for _, path := range []string{dir, filepath.Join(dir, filepath.FromSlash(at.file))} {
			s, err := Read(path, network)
			if err != nil {
				t.Fatal(err)
			}
			if s.Format != "coco" || len(s.Pictures) != 2 || s.Pictures[0].ID != 4 || s.Pictures[0].Path != filepath.Join(dir, filepath.FromSlash(at.folder), "a.png") {
				t.Errorf("read %+v", s)
			}
			b := ap.Box{X: 1, Y: 2, W: 3, H: 4}
			if got, want := s.Pictures[0].Truth, []ap.Truth{{Class: 1, Box: b, Area: 7.5}}; !reflect.DeepEqual(got, want) {
				t.Errorf("truth %+v; want %+v", got, want)
			}
			if got, want := s.Pictures[1].Truth, []ap.Truth{{Class: 3, Box: b, Area: 12, Crowd: true}}; !reflect.DeepEqual(got, want) {
				t.Errorf("truth %+v; want %+v", got, want)
			}
			if want := []int{0, 3, 0, 4}; !reflect.DeepEqual(s.Category, want) {
				t.Errorf("categories %v; want %v", s.Category, want)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	good := map[string]string{"classes.txt": "car", "images/a.png": "", "labels/a.txt": "0 .5 .5 .1 .1"}
	tests := []struct {
		name, file, text, want string
	}{
		{"a class that is not listed", "labels/a.txt", "1 .5 .5 .1 .1", "a.txt:1: class"},
		{"a polygon", "labels/a.txt", "\n0 .5 .5 .1 .1 .2 .2", "a.txt:2: 7 values"},
		{"pixels", "labels/a.txt", "0 50 .5 .1 .1", "shares of the picture"},
		{"a word", "labels/a.txt", "0 x .5 .1 .1", `"x"`},
		{"a number that is none", "labels/a.txt", "0 NaN .5 .1 .1", "NaN"},
		{"labels of no picture", "labels/b.txt", "", "no picture"},
		{"a bad ignored region", "ignore/a.txt", "0 1 2", "3 values"},
		{"no picture in a picture", "images/a.png", "hello", "not JPEG or PNG"},
		{"no names", "classes.txt", "", "0 class names"},
		{"a crowd of no picture", "crowd_ignore_public.json", `[{"image_id":3,"category":"car","bbox_xywh":[1,2,3,4]}]`, "image 3"},
		{"a crowd that is none", "crowd_ignore_public.json", `[{"image_id":1,"category":"car","bbox_xywh":[1,2,-3,4]}]`, "negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := map[string]string{tt.file: tt.text}
			for k, v := range good {
				if k != tt.file {
					all[k] = v
				}
			}
			_, err := Read(files(t, all), network)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want an error with %q", err, tt.want)
			}
		})
	}
	for name, all := range map[string]map[string]string{
		"an empty folder":                    {},
		"two COCO files":                     {"a.json": instancesJSON, "b.json": instancesJSON},
		"a COCO file without its pictures":   {"a.json": instancesJSON},
		"a COCO file with one of its two":    {"a.json": instancesJSON, "a.png": ""},
		"a COCO file that leads elsewhere":   {"a.json": strings.Replace(instancesJSON, "a.png", "../a.png", 1), "a.png": "", "b.png": ""},
		"a COCO file with an image twice":    {"a.json": strings.Replace(instancesJSON, `"id":9`, `"id":4`, 1), "a.png": "", "b.png": ""},
		"a COCO file without its image":      {"a.json": strings.Replace(instancesJSON, `"image_id":4`, `"image_id":5`, 1), "a.png": "", "b.png": ""},
		"a COCO file with a box of no use":   {"a.json": strings.Replace(instancesJSON, `[1,2,3,4]`, `[1,2,3,1e9]`, 1), "a.png": "", "b.png": ""},
		"a KITTI picture without its labels": {"image_2/1.png": "", "label_2/readme": ""},
		"YOLO labels without names":          {"images/a.png": "", "labels/a.txt": ""},
		"no pictures":                        {"classes.txt": "car", "images/x": "", "labels/x": ""},
	} {
		if s, err := Read(files(t, all), network); err == nil {
			t.Errorf("%s is read as %+v", name, s)
		} else if !strings.Contains(err.Error(), "read labels") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, text := range []string{
		"path: .\nnames:\n  0: car\n  1: traffic light\nnc: 2\n",
		"names:\n- car\n- 'traffic light'\ntrain: x\n",
		"nc: 2\nnames: [car, \"traffic light\"]\n",
		"names:\n  # a remark\n  - car\n\n  - traffic light\n",
	} {
		got, err := yamlNames([]byte(text))
		if want := []string{"car", "traffic light"}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q has %q, %v; want %q", text, got, err, want)
		}
	}
	if got, err := yamlNames([]byte("names:\n  1: car\n")); err == nil {
		t.Errorf("names that begin at 1 are %q", got)
	}
}

func TestSynonyms(t *testing.T) {
	for _, tt := range []struct{ label, network string }{
		{"motorcycle", "motorbike"}, {"aeroplane", "airplane"}, {"tv", "tvmonitor"}, {"couch", "sofa"},
		{"potted plant", "pottedplant"}, {"dining table", "diningtable"}, {"Traffic_Light", "traffic light"},
		{"Pedestrian", "person"}, {"Cyclist", "bicycle"}, {"pedestrian", "pedestrian"},
	} {
		if class, ok := NewClasses([]string{"cup", tt.network}).Find(tt.label); !ok || class != 1 {
			t.Errorf("the label %q is class %d, %v of a network with %q", tt.label, class, ok, tt.network)
		}
	}
	if class, _ := NewClasses([]string{"person", "pedestrian"}).Find("pedestrian"); class != 1 {
		t.Error("a synonym is preferred to the name itself")
	}
	if _, ok := NewClasses([]string{"car"}).Find("van"); ok {
		t.Error("a van is a car")
	}
}

func TestFrame(t *testing.T) {
	c := NewClasses([]string{"car"})
	got := c.Frame(&truth.Frame{Objects: []truth.Object{
		{Class: "car", Box: [4]float64{1, 2, 4, 6}, Full: [4]float64{-9, 2, 4, 6}},
		{Class: "car", Box: [4]float64{1, 2, 4, 6}, Ignore: true},
		{Class: "cone", Box: [4]float64{1, 2, 4, 6}},
	}})
	b := ap.Box{X: 1, Y: 2, W: 3, H: 4}
	if want := []ap.Truth{{Box: b, Area: 12}, {Box: b, Area: 12, Crowd: true}}; !reflect.DeepEqual(got, want) || c.Left["cone"] != 1 {
		t.Errorf("truth %+v, left out %v; want %+v and a cone", got, c.Left, want)
	}
}

// The labelled sets of the assets are read whole.
func TestAssets(t *testing.T) {
	n, err := catalog.Get("yolox-nano-416")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		folder, format            string
		pictures, objects, crowds int
		left                      map[string]int
	}{
		{"drives/det_coco_val128", "yolo", 64, -1, 4, map[string]int{}},
		{"drives/det_kitti13", "kitti", 6, 9, 15, map[string]int{"Misc": 1}},
	} {
		s, err := Read(testkit.Asset(t, tt.folder), n.Classes)
		if err != nil {
			t.Error(err)
			continue
		}
		objects, crowds := 0, 0
		for _, p := range s.Pictures {
			for _, v := range p.Truth {
				if v.Crowd {
					crowds++
				} else {
					objects++
				}
			}
		}
		if tt.objects < 0 {
			tt.objects = nonblank(t, filepath.Join(testkit.Asset(t, tt.folder), "labels", "*.txt"))
		}
		if s.Format != tt.format || len(s.Pictures) != tt.pictures || objects != tt.objects || crowds != tt.crowds || !reflect.DeepEqual(s.Left, tt.left) {
			t.Errorf("%s: %s, %d pictures, %d objects, %d crowds, left out %v; want %+v", tt.folder, s.Format, len(s.Pictures), objects, crowds, s.Left, tt)
		}
	}
}

// nonblank counts the lines of files.
func nonblank(t *testing.T, pattern string) int {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range all {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if strings.TrimSpace(line) != "" {
				n++
			}
		}
	}
	return n
}

// sound wants what detect/ap takes.
func sound(t *testing.T, truth []ap.Truth, classes int) {
	t.Helper()
	if _, err := ap.Match([]ap.Image{{Truth: truth}}, classes); err != nil {
		t.Fatal(err)
	}
	for _, v := range truth {
		if v.Box.W < 0 || v.Box.H < 0 {
			t.Fatalf("truth %+v", v)
		}
	}
}

func FuzzYOLO(f *testing.F) {
	f.Add([]byte("0 0.5 0.5 0.25 0.25\n"))
	f.Add([]byte("1 1e-3 1 0 1\n\n2 0 0 0 0"))
	f.Add([]byte("0 NaN 0 0 0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		truth, err := yolo("x", data, []string{"car", "cat", "van"}, &Picture{Width: 640, Height: 360}, false, NewClasses(network))
		if err == nil {
			sound(t, truth, len(network))
		}
	})
}

func FuzzKITTI(f *testing.F) {
	f.Add([]byte("Car 0 0 0 10 20 30 40 1 1 1 1 1 1 1\nDontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n"))
	f.Add([]byte("Van 0 0 0 1 2 3 4 1 1 1 1 1 1 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		truth, err := kitti("x", data, NewClasses(network))
		if err == nil {
			sound(t, truth, len(network))
		}
	})
}

func FuzzCOCO(f *testing.F) {
	f.Add([]byte(instancesJSON))
	f.Add([]byte(`{"categories":[{"id":1,"name":"DontCare"}],"images":[{"id":1,"file_name":"a","width":1,"height":1}],"annotations":[{"image_id":1,"category_id":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseCOCO(data, NewClasses(network))
		if err != nil {
			return
		}
		for _, p := range s.Pictures {
			sound(t, p.Truth, len(network))
			if !filepath.IsLocal(p.Path) {
				t.Fatalf("path %q", p.Path)
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add([]byte("names:\n  0: person\n  1: bicycle\n"))
	f.Add([]byte("names: [a, 'b']"))
	f.Add([]byte("names:\n- a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if names, err := yamlNames(data); err == nil && len(names) > len(data) {
			t.Fatalf("%d names of %d bytes", len(names), len(data))
		}
	})
}
