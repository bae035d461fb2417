package truthview

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"

	"dashline/sensors/synth"
	"dashline/sensors/synth/truth"
)

// show prints a small grey picture: one character a pixel.
func show(c *canvas) string {
	var b strings.Builder
	for y := range c.height {
		for x := range c.width {
			b.WriteByte(" .:#"[c.pix[y*c.width+x]/64])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func blank(w, h int) *canvas { return &canvas{w, h, 1, make([]byte, w*h)} }

func TestShapesArePixelExact(t *testing.T) {
	solid := ink{255, 255, 255}
	for name, tt := range map[string]struct {
		draw func(c *canvas)
		want string
	}{
		"a line, both ends": {func(c *canvas) { c.line(at([2]float64{0.5, 0.5}), at([2]float64{5.99, 2}), solid, 0, 0) }, "" +
			"##    \n" +
			"  ##  \n" +
			"    ##\n" +
			"      \n"},
		"with gaps": {func(c *canvas) { c.line(at([2]float64{0, 1.5}), at([2]float64{5.5, 1.5}), solid, 2, 3) }, "" +
			"      \n" +
			"## ## \n" +
			"      \n" +
			"      \n"},
		"beyond the picture": {func(c *canvas) { c.line(at([2]float64{-9e9, 3.5}), at([2]float64{9e9, 3.5}), solid, 0, 0) }, "" +
			"      \n" +
			"      \n" +
			"      \n" +
			"######\n"},
		"a box covers its pixels": {func(c *canvas) { c.box([4]float64{1, 0, 5, 4}, solid, 0, 0) }, "" +
			" #### \n" +
			" #  # \n" +
			" #  # \n" +
			" #### \n"},
		"an area has the pixels whose middle is in it": {func(c *canvas) {
			c.fill([][2]float64{{1, 1}, {5, 1}, {5, 3}, {1, 3}}, solid, 256)
		}, "" +
			"      \n" +
			" #### \n" +
			" #### \n" +
			"      \n"},
		"half a pixel less": {func(c *canvas) {
			c.fill([][2]float64{{1.51, 1.51}, {4.5, 1.51}, {4.5, 3}, {1.51, 3}}, solid, 256)
		}, "" +
			"      \n" +
			"      \n" +
			"  ##  \n" +
			"      \n"},
		"a triangle": {func(c *canvas) { c.fill([][2]float64{{0, 4}, {3, 0}, {6, 4}}, solid, 256) }, "" +
			"      \n" +
			"  ##  \n" +
			" #### \n" +
			"######\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c := blank(6, 4)
			tt.draw(c)
			if got := show(c); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

// sample is a frame with everything that is drawn.
func sample() *truth.Frame {
	return &truth.Frame{
		Drivable: [][2]float64{{0, 90}, {60.5, 40.25}, {99.5, 40.25}, {160, 90}},
		Lanes: []truth.Lane{
			{Kind: "solid", Color: "white", Image: [][2]float64{{10, 90}, {60.13, 41}}},
			{Kind: "dashed", Color: "white", Image: [][2]float64{{90, 90}, {80, 60}, {79, 41}}},
			{Kind: "double", Color: "yellow", Image: [][2]float64{{150, 90}, {100, 41}}},
		},
		Objects: []truth.Object{
			{Class: "car", Box: [4]float64{70, 35, 92, 52}, Center: [3]float64{20, 0, 0.8}, Size: [3]float64{4.5, 1.8, 1.6}},
			{Class: "person", Ignore: true, Box: [4]float64{5, 40, 10, 50}, Center: [3]float64{20, 8, 0.9}, Size: [3]float64{0.5, 0.5, 1.8}},
			{Class: "no such class", Box: [4]float64{100, 5, 120, 20}, Center: [3]float64{0.2, 0, 1}, Size: [3]float64{5, 5, 2}},
		},
	}
}

// The overlay that hashes are made of must not change unless its makers mean it:
// the hashes of all drives change with it.
func TestGrayIsTheSameForEver(t *testing.T) {
	pix := make([]byte, 160*90)
	for i := range pix {
		pix[i] = byte(i)
	}
	Gray(pix, 160, 90, sample())
	const want = "10e407f014a5bf93a747e4b68e3e9831f2051bfce2eec2a5e1c94db11852e736"
	if got := fmt.Sprintf("%x", sha256.Sum256(pix)); got != want {
		t.Errorf("the overlay has hash %s; want %s", got, want)
	}
}

func TestEachPartIsDrawn(t *testing.T) {
	whole := make([]byte, 160*90)
	Gray(whole, 160, 90, sample())
	for name, drop := range map[string]func(f *truth.Frame){
		"drivable":     func(f *truth.Frame) { f.Drivable = nil },
		"solid":        func(f *truth.Frame) { f.Lanes = f.Lanes[1:] },
		"double":       func(f *truth.Frame) { f.Lanes[2].Kind = "solid" },
		"dashed":       func(f *truth.Frame) { f.Lanes[1].Kind = "solid" },
		"yellow":       func(f *truth.Frame) { f.Lanes[2].Color = "white" },
		"a car":        func(f *truth.Frame) { f.Objects = f.Objects[1:] },
		"ignored":      func(f *truth.Frame) { f.Objects[1].Ignore = false },
		"class":        func(f *truth.Frame) { f.Objects[0].Class = "traffic light" },
		"a hundredth?": func(f *truth.Frame) { f.Objects[0].Box[0] -= 0.01 },
	} {
		f := sample()
		drop(f)
		pix := make([]byte, 160*90)
		Gray(pix, 160, 90, f)
		if string(pix) == string(whole) {
			t.Errorf("%s: makes no difference", name)
		}
	}
}

func TestHostileTruthStaysInThePicture(t *testing.T) {
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e8, -1e8, 0, 3, 16384.005}
	at := func(i int) float64 { return values[i%len(values)] }
	for i := range 64 {
		f := sample()
		p := [][2]float64{{at(i), at(i / 3)}, {at(i + 1), at(i / 5)}, {at(i / 7), at(i + 3)}}
		f.Drivable = p
		f.Lanes[0].Image = p
		f.Objects[0].Box = [4]float64{at(i), at(i + 1), at(i + 2), at(i + 3)}
		f.Objects[0].Center = [3]float64{at(i), at(i / 2), at(i / 3)}
		f.Objects[0].Size = [3]float64{at(i + 2), at(i + 1), at(i)}
		Gray(make([]byte, 16*9), 16, 9, f)
		BGR(make([]byte, 3*16*9), 16, 9, &truth.Camera{Fx: 10, Fy: 10, Mount: 1}, f)
	}
}

func TestCornersTurnWithTheObject(t *testing.T) {
	o := truth.Object{Center: [3]float64{20, 3, 1}, Size: [3]float64{4, 2, 2}, Yaw: math.Pi / 2} // it faces left
	all := corners(&o)
	for i, want := range map[int][3]float64{
		0b010: {21, 5, 0}, // front right bottom: farther ahead, and left
		0b111: {19, 5, 2},
		0b000: {21, 1, 0},
	} {
		for k := range want {
			if math.Abs(all[i][k]-want[k]) > 1e-9 {
				t.Errorf("corner %03b at %v; want %v", i, all[i], want)
				break
			}
		}
	}
}

// A second reading of the camera: the 3-D boxes, projected from what the truth
// says alone, contain what the renderer drew, and not much else.
func TestSolidBoxesFitWhatIsDrawn(t *testing.T) {
	sc, err := synth.Builtin("city")
	if err != nil {
		t.Fatal(err)
	}
	w, err := synth.New(sc, 4)
	if err != nil {
		t.Fatal(err)
	}
	img := synth.NewImage(sc.Camera.Width, sc.Camera.Height)
	d := w.Drive()
	n := 0
	for range 12 {
		w.Step(0.5, nil)
		w.Render(img)
		f := w.Truth()
		l := newLens(&d.Camera, &f.Ego)
		for _, o := range f.Objects {
			if o.Truncated > 0 || o.Center[0] < 6 || o.Full[3]-o.Full[1] < 12 || o.Class == "person" { // whose arms and legs swing beyond it
				continue
			}
			box := [4]float64{1e9, 1e9, -1e9, -1e9}
			for _, p := range corners(&o) {
				q := l.pixel(l.see(p))
				box = [4]float64{min(box[0], q[0]), min(box[1], q[1]), max(box[2], q[0]), max(box[3], q[1])}
			}
			n++
			slack := 2 + 0.2*max(o.Full[2]-o.Full[0], o.Full[3]-o.Full[1]) // shapes are rounder than their boxes
			for k, sign := range []float64{1, 1, -1, -1} {
				if d := (o.Full[k] - box[k]) * sign; d < -2 || d > slack {
					t.Errorf("%s %d at %.0f m: drawn in %.1f, its 3-D box in %.1f", o.Class, o.ID, o.Center[0], o.Full, box)
					break
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d objects were looked at", n)
	}
}
