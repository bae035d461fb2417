package detect_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/infer"
	"dashline/internal/testkit"
	"dashline/model/catalog"
	"dashline/pipeline/msg"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// checkSound fails on anything that the package promises not to happen.
func checkSound(t testing.TB, got []msg.Detection, width, height int, score float32) {
	t.Helper()
	for i, d := range got {
		b := d.Box
		if !(b.X0 >= 0 && b.X0 < b.X1 && b.X1 <= float32(width) && b.Y0 >= 0 && b.Y0 < b.Y1 && b.Y1 <= float32(height)) {
			t.Fatalf("box %v is not inside %dx%d", b, width, height)
		}
		if !(d.Score > score && d.Score <= 1) || d.Label == "" {
			t.Fatalf("score %v, label %q", d.Score, d.Label)
		}
		if i > 0 && got[i-1].Score < d.Score {
			t.Fatalf("score %v after %v", d.Score, got[i-1].Score)
		}
	}
}

// fake is a network whose output the test writes. It stands in where no real
// network gives the numbers in question.
type fake struct {
	info   infer.Info
	input  []float32
	output [][]float32
	err    error
	closed int
}

func (f *fake) Input() []float32              { return f.input }
func (f *fake) Info() infer.Info              { return f.info }
func (f *fake) Close() error                  { f.closed++; return nil }
func (f *fake) Forward() ([][]float32, error) { return f.output, f.err }

// newFake is a [yolo] network of 64x32 with one head of four rows, two classes.
func newFake() (*fake, *catalog.Network) {
	d := &catalog.Network{
		Name: "net", Classes: []string{"car", "dog"},
		Input: catalog.Input{Width: 64, Height: 32, Resize: "stretch", Color: "rgb", Scale: [3]float32{1. / 255, 1. / 255, 1. / 255}},
	}
	d.Decode.Kind = "yolo"
	f := &fake{input: make([]float32, 3*32*64), info: infer.Info{
		Name: "net", Engine: "fake", Requested: infer.CUDA, Backend: infer.CPU,
		Input:   infer.Tensor{Name: "in", Shape: []int{1, 3, 32, 64}},
		Outputs: []infer.Tensor{{Name: "out", Shape: []int{4, 7}}},
	}}
	f.output = [][]float32{make([]float32, 4*7)}
	copy(f.output[0], []float32{
		0.5, 0.5, 0.5, 0.5, 1, 0.6, 0,
		0.5, 0.5, 0.5, 0.5, 1, 0, 0.9,
		0.5, 0.5, 0.5, 0.5, 1, 0.5, 0, // suppressed by the first
		1, 0, 1, 1, 1, 0.7, 0, // half outside
	})
	return f, d
}

func TestDetect(t *testing.T) {
	f, d := newFake()
	det, err := detect.New(f, d, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img := gocv.NewMatWithSize(100, 200, gocv.MatTypeCV8UC3)
	defer img.Close()

	first := msg.Detection{Label: "of an earlier call"}
	got, took, err := det.Detect(img, []msg.Detection{first})
	if err != nil {
		t.Fatal(err)
	}
	want := []msg.Detection{
		first,
		{Box: msg.Box{X0: 50, Y0: 25, X1: 150, Y1: 75}, Class: 1, Label: "dog", Score: 0.9},
		{Box: msg.Box{X0: 100, Y0: 0, X1: 200, Y1: 50}, Class: 0, Label: "car", Score: 0.7},
		{Box: msg.Box{X0: 50, Y0: 25, X1: 150, Y1: 75}, Class: 0, Label: "car", Score: 0.6},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if took.Preprocess <= 0 || took.Forward <= 0 || took.Decode <= 0 {
		t.Errorf("timing %+v", took)
	}
	if by := (msg.Network{Name: "net", Engine: "fake", Requested: "cuda", Backend: "cpu"}); det.By() != by {
		t.Errorf("by %v, want %v", det.By(), by)
	}

	f.err = &infer.Error{Op: "forward", Network: "net"}
	if got, _, err := det.Detect(img, want[:1]); err != f.err || len(got) != 1 {
		t.Errorf("after a failed forward: %v, %v", got, err)
	}
	if err := det.Close(); err != nil || f.closed == 0 {
		t.Errorf("close: %v, network closed %d times", err, f.closed)
	}
	if err := det.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func TestOptions(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		opt   detect.Options
		want  string // part of the error
		count int    // detections, without an error
	}{
		{detect.Options{}, "", 3},
		{detect.Options{Score: 0.65}, "", 2},
		{detect.Options{NMS: 1}, "", 4},
		{detect.Options{Max: 1}, "", 1},
		{detect.Options{Score: -0.1}, "score threshold -0.1", 0},
		{detect.Options{Score: 1}, "score threshold 1", 0},
		{detect.Options{Score: nan}, "score threshold NaN", 0},
		{detect.Options{NMS: -1}, "NMS threshold -1", 0},
		{detect.Options{NMS: 1.5}, "NMS threshold 1.5", 0},
		{detect.Options{NMS: nan}, "NMS threshold NaN", 0},
		{detect.Options{Max: -1}, "at most -1", 0},
	}
	img := gocv.NewMatWithSize(100, 200, gocv.MatTypeCV8UC3)
	defer img.Close()
	for _, tt := range tests {
		f, d := newFake()
		det, err := detect.New(f, d, tt.opt)
		if err != nil {
			if tt.want == "" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v: error %q, want %q", tt.opt, err, tt.want)
			}
			if f.closed != 0 {
				t.Errorf("%+v: New failed and closed the caller's network", tt.opt)
			}
			continue
		}
		got, _, err := det.Detect(img, nil)
		if err != nil || len(got) != tt.count || tt.want != "" {
			t.Errorf("%+v: %d detections, error %v; want %d, %q", tt.opt, len(got), err, tt.count, tt.want)
		}
		det.Close()
	}
}

func TestPicturesThatAreNone(t *testing.T) {
	f, d := newFake()
	det, err := detect.New(f, d, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer det.Close()
	tests := []struct {
		name string
		make func() gocv.Mat
		want string
	}{
		{"no Mat", func() gocv.Mat { return gocv.Mat{} }, "empty"},
		{"empty", gocv.NewMat, "empty"},
		{"no rows", func() gocv.Mat { return gocv.NewMatWithSize(0, 10, gocv.MatTypeCV8UC3) }, "empty"},
		{"grey", func() gocv.Mat { return gocv.NewMatWithSize(3, 7, gocv.MatTypeCV8UC1) }, "CV8U of 7x3"},
		{"16 bits", func() gocv.Mat { return gocv.NewMatWithSize(3, 7, gocv.MatTypeCV16UC3) }, "CV16UC3 of 7x3"},
		{"alpha", func() gocv.Mat { return gocv.NewMatWithSize(3, 7, gocv.MatTypeCV8UC4) }, "CV8UC4 of 7x3"},
		{"float", func() gocv.Mat { return gocv.NewMatWithSize(3, 7, gocv.MatTypeCV32FC3) }, "CV32FC3 of 7x3"},
		{"three dimensions", func() gocv.Mat { return gocv.NewMatWithSizes([]int{2, 3, 4}, gocv.MatTypeCV8UC3) }, "empty"},
		{"wider than any", func() gocv.Mat { return gocv.NewMatWithSize(1, 40_000, gocv.MatTypeCV8UC3) }, "40000x1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img := tt.make()
			if img.Ptr() != nil {
				defer img.Close()
			}
			got, _, err := det.Detect(img, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(got) != 0 {
				t.Errorf("%v, error %v, want %q", got, err, tt.want)
			}
		})
	}
}
