package preprocess

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gocv.io/x/gocv"
	"pgregory.net/rapid"

	"dashline/internal/testkit"
	"dashline/model/catalog"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var (
	one  = [3]float32{1, 1, 1}
	u255 = [3]float32{1 / 255., 1 / 255., 1 / 255.}
)

// noise is a picture of random bytes.
func noise(t testing.TB, width, height int) gocv.Mat {
	t.Helper()
	m := gocv.NewMatWithSize(height, width, gocv.MatTypeCV8UC3)
	t.Cleanup(func() { m.Close() })
	data, err := m.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return m
}

func run(t testing.TB, in catalog.Input, img gocv.Mat) ([]float32, Transform) {
	t.Helper()
	p, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	dst := make([]float32, 3*in.Width*in.Height)
	for i := range dst {
		dst[i] = float32(math.NaN()) // whatever is left of these was not written
	}
	to, err := p.Run(img, dst)
	if err != nil {
		t.Fatal(err)
	}
	return dst, to
}

func blob(t testing.TB, img gocv.Mat, scale float64, size image.Point, mean gocv.Scalar, swap bool) []float32 {
	t.Helper()
	b := gocv.BlobFromImage(img, scale, size, mean, swap, false)
	defer b.Close()
	data, err := b.DataPtrFloat32()
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), data...)
}

func near(t testing.TB, got, want []float32, limit float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= limit*math.Max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("value %d is %g, want %g", i, got[i], want[i])
		}
	}
}

func TestStretchIsBlobFromImage(t *testing.T) {
	for _, size := range [][2]int{{960, 540}, {1280, 720}, {320, 320}, {1, 1}, {3, 777}, {2049, 5}, {641, 361}, {20000, 2}} {
		img := noise(t, size[0], size[1])
		for _, net := range [][2]int{{320, 320}, {640, 360}, {17, 5}, {1025, 3}} {
			t.Run(fmt.Sprint(size, net), func(t *testing.T) {
				in := catalog.Input{Width: net[0], Height: net[1], Resize: "stretch", Color: "rgb", Scale: u255}
				got, _ := run(t, in, img)
				near(t, got, blob(t, img, 1./255, image.Pt(net[0], net[1]), gocv.Scalar{}, true), 1e-6)

				in.Color, in.Mean, in.Scale = "bgr", [3]float32{103.53, 116.28, 123.675}, [3]float32{0.0174, 0.0174, 0.0174}
				got, _ = run(t, in, img)
				near(t, got, blob(t, img, float64(in.Scale[0]), image.Pt(net[0], net[1]), gocv.NewScalar(103.53, 116.28, 123.675, 0), false), 1e-6)
			})
		}
	}
}

func TestScalePerChannel(t *testing.T) {
	img := noise(t, 64, 48)
	in := catalog.Input{Width: 64, Height: 48, Resize: "stretch", Color: "rgb", Mean: [3]float32{1, 2, 3}, Scale: [3]float32{0.5, 0.25, -2}}
	got, _ := run(t, in, img)
	px, _ := img.DataPtrUint8()
	for i := range 64 * 48 {
		for c := range 3 {
			if want := (float32(px[3*i+2-c]) - in.Mean[c]) * in.Scale[c]; got[c*64*48+i] != want {
				t.Fatalf("pixel %d channel %d: %g, want %g", i, c, got[c*64*48+i], want)
			}
		}
	}
}

// The picture inside a border is what a stretch to its size gives, and all of
// the rest is the border's value.
func TestBorders(t *testing.T) {
	pad := [3]float32{114, 20, 7}
	for _, tc := range []struct {
		in                 catalog.Input
		width, height      int
		left, top, wid, hi int
	}{
		{catalog.Input{Width: 416, Height: 416, Resize: "letterbox-topleft", Color: "bgr", Scale: one, Pad: pad}, 960, 540, 0, 0, 416, 234},
		{catalog.Input{Width: 416, Height: 416, Resize: "letterbox-topleft", Color: "bgr", Scale: one, Pad: pad}, 540, 960, 0, 0, 234, 416},
		{catalog.Input{Width: 416, Height: 416, Resize: "letterbox", Color: "bgr", Scale: one, Pad: pad}, 960, 540, 0, 91, 416, 234},
		{catalog.Input{Width: 416, Height: 320, Resize: "letterbox", Color: "rgb", Scale: u255, Pad: pad}, 300, 1000, 160, 0, 96, 320},
		{catalog.Input{Width: 640, Height: 384, Resize: "pad", PadRows: 12, Color: "rgb", Scale: u255, Pad: pad}, 1280, 720, 0, 12, 640, 360},
		{catalog.Input{Width: 416, Height: 416, Resize: "letterbox", Color: "rgb", Scale: u255, Pad: pad}, 20000, 1, 0, 207, 416, 1},
	} {
		t.Run(fmt.Sprint(tc.in.Resize, tc.width, "x", tc.height), func(t *testing.T) {
			img := noise(t, tc.width, tc.height)
			got, to := run(t, tc.in, img)
			inner := tc.in
			inner.Width, inner.Height, inner.Resize, inner.PadRows = tc.wid, tc.hi, "stretch", 0
			want, _ := run(t, inner, img)
			for c := range 3 {
				for y := range tc.in.Height {
					for x := range tc.in.Width {
						expect := (pad[c] - tc.in.Mean[c]) * tc.in.Scale[c]
						if ix, iy := x-tc.left, y-tc.top; ix >= 0 && iy >= 0 && ix < tc.wid && iy < tc.hi {
							expect = want[(c*tc.hi+iy)*tc.wid+ix]
						}
						if v := got[(c*tc.in.Height+y)*tc.in.Width+x]; v != expect {
							t.Fatalf("channel %d at (%d,%d): %g, want %g", c, x, y, v, expect)
						}
					}
				}
			}
			if x, y := to.ToSource(float32(tc.left), float32(tc.top)); x != 0 || y != 0 {
				t.Errorf("top-left maps to (%g,%g)", x, y)
			}
			x, y := to.ToSource(float32(tc.left+tc.wid), float32(tc.top+tc.hi))
			if math.Abs(float64(x)-float64(tc.width)) > 1e-2 || math.Abs(float64(y)-float64(tc.height)) > 1e-2 {
				t.Errorf("bottom-right maps to (%g,%g), want (%d,%d)", x, y, tc.width, tc.height)
			}
		})
	}
}

func TestTransformInverts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := catalog.Input{
			Width: rapid.IntRange(1, 2000).Draw(t, "W"), Height: rapid.IntRange(3, 2000).Draw(t, "H"),
			Resize: rapid.SampledFrom([]string{"stretch", "letterbox", "letterbox-topleft", "pad"}).Draw(t, "resize"),
			Color:  "rgb", Scale: one,
		}
		if in.Resize == "pad" {
			in.PadRows = rapid.IntRange(0, (in.Height-1)/2).Draw(t, "rows")
		}
		p, err := New(in)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		width, height := rapid.IntRange(1, MaxSide).Draw(t, "w"), rapid.IntRange(1, MaxSide).Draw(t, "h")
		p.place(width, height)
		if p.plan.left < 0 || p.plan.top < 0 || p.plan.width < 1 || p.plan.height < 1 ||
			p.plan.left+p.plan.width > p.plan.net_width || p.plan.top+p.plan.height > p.plan.net_height {
			t.Fatalf("the picture lies outside the input: %+v", p.plan)
		}
		sx := rapid.Float32Range(0, float32(width)).Draw(t, "x")
		sy := rapid.Float32Range(0, float32(height)).Draw(t, "y")
		bx, by := p.to.ToSource(p.to.ToNetwork(sx, sy))
		if math.Abs(float64(bx-sx)) > 1e-3*float64(width) || math.Abs(float64(by-sy)) > 1e-3*float64(height) {
			t.Fatalf("(%g,%g) comes back as (%g,%g)", sx, sy, bx, by)
		}
	})
}

// A region is not continuous: its rows are further apart than they are long.
func TestRegionOfALargerPicture(t *testing.T) {
	img := noise(t, 400, 300)
	part := img.Region(image.Rect(13, 7, 13+64, 7+48))
	defer part.Close()
	whole := part.Clone()
	defer whole.Close()
	for _, width := range []int{64, 50} {
		in := catalog.Input{Width: width, Height: 48, Resize: "stretch", Color: "rgb", Scale: u255}
		got, _ := run(t, in, part)
		want, _ := run(t, in, whole)
		near(t, got, want, 0)
	}
}

func TestBadPictures(t *testing.T) {
	p, err := New(catalog.Input{Width: 32, Height: 32, Resize: "stretch", Color: "rgb", Scale: u255})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	dst := make([]float32, 3*32*32)
	empty := gocv.NewMat()
	defer empty.Close()
	if _, err := p.Run(empty, dst); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("empty: %v", err)
	}
	if _, err := p.Run(gocv.Mat{}, dst); err == nil {
		t.Error("zero Mat: no error")
	}
	for name, kind := range map[string]gocv.MatType{
		"grey": gocv.MatTypeCV8UC1, "alpha": gocv.MatTypeCV8UC4, "16 bit": gocv.MatTypeCV16UC3, "float": gocv.MatTypeCV32FC3, "signed": gocv.MatTypeCV8SC3,
	} {
		m := gocv.NewMatWithSize(10, 10, kind)
		if _, err := p.Run(m, dst); err == nil || !strings.Contains(err.Error(), "8-bit BGR") {
			t.Errorf("%s: %v", name, err)
		}
		m.Close()
	}
	deep := gocv.NewMatWithSizes([]int{2, 3, 4}, gocv.MatTypeCV8UC3)
	defer deep.Close()
	if _, err := p.Run(deep, dst); err == nil {
		t.Error("three dimensions: no error")
	}
	wide := noise(t, MaxSide+1, 1)
	if _, err := p.Run(wide, dst); err == nil {
		t.Error("too wide: no error")
	}
	good := noise(t, 10, 10)
	for _, n := range []int{0, 1, len(dst) - 1, len(dst) + 1} {
		if _, err := p.Run(good, make([]float32, n)); err == nil {
			t.Errorf("destination of %d values: no error", n)
		}
	}
	if _, err := p.Run(good, dst); err != nil {
		t.Errorf("a good picture after bad ones: %v", err)
	}
	p.Close()
	if _, err := p.Run(good, dst); err == nil {
		t.Error("closed: no error")
	}
}

func TestBadDescriptions(t *testing.T) {
	good := catalog.Input{Width: 32, Height: 32, Resize: "stretch", Color: "rgb", Scale: one}
	for name, change := range map[string]func(*catalog.Input){
		"no width": func(in *catalog.Input) { in.Width = 0 }, "height": func(in *catalog.Input) { in.Height = -1 }, "huge": func(in *catalog.Input) { in.Width = 1 << 30 },
		"resize": func(in *catalog.Input) { in.Resize = "crop" }, "colour": func(in *catalog.Input) { in.Color = "" }, "scale": func(in *catalog.Input) { in.Scale[1] = 0 },
		"mean": func(in *catalog.Input) { in.Mean[2] = float32(math.NaN()) }, "rows": func(in *catalog.Input) { in.PadRows = 2 },
		"all rows": func(in *catalog.Input) { in.Resize, in.PadRows = "pad", 16 },
	} {
		in := good
		change(&in)
		if p, err := New(in); err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	in := catalog.Input{Width: 320, Height: 320, Resize: "letterbox", Color: "rgb", Scale: u255}
	p, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	img, dst := noise(t, 960, 540), make([]float32, 3*320*320)
	if got := testing.AllocsPerRun(20, func() {
		if _, err := p.Run(img, dst); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v Go heap allocations a picture, want 0", got)
	}
}

// BenchmarkRun compares with gocv.BlobFromImage in one run:
//
//	go test ./infer/preprocess -run xxx -bench Run
func BenchmarkRun(b *testing.B) {
	for _, size := range [][2]int{{960, 540}, {320, 320}} {
		img := noise(b, size[0], size[1])
		b.Run(fmt.Sprintf("%dx%d/ours", size[0], size[1]), func(b *testing.B) {
			p, err := New(catalog.Input{Width: 320, Height: 320, Resize: "stretch", Color: "rgb", Scale: u255})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			dst := make([]float32, 3*320*320)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Run(img, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%dx%d/BlobFromImage", size[0], size[1]), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := gocv.BlobFromImage(img, 1./255, image.Pt(320, 320), gocv.Scalar{}, true, false)
				m.Close()
			}
		})
	}
}
