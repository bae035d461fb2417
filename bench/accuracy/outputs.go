package accuracy

import (
	"errors"
	"fmt"
	"math"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/detect/ap"
	"dashline/infer"
	"dashline/model"
	"dashline/model/catalog"
)

// Drop says for outputs of two networks on the same pictures, by picture and then
// by output, how many points of AP50 have is from finding all that want finds with
// confidence: 100 times what their agreement falls short of 1. g says what the
// outputs are and d how to decode them. It needs no labels and no engine.
func Drop(d *catalog.Network, g *model.Graph, want, have [][][]float32) (points float64, err error) {
	if len(want) != len(have) || len(want) == 0 {
		return 0, fmt.Errorf("outputs of %d and %d pictures", len(want), len(have))
	}
	given := &outputs{info: infer.Info{Name: d.Name, Input: infer.Tensor{Shape: g.Layers[g.Inputs()[0]].Shape}}}
	for _, o := range g.Outputs {
		given.info.Outputs = append(given.info.Outputs, infer.Tensor{Name: g.Layers[o].Name, Shape: g.Layers[o].Shape})
	}
	given.input = make([]float32, given.info.Input.Len())
	det, err := detect.New(given, d, detect.Options{Score: scoreFloor, Max: perPicture})
	if err != nil {
		return 0, err
	}
	blank := gocv.NewMatWithSize(d.Input.Height, d.Input.Width, gocv.MatTypeCV8UC3)
	defer func() { err = errors.Join(err, det.Close(), blank.Close()) }()

	look := func(values [][]float32) ([]ap.Detection, error) {
		given.values = values
		found, _, err := det.Detect(blank, nil)
		return detections(found), err
	}
	class := make([]int, len(d.Classes)) // each is its own
	for i := range class {
		class[i] = i
	}
	images := make([]ap.Image, len(want))
	for i := range images {
		whole, err := look(want[i])
		if err != nil {
			return 0, err
		}
		images[i].Truth = confident(whole, class)
		if images[i].Found, err = look(have[i]); err != nil {
			return 0, err
		}
	}
	m, _, err := match(images, len(d.Classes), d.Name)
	if err != nil {
		return 0, err
	}
	return 100 * math.Max(1-m.Summary(nil).AP50, 0), nil
}

// outputs is a network that gives what it is told.
type outputs struct {
	info   infer.Info
	input  []float32
	values [][]float32
}

func (o *outputs) Input() []float32 { return o.input }
func (o *outputs) Info() infer.Info { return o.info }
func (o *outputs) Close() error     { return nil }

// Forward implements [infer.Network].
func (o *outputs) Forward() ([][]float32, error) {
	if len(o.values) != len(o.info.Outputs) {
		return nil, fmt.Errorf("%d outputs, the network has %d", len(o.values), len(o.info.Outputs))
	}
	for i, v := range o.values {
		if want := o.info.Outputs[i].Len(); len(v) != want {
			return nil, fmt.Errorf("output %d has %d numbers, its shape needs %d", i, len(v), want)
		}
	}
	return o.values, nil
}
