package onnx

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"testing"

	"dashline/internal/testkit"
	"dashline/model"
	"dashline/model/exec"
	"dashline/model/onnx/pb"
)

// oracle decodes what testdata/oracles/onnx_shapes.py wrote.
func oracle(t testing.TB, name string, to any) {
	t.Helper()
	f, err := os.Open("../../testdata/oracles/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(to); err != nil {
		t.Fatal(err)
	}
}

// Every operator has the shape that ONNX Runtime gives, and constants its numbers.
func TestOperatorsAgainstRuntime(t *testing.T) {
	var cases []struct {
		Name    string
		Model   []byte
		Inputs  map[string]model.Shape
		Outputs map[string]struct {
			Shape      model.Shape
			Values     []float64
			Mark, Size float64
		}
	}
	oracle(t, "onnx_operators.json.gz", &cases)
	if len(cases) < 300 {
		t.Fatalf("only %d cases", len(cases))
	}
	computed := 0
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			g, err := Read(c.Model, ReadOptions{Inputs: c.Inputs})
			if err != nil {
				t.Fatal(err)
			}
			if len(g.Outputs) != len(c.Outputs) {
				t.Errorf("%d outputs, want %d", len(g.Outputs), len(c.Outputs))
			}
			for name, want := range c.Outputs {
				i := g.Find(name)
				if i < 0 || !g.IsOutput(i) {
					t.Fatalf("no output %s", name)
				}
				if l := g.Layers[i]; !l.Shape.Equal(want.Shape) {
					t.Errorf("%s (%s): %v, want %v", name, model.Kind(l.Op), l.Shape, want.Shape)
				}
				if want.Values != nil {
					compare(t, g.Layers[i].Op, want.Values)
				}
			}
			for i, out := range ran(t, g) {
				want := c.Outputs[g.Layers[g.Outputs[i]].Name]
				mark := 0.0
				for k, x := range out {
					mark += float64(x) * float64(k%7+1)
				}
				if computed++; want.Size > 0 && !(math.Abs(mark-want.Mark) <= 2e-5*want.Size) {
					t.Errorf("output %d: %v, want %v", i, mark, want.Mark)
				}
			}
		})
	}
	if computed < 240 {
		t.Errorf("only %d outputs were computed", computed)
	}
}

// ran are the outputs of a network for the inputs of the oracle, none where it
// has operators that are not run.
func ran(t *testing.T, g *model.Graph) [][]float32 {
	t.Helper()
	r, err := exec.New(g)
	if err != nil {
		return nil
	}
	var in [][]float32
	for _, i := range g.Inputs() {
		x := make([]float32, g.Layers[i].Shape.Elements())
		for k := range x {
			x[k] = float32(float64(k*37%101)/16 - 3)
		}
		in = append(in, x)
	}
	out, err := r.Run(&exec.Scratch{}, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compare(t *testing.T, op model.Op, want []float64) {
	t.Helper()
	var got []float64
	switch o := op.(type) {
	case *model.Const:
		for _, x := range o.Value.Floats {
			got = append(got, float64(x))
		}
		for _, x := range o.Value.Ints {
			got = append(got, float64(x))
		}
	case *model.Generic: // one number that is no weight
		v, err := decode(o.Source.(*pb.NodeProto).Attribute[0].T)
		if err != nil || o.Type != "Constant" {
			t.Fatalf("%s: %v", o.Type, err)
		}
		for _, x := range v.floats {
			got = append(got, float64(x))
		}
	default:
		t.Fatalf("is a %s and no constant", model.Kind(op))
	}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range got {
		if math.Abs(got[i]-want[i]) > 1e-6*math.Abs(want[i]) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// Every value of the networks in the assets has the shape that ONNX Runtime gives.
func TestShapesOfAssets(t *testing.T) {
	var files map[string]map[string]model.Shape
	oracle(t, "onnx_assets.json.gz", &files)
	for file, shapes := range files {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(testkit.Asset(t, "networks/"+file))
			if err != nil {
				t.Fatal(err)
			}
			info, err := Inspect(data)
			if err != nil {
				t.Fatal(err)
			}
			r := newReader(info.Opset, len(data))
			nodes, err := r.load(data)
			if err == nil {
				err = r.inputs(ReadOptions{})
			}
			if err != nil {
				t.Fatal(err)
			}
			for name := range shapes {
				r.uses[name]++ // so that none is forgotten
			}
			for i := range nodes {
				if err := r.node(&nodes[i]); err != nil {
					t.Fatal(err)
				}
			}
			for name, want := range shapes {
				v := r.values.get(name)
				if v == nil {
					t.Errorf("%s is not known", name)
				} else if !v.shape.Equal(want) {
					t.Errorf("%s: %v, want %v", name, v.shape, want)
				}
			}
			g, err := r.finish()
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range g.Layers {
				if want, ok := shapes[l.Name]; ok && !l.Shape.Equal(want) && l.Shape.Elements() > 1 {
					t.Errorf("layer %s: %v, want %v", l.Name, l.Shape, want)
				}
			}
		})
	}
}
