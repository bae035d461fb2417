package darknet

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

func asset(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(testkit.Asset(t, "networks/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The figures are those that the networks are published with.
func TestKnownNetworks(t *testing.T) {
	for _, c := range []struct {
		cfg    string
		params int64
		bytes  int64
		heads  []Shape // input of each [yolo] at the cfg's own size
	}{
		{"yolov3.cfg", 62_001_757, 248_007_048, []Shape{{255, 19, 19}, {255, 38, 38}, {255, 76, 76}}},
		{"yolov3-tiny.cfg", 8_858_734, 35_434_956, []Shape{{255, 13, 13}, {255, 26, 26}}},
		{"yolov3-spp.cfg", 63_052_381, 252_209_544, []Shape{{255, 19, 19}, {255, 38, 38}, {255, 76, 76}}},
		{"yolo-fastest-1.1-xl.cfg", (3_693_964 - 20) / 4, 3_693_964, []Shape{{255, 10, 10}, {255, 20, 20}}},
		{"yolo-fastest-1.1.cfg", (1_384_268 - 20) / 4, 1_384_268, []Shape{{255, 10, 10}, {255, 20, 20}}},
		{"MobileNetV2-YOLOv3-Nano-coco.cfg", (3_564_300 - 20) / 4, 3_564_300, []Shape{{255, 10, 10}, {255, 20, 20}}},
		{"MobileNetV2-YOLOv3-Nano-voc.cfg", (3_079_020 - 20) / 4, 3_079_020, []Shape{{75, 10, 10}, {75, 20, 20}}},
	} {
		t.Run(c.cfg, func(t *testing.T) {
			net, err := Inspect(asset(t, c.cfg))
			if err != nil {
				t.Fatal(err)
			}
			if net.Parameters() != c.params || net.WeightsBytes() != c.bytes {
				t.Errorf("%d parameters in %d bytes, want %d in %d", net.Parameters(), net.WeightsBytes(), c.params, c.bytes)
			}
			var heads []Shape
			for _, l := range net.Layers {
				if l.Yolo != nil {
					heads = append(heads, l.In)
				}
			}
			if len(heads) != len(c.heads) {
				t.Fatalf("heads %v, want %v", heads, c.heads)
			}
			for i := range heads {
				if heads[i] != c.heads[i] {
					t.Errorf("head %d reads %v, want %v", i, heads[i], c.heads[i])
				}
			}
		})
	}
}

func TestRealWeights(t *testing.T) {
	for _, name := range []string{"yolo-fastest-1.1-xl", "yolo-fastest-1.1", "MobileNetV2-YOLOv3-Nano-coco", "MobileNetV2-YOLOv3-Nano-voc"} {
		if err := Validate(asset(t, name+".cfg"), asset(t, name+".weights")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range [][2]string{{"yolo-fastest-1.1", "yolo-fastest-1.1-xl"}, {"yolo-fastest-1.1-xl", "yolo-fastest-1.1"}} {
		err := Validate(asset(t, c[0]+".cfg"), asset(t, c[1]+".weights"))
		var typed *Error
		if !errors.As(err, &typed) || typed.Part != "weights" {
			t.Errorf("%s with the weights of %s: %v", c[0], c[1], err)
		}
	}
}

func TestInspectSize(t *testing.T) {
	net, err := InspectSize([]byte(small), 128, 64)
	if err != nil {
		t.Fatal(err)
	}
	if net.Input != (Shape{3, 64, 128}) || net.Layers[0].Out != (Shape{8, 32, 64}) {
		t.Errorf("%v, %v", net.Input, net.Layers[0].Out)
	}
}

// small has a layer of every kind that reads others.
const small = `[net]
width=64
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=8
size=3
stride=1
pad=1
groups=8
activation=relu

[shortcut]
from=-2
activation=linear

[maxpool]
size=2
stride=2

[upsample]
stride=2

[route]
layers=-1, 0

[dropout]
probability=.2

[convolutional]
filters=14
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=0,1
anchors=10,14, 23,27
classes=2
num=2
`

func TestInspect(t *testing.T) {
	net, err := Inspect([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name    string
		out     Shape
		weights int64
	}{
		{"convolutional 3x3/2 3->8", Shape{8, 32, 32}, 8*3*9 + 4*8},
		{"convolutional 3x3/1 8->8 in 8 groups", Shape{8, 32, 32}, 8*9 + 8},
		{"shortcut", Shape{8, 32, 32}, 0},
		{"maxpool 2x2/2", Shape{8, 16, 16}, 0},
		{"upsample", Shape{8, 32, 32}, 0},
		{"route", Shape{16, 32, 32}, 0},
		{"dropout", Shape{16, 32, 32}, 0},
		{"convolutional 1x1/1 16->14", Shape{14, 32, 32}, 16*14 + 14},
		{"yolo 2 classes", Shape{14, 32, 32}, 0},
	}
	for i, w := range want {
		l := net.Layers[i]
		if l.Name() != w.name || l.Out != w.out || l.Weights != w.weights {
			t.Errorf("layer %d is %s -> %v with %d, want %s -> %v with %d", i, l.Name(), l.Out, l.Weights, w.name, w.out, w.weights)
		}
	}
}

func TestInspectErrors(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(small, old) {
			t.Fatalf("%q is not in the cfg", old)
		}
		return strings.Replace(small, old, new, 1)
	}
	for _, c := range []struct{ name, cfg, want string }{
		{"empty", "", "cfg: is empty"},
		{"only comments", "# a\n; b\n", "does not begin with [net]"},
		{"web page", "<!DOCTYPE html><html>", "is a web page"},
		{"binary", "\x00\x00\x00\x00", "is not text: is it the weights file?"},
		{"no net", "[convolutional]\n", "does not begin with [net]"},
		{"only net", "[net]\nwidth=32\nheight=32\nchannels=3\n", "has no layers"},
		{"no width", edit("width=64\n", ""), "[net] has no width"},
		{"huge input", edit("width=64", "width=1000000"), "width=1000000 is outside of its range, 1 to 4096"},
		{"unknown layer", edit("[dropout]", "[dropuot]"), "cfg line 36: unknown layer [dropuot]: known are"},
		{"not a number", edit("filters=8", "filters=eight"), "cfg line 8: layer 0 (convolutional): filters=eight is not a whole number"},
		{"overflow", edit("filters=8", "filters=99999999999999999999"), "is not a whole number"},
		{"huge filters", edit("filters=8", "filters=1000000000"), "filters=1000000000 is outside of its range"},
		{"huge kernel", edit("size=3", "size=4000"), "size=4000 is outside of its range"},
		{"negative stride", edit("stride=2", "stride=-2"), "stride=-2 is outside of its range"},
		{"activation", edit("activation=leaky", "activation=leeky"), `unknown activation "leeky"`},
		{"groups", edit("groups=8", "groups=3"), "8 input channels and 8 filters do not divide into 3 groups"},
		{"from itself", edit("from=-2", "from=2"), "cfg line 23: layer 2 (shortcut): from=2 is the layer itself: that is a cycle"},
		{"from later", edit("from=-2", "from=5"), "from=5 is a later layer: that is a cycle"},
		{"from before the first", edit("from=-2", "from=-3"), "from=-3 is before the first layer"},
		{"route to itself", edit("layers=-1, 0", "layers=5"), "layers=5 is the layer itself"},
		{"route to later", edit("layers=-1, 0", "layers=-1, 7"), "layers=7 is a later layer"},
		{"route far", edit("layers=-1, 0", "layers=-9223372036854775808"), "is before the first layer"},
		{"route to nothing", edit("layers=-1, 0", "layers="), "is not a whole number"},
		{"route of other size", edit("layers=-1, 0", "layers=-1, 3"), "layer 4 gives 8x32x32, layer 3 gives 8x16x16: only equal heights"},
		{"route group", edit("layers=-1, 0", "layers=-1\ngroups=2\ngroup_id=2"), "group_id=2, but there are 2 groups"},
		{"route groups", edit("layers=-1, 0", "layers=-1\ngroups=3\ngroup_id=0"), "do not divide into 3 groups"},
		{"shapes", edit("stride=1\npad=1\ngroups=8", "stride=2\npad=1\ngroups=8"), "only equal shapes can be added"},
		{"head channels", edit("filters=14", "filters=15"), "the layer before has 15 channels, 2 anchors x (2 classes + 5) need 14"},
		{"anchors", edit("anchors=10,14, 23,27", "anchors=10,14, 23"), "3 values, but num=2 needs 4"},
		{"anchor size", edit("anchors=10,14, 23,27", "anchors=10,14, 23,nan"), "is not a number"},
		{"mask", edit("mask=0,1", "mask=0,2"), "mask 2, but anchors are numbered 0 to 1"},
		{"nothing left", edit("size=3\nstride=2\npad=1", "size=99\nstride=2\npad=0"), "nothing is left of its input 3x64x64"},
		{"set twice", edit("stride=2\n", "stride=2\nstride=1\n"), "stride is set a second time, first on line 10"},
		{"no equals sign", edit("stride=2\n", "stride 2\n"), `"stride2" is not key=value`},
		{"before a section", "a=1\n" + small, "stands before the first section"},
		{"open section", edit("[dropout]", "[dropout"), `"[dropout" is not a section`},
		{"too many layers", "[net]\nwidth=32\nheight=32\nchannels=3\n" + strings.Repeat("[dropout]\n", MaxLayers+1), "has more than 10000 layers"},
		{"too many bytes", strings.Repeat("#", MaxCfgBytes+1), "the limit is 1048576"},
		{"growing", "[net]\nwidth=4096\nheight=4096\nchannels=3\n" + strings.Repeat("[upsample]\nstride=32\n", 100), "is absurdly large"},
		{"widening", "[net]\nwidth=1\nheight=1\nchannels=64\n[dropout]\n" + strings.Repeat("[route]\nlayers=-1,-1\n[dropout]\n", 4000), "is absurdly large"},
		{"many weights", "[net]\nwidth=1\nheight=1\nchannels=3\n" + strings.Repeat("[convolutional]\nfilters=100000\nsize=1\n", 3), "more than 1073741824 weights"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Inspect([]byte(c.cfg))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestWeightsErrors(t *testing.T) {
	cfg := []byte(small)
	good, err := RandomWeights(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(cfg, good); err != nil {
		t.Fatal(err)
	}
	with := func(at int, bits uint32) []byte {
		w := bytes.Clone(good)
		binary.LittleEndian.PutUint32(w[at:], bits)
		return w
	}
	old := append(bytes.Clone(good[:16]), good[20:]...) // version 0.1: a shorter header
	binary.LittleEndian.PutUint32(old[4:], 1)
	if err := Validate(cfg, old); err != nil {
		t.Errorf("version 0.1: %v", err)
	}
	first := 20
	mean := first + 4*2*8
	second := first + 4*(8*3*9+4*8)
	for _, c := range []struct {
		name    string
		weights []byte
		want    string
	}{
		{"empty", nil, "weights: the file is empty: fetch it again"},
		{"web page", []byte("\n<!doctype html><html><body>404"), "the file is a web page and not weights"},
		{"lfs", []byte("version https://git-lfs.github.com/spec/v1\noid"), "Git LFS pointer"},
		{"cut in the header", good[:10], "10 bytes are less than a header"},
		{"cut in the long header", good[:18], "18 bytes are less than a header"},
		{"header only", good[:20], "layer 0 (convolutional 3x3/2 3->8): 992 bytes short: the file is cut off"},
		{"cut off", good[:len(good)-4], "weights: layer 7 (convolutional 1x1/1 16->14): 4 bytes short: the file is cut off or of another network (2,280 of 2,284 bytes)"},
		{"cut in a number", good[:len(good)-1], "1 bytes short"},
		{"too long", append(bytes.Clone(good), 0, 0, 0, 0), "4 bytes too long after the last layer"},
		{"version", with(0, 7), "version 7.2 in the header"},
		{"a picture", []byte("\xff\xd8\xff\xe0 and so on, much longer than a header"), "this is not a weights file"},
		{"not a number", with(first, math.Float32bits(float32(math.NaN()))), "weights: layer 0 (convolutional 3x3/2 3->8): bias 0 is NaN"},
		{"infinite", with(second+4*8, math.Float32bits(float32(math.Inf(-1)))), "layer 1 (convolutional 3x3/1 8->8 in 8 groups): weight 0 is -Inf"},
		{"mean", with(mean+8, 0x7f800000), "mean 2 is +Inf"},
		{"negative variance", with(mean+4*8, math.Float32bits(-1)), "variance 0 is -1, which is negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Validate(cfg, c.weights)
			var typed *Error
			if !errors.As(err, &typed) || typed.Part != "weights" {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestRandomWeightsNumerics(t *testing.T) {
	cfg := asset(t, "yolov3-tiny.cfg")
	first, second := sha256.New(), sha256.New()
	var n counter
	if err := WriteRandomWeights(io.MultiWriter(first, &n), cfg, 7); err != nil {
		t.Fatal(err)
	}
	if n != 35_434_956 {
		t.Errorf("%d bytes", n)
	}
	data, err := RandomWeights(cfg, 7)
	if err != nil {
		t.Fatal(err)
	}
	second.Write(data)
	if !bytes.Equal(first.Sum(nil), second.Sum(nil)) {
		t.Error("the same seed gives other weights")
	}
	if err := Validate(cfg, data); err != nil {
		t.Error(err)
	}
	third := sha256.New()
	if err := WriteRandomWeights(third, cfg, 8); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first.Sum(nil), third.Sum(nil)) {
		t.Error("another seed gives the same weights")
	}
	if err := WriteRandomWeights(failing{}, cfg, 8); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzInspect(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("[net]\nwidth=8\nheight=8\nchannels=1\n[route]\nlayers=-1\n"))
	f.Fuzz(func(t *testing.T, cfg []byte) {
		net, err := Inspect(cfg)
		if err != nil {
			var typed *Error
			if !errors.As(err, &typed) {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		for i, l := range net.Layers {
			for _, from := range l.From {
				if from >= i || from < -1 {
					t.Fatalf("layer %d reads layer %d", i, from)
				}
			}
			if l.Out.Elements() <= 0 || l.Out.Elements() > maxActivations {
				t.Fatalf("layer %d has the shape %v", i, l.Out)
			}
		}
	})
}

func FuzzWeights(f *testing.F) {
	good, err := RandomWeights([]byte(small), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:100])
	net, err := Inspect([]byte(small))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, weights []byte) {
		if err := net.ValidateWeights(weights); err == nil && len(weights) < 16+int(4*net.Parameters()) {
			t.Fatalf("%d bytes are accepted", len(weights))
		}
	})
}
