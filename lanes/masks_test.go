package lanes

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"dashline/infer"
	"dashline/model/catalog"
)

func describe() *catalog.Network {
	return &catalog.Network{
		Name: "test", Decode: catalog.Decode{Kind: "twinlite"},
		Input: catalog.Input{
			Width: 8, Height: 6, Resize: "pad", PadRows: 1, Color: "rgb",
			Scale: [3]float32{1, 1, 1},
		},
	}
}

func info(outputs ...infer.Tensor) infer.Info {
	return infer.Info{Name: "test", Outputs: outputs}
}

// still is a network whose outputs are given.
type still struct {
	infer.Network
	info infer.Info
}

func (s still) Info() infer.Info { return s.info }

func TestHeads(t *testing.T) {
	full, cropped := []int{1, 2, 6, 8}, []int{1, 2, 4, 8}
	for _, tt := range []struct {
		names          [2]string
		drivable, lane int
	}{
		{[2]string{"da", "ll"}, 0, 1},
		{[2]string{"ll", "da"}, 1, 0},
		{[2]string{"out0", "out1"}, 0, 1},
		{[2]string{"lane_line", "drivable_area"}, 1, 0},
		{[2]string{"x", "da"}, 1, 0},
		{[2]string{"ll", "x"}, 1, 0},
	} {
		for _, shape := range [][]int{full, cropped} {
			drivable, lane, err := heads(info(infer.Tensor{Name: tt.names[0], Shape: shape}, infer.Tensor{Name: tt.names[1], Shape: shape}), describe())
			if err != nil || drivable.output != tt.drivable || lane.output != tt.lane {
				t.Errorf("%v: drivable area %d, lanes %d, %v", tt.names, drivable.output, lane.output, err)
			}
			if lane.rows != 4 || lane.width != 8 || lane.skip != (shape[2]-4)/2 {
				t.Errorf("%v: %+v", shape, lane)
			}
		}
	}
}

// The rows of border are cut off, and the larger plane wins.
func TestMaskOfPlanes(t *testing.T) {
	h := head{output: 1, plane: 48, skip: 1, rows: 4, width: 8}
	out := [][]float32{nil, make([]float32, 96)}
	background, foreground := out[1][:48], out[1][48:]
	for i := range 8 {
		foreground[i], foreground[40+i] = 5, 5 // border
	}
	foreground[8], background[8] = 2, 1
	foreground[9], background[9] = 1, 1
	foreground[10], background[10] = float32(math.NaN()), 1
	foreground[39] = 1e-6
	mask := make([]uint8, 32)
	for i := range mask {
		mask[i] = 7
	}
	h.mask(out, mask)
	want := make([]uint8, 32)
	want[0], want[31] = 1, 1
	if fmt.Sprint(mask) != fmt.Sprint(want) {
		t.Errorf("mask %v, want %v", mask, want)
	}
	b, f := h.planes(out)
	if p := h.probability(b, f, 0.5, 0.5); math.Abs(p-1/(1+math.Exp(-1))) > 1e-9 {
		t.Errorf("probability %v", p)
	}
	if p := h.probability(b, f, 2.5, 0.5); p != 0 {
		t.Errorf("probability of NaN is %v", p)
	}
	if p := h.probability(b, f, 99, -99); p != 0.5 {
		t.Errorf("probability outside is %v", p)
	}
}

func TestNewRefuses(t *testing.T) {
	mask := func(name string, shape ...int) infer.Tensor { return infer.Tensor{Name: name, Shape: shape} }
	good := info(mask("da", 1, 2, 4, 8), mask("ll", 1, 2, 4, 8))
	for _, tt := range []struct {
		name  string
		info  infer.Info
		spoil func(d *catalog.Network, o *Options)
		want  string
	}{
		{"a detector", good, func(d *catalog.Network, _ *Options) { d.Decode.Kind = "yolo" }, `"yolo"`},
		{"a letterbox", good, func(d *catalog.Network, _ *Options) { d.Input.Resize = "letterbox" }, `"letterbox"`},
		{"confidence of NaN", good, func(_ *catalog.Network, o *Options) { o.MinConfidence = float32(math.NaN()) }, "NaN"},
		{"confidence of 2", good, func(_ *catalog.Network, o *Options) { o.MinConfidence = 2 }, "0 to 1"},
		{"one output", info(mask("da", 1, 2, 4, 8)), nil, "1 outputs"},
		{"three planes", info(mask("da", 1, 3, 4, 8), mask("ll", 1, 2, 4, 8)), nil, "[1 3 4 8]"},
		{"flat", info(mask("da", 1, 64), mask("ll", 1, 64)), nil, "[1 64]"},
		{"another size", info(mask("da", 1, 2, 5, 8), mask("ll", 1, 2, 5, 8)), nil, "does not fit"},
		{"another width", info(mask("da", 1, 2, 4, 9), mask("ll", 1, 2, 4, 9)), nil, "does not fit"},
		{"no size", info(mask("da", 1, 2, 0, 8), mask("ll", 1, 2, 4, 8)), nil, "no size"},
		{"huge", info(mask("da", 1, 2, 1<<40, 8), mask("ll", 1, 2, 4, 8)), nil, "no size"},
		{"too much padding", good, func(d *catalog.Network, _ *Options) { d.Input.PadRows = 3 }, "does not fit"},
		{"no colour order", good, func(d *catalog.Network, _ *Options) { d.Input.Color = "grey" }, "colour"},
	} {
		d, opt := describe(), Options{}
		if tt.spoil != nil {
			tt.spoil(d, &opt)
		}
		f, err := New(still{info: tt.info}, d, opt)
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	f, err := New(still{info: good}, describe(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzMasks(f *testing.F) {
	f.Add(uint16(64), uint16(36), []byte{0}, []byte{0xff}, uint16(18))
	f.Add(uint16(1), uint16(1), []byte{0xff}, []byte{0xff}, uint16(0))
	f.Add(uint16(100), uint16(60), []byte{0x55, 0xaa, 0x0f}, []byte("ragged"), uint16(30))
	f.Add(uint16(640), uint16(360), []byte{1, 2, 4, 8, 16, 32, 64, 128, 1}, []byte{0xfe, 0xff, 0xff}, uint16(150))
	f.Fuzz(func(t *testing.T, width, height uint16, lane, area []byte, horizon uint16) {
		w, h := int(width)%640+1, int(height)%360+1
		cam := dashcam().Scale(2*w+1, 3*h)
		cam, _ = cam.AtHorizon(float32(horizon))
		// Bits of the input, over and over, fill the mask.
		fill := func(bits []byte) []uint8 {
			mask := make([]uint8, w*h)
			for i := range mask {
				if n := len(bits) * 8; n > 0 {
					mask[i] = bits[i%n/8] >> (i % 8) & 1
				}
			}
			return mask
		}
		lanes, areas := fill(lane), fill(area)
		set := fromMasks(lanes, areas, w, h, cam)
		checkSet(t, &set)
		again := fromMasks(lanes, areas, w, h, cam)
		if !same(set, again) {
			t.Fatal("the same masks gave another result")
		}
	})
}
