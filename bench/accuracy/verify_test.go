package accuracy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"dashline/detect/ap"
	"dashline/infer"
	"dashline/internal/netfile"
	"dashline/internal/testkit/tinynet"
	"dashline/model"
	"dashline/model/onnx"
)

// squares is a folder of pictures in which a tiny network finds something.
func squares(t *testing.T, count int) string {
	t.Helper()
	dir := t.TempDir()
	for n := range count {
		img := gocv.NewMatWithSize(80, 96, gocv.MatTypeCV8UC3)
		for y := range img.Rows() {
			for x := range 3 * img.Cols() {
				img.SetUCharAt(y, x, uint8((x/36*(n+3)+y/10*(2*n+5))*29))
			}
		}
		if !gocv.IMWrite(filepath.Join(dir, fmt.Sprintf("%d.png", n)), img) {
			t.Fatal("no picture was written")
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Outputs of a network and of itself are equal, of its conversion nearly, of one
// with other weights far apart, and one of another size has none to compare.
func TestVerify(t *testing.T) {
	other := tinynet.Detector(t, "other", 2)
	n, err := netfile.Load(tinynet.Detector(t, "net", 1), false)
	if err != nil {
		t.Fatal(err)
	}
	// A class whose scores are so low that a detector asks an engine to drop them.
	head := n.Graph.Layers[n.Graph.Outputs[0]].From[0]
	n.Graph.Layers[head].Op.(*model.Conv).Bias[6] = -9
	net, err := n.SaveDarknet(filepath.Join(t.TempDir(), "net"), n.Graph, "")
	if err != nil {
		t.Fatal(err)
	}
	converted, err := n.SaveONNX(filepath.Join(t.TempDir(), "converted"), n.Graph, onnx.Options{Fold: true, Decode: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	wide := strings.TrimSuffix(net, ".yaml") + "-wide.yaml"
	if err := os.WriteFile(wide, []byte(strings.Replace(string(text), "width: 64", "width: 96", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	images := squares(t, 3)
	verify := func(a, b string) *Verification {
		t.Helper()
		v, err := Verify(t.Context(), Options{Network: b, Engine: "opencv", Data: []string{images}}, a, ap.Bootstrap{Resamples: 5, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name, b   string
		low, high float64 // relative difference
	}{
		{"itself", net, 0, 0},
		{"converted", converted, 0, 1e-5},
		{"other weights", other, .1, 10},
	} {
		v := verify(net, c.b)
		if len(v.Outputs) != 1 || v.Outputs[0].Difference == nil || v.Pictures != 3 || v.Boxes == 0 || v.LikeEngine != "opencv" {
			t.Errorf("%s: %+v", c.name, v)
			continue
		}
		p, d := v.Outputs[0], v.Outputs[0].Difference
		if p.Like == "" || p.Name == "" || !reflect.DeepEqual(p.Shape, []int{128, 8}) {
			t.Errorf("%s: %+v", c.name, p)
		}
		if d.Relative == nil || *d.Relative < c.low || *d.Relative > c.high || d.Largest > c.high*d.Scale || d.Scale <= 0 || d.NotFinite != 0 {
			t.Errorf("%s: %+v, relative %v", c.name, d, *d.Relative)
		}
	}
	v := verify(net, wide)
	if len(v.Outputs) != 2 || v.Outputs[0].Difference != nil || v.Outputs[0].Name != "" || v.Outputs[1].Like != "" ||
		!reflect.DeepEqual(v.Outputs[1].Shape, []int{192, 8}) {
		t.Errorf("another size: %+v", v.Outputs)
	}
}

// The difference is the largest of all pictures, not of the last.
func TestVerifyKeepsTheLargest(t *testing.T) {
	net, other, images := tinynet.Detector(t, "net", 1), tinynet.Detector(t, "other", 2), squares(t, 3)
	largest := func(data ...string) float64 {
		t.Helper()
		v, err := Verify(t.Context(), Options{Network: other, Data: data}, net, ap.Bootstrap{Resamples: 5, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return v.Outputs[0].Difference.Largest
	}
	most := 0.
	for n := range 3 {
		data, err := os.ReadFile(filepath.Join(images, fmt.Sprintf("%d.png", n)))
		if err != nil {
			t.Fatal(err)
		}
		alone := t.TempDir()
		if err := os.WriteFile(filepath.Join(alone, "one.png"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		most = max(most, largest(alone))
	}
	if got := largest(images); got != most {
		t.Errorf("%v of all, %v of each alone", got, most)
	}
}

func TestPair(t *testing.T) {
	tensor := func(name string, shape ...int) infer.Tensor { return infer.Tensor{Name: name, Shape: shape} }
	a := []infer.Tensor{tensor("p", 12, 8), tensor("q", 48, 8), tensor("r", 12, 8), tensor("s", 3)}
	b := []infer.Tensor{tensor("u", 48, 8), tensor("v", 12, 8), tensor("w", 12, 9), tensor("x", 12, 8)}
	var got []string
	for _, p := range pair(a, b) {
		got = append(got, p.Like+p.Name)
	}
	if want := []string{"pv", "qu", "rx", "s", "w"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// An output that is zero everywhere has no scale to say a difference in.
func TestRelativeToNothing(t *testing.T) {
	p := pair([]infer.Tensor{{Name: "a", Shape: []int{2}}}, []infer.Tensor{{Name: "b", Shape: []int{2}}})[0]
	p.add([][]float32{{0, 0}}, [][]float32{{0, 0}})
	if d := p.told().Difference; d.Relative == nil || *d.Relative != 0 {
		t.Errorf("equal: %+v", d)
	}
	p.add([][]float32{{0, 0}}, [][]float32{{0, 1}})
	if d := p.told().Difference; d.Relative != nil || d.Largest != 1 {
		t.Errorf("%+v", d)
	}
}
