package modelcmd

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"dashline/internal/netfile"
	"dashline/internal/plain"
	"dashline/model"
)

// Difference is what two networks differ in.
type Difference struct {
	A, B   *Report     `json:"-"`
	Names  [2]string   `json:"networks"`
	Totals []Total     `json:"totals"`
	Layers []LayerDiff `json:"layers"` // those that differ
	Same   int         `json:"same_layers"`
	// LargestWeight is the largest difference of a weight in layers of one shape, as
	// they compute: batch normalisation folded. It is 0 where none differs.
	LargestWeight float64 `json:"largest_weight_difference"`
	LargestLayer  string  `json:"largest_weight_layer,omitempty"`
	// Relative is the norm of all such differences over that of A's weights.
	Relative float64 `json:"relative_weight_difference"`
}

// Total is one count of both networks.
type Total struct {
	Name  string  `json:"name"`
	A     int64   `json:"a"`
	B     int64   `json:"b"`
	Ratio float64 `json:"b_over_a"` // 0 where A is 0
}

// LayerDiff is a layer that one network has and the other has not, or has
// otherwise.
type LayerDiff struct {
	Name string `json:"name"`
	A    string `json:"a,omitempty"` // what it is; empty: it is not there
	B    string `json:"b,omitempty"`
	// Weight is the largest difference of a weight where the shapes are the same.
	Weight float64 `json:"weight_difference,omitempty"`
}

// Diff compares two networks. Their layers are matched by name. It folds the
// batch normalisations of both.
func Diff(a, b *netfile.Net) *Difference {
	d := &Difference{A: Describe(a), B: Describe(b)}
	d.Names = [2]string{d.A.Name, d.B.Name}
	total := func(name string, a, b int64) {
		t := Total{Name: name, A: a, B: b}
		if a != 0 {
			t.Ratio = float64(b) / float64(a)
		}
		d.Totals = append(d.Totals, t)
	}
	total("layers", int64(len(d.A.Layers)), int64(len(d.B.Layers)))
	total("parameters", d.A.Parameters, d.B.Parameters)
	total("parameters, folded", d.A.Folded, d.B.Folded)
	total("file bytes", d.A.FileBytes, d.B.FileBytes)
	total("weight bytes, fp32", d.A.FP32, d.B.FP32)
	total("MACs", d.A.MACs, d.B.MACs)
	total("FLOPs", d.A.FLOPs, d.B.FLOPs)
	total("elementwise", d.A.Elementwise, d.B.Elementwise)
	total("activation bytes", d.A.Activations, d.B.Activations)
	total("peak activation bytes", d.A.PeakActivations, d.B.PeakActivations)
	for i := range d.A.Predicted {
		total("memory on "+d.A.Predicted[i].Engine+", predicted", d.A.Predicted[i].Total, d.B.Predicted[i].Total)
	}
	// What they compute is compared, and not how a file says it.
	what := func(n *netfile.Net) *model.Graph {
		g := n.Graph.Clone()
		g.Fold()
		return g
	}
	d.layers(what(a), what(b))
	return d
}

func (d *Difference) layers(a, b *model.Graph) {
	var sum, norm float64
	inA, inB := byName(a), byName(b)
	for i := range a.Layers {
		l := &a.Layers[i]
		at, ok := inB[l.Name]
		if !ok {
			d.Layers = append(d.Layers, LayerDiff{Name: l.Name, A: shown(a, i)})
			continue
		}
		diff := LayerDiff{Name: l.Name, A: shown(a, i), B: shown(b, at)}
		if diff.A == diff.B {
			var square, whole float64
			diff.Weight, square, whole = weightDifference(l.Op, b.Layers[at].Op)
			sum, norm = sum+square, norm+whole
			if diff.Weight > d.LargestWeight {
				d.LargestWeight, d.LargestLayer = diff.Weight, l.Name
			}
			if diff.Weight == 0 {
				d.Same++
				continue
			}
		}
		d.Layers = append(d.Layers, diff)
	}
	for i := range b.Layers {
		if _, ok := inA[b.Layers[i].Name]; !ok {
			d.Layers = append(d.Layers, LayerDiff{Name: b.Layers[i].Name, B: shown(b, i)})
		}
	}
	if norm > 0 {
		d.Relative = math.Sqrt(sum / norm)
	}
}

func byName(g *model.Graph) map[string]int {
	index := make(map[string]int, len(g.Layers))
	for i := range g.Layers {
		index[g.Layers[i].Name] = i
	}
	return index
}

// shown is what a layer is and gives, in words.
func shown(g *model.Graph, i int) string {
	return fmt.Sprintf("%s, %v", describe(g, i), g.Layers[i].Shape)
}

// weightDifference is the largest difference of two layers' weights, the sum of
// the squares of all, and that of a's. Arrays that only one has differ from zeros.
func weightDifference(a, b model.Op) (largest, square, norm float64) {
	others := map[string][]float32{}
	for p := range model.Weights(b) {
		others[p.Name] = p.Values
	}
	add := func(x, y float64) {
		largest = max(largest, math.Abs(x-y))
		square += (x - y) * (x - y)
		norm += x * x
	}
	for p := range model.Weights(a) {
		other := others[p.Name]
		delete(others, p.Name)
		for i, x := range p.Values {
			y := 0.
			if i < len(other) {
				y = float64(other[i])
			}
			add(float64(x), y)
		}
	}
	for _, p := range others {
		for _, y := range p {
			add(0, float64(y))
		}
	}
	return largest, square, norm
}

// Print writes the difference for people.
func (d *Difference) Print(to io.Writer) error {
	t := table{{"", plain.Line(d.Names[0]), plain.Line(d.Names[1]), "ratio"}}
	for _, x := range d.Totals {
		ratio := ""
		if x.A != 0 {
			ratio = fmt.Sprintf("%.3f", x.Ratio)
		}
		t = append(t, []string{x.Name, Thousands(x.A), Thousands(x.B), ratio})
	}
	if err := t.print(to, "<>>>"); err != nil {
		return err
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%d layers are the same", d.Same)
	if d.LargestWeight > 0 {
		fmt.Fprintf(w, "; weights differ by at most %.3g (%s), by %.3g of their norm in all", d.LargestWeight, plain.Line(d.LargestLayer), d.Relative)
	}
	fmt.Fprintln(w)
	if len(d.Layers) > 0 {
		fmt.Fprintf(w, "\nlayer\t%s\t%s\tlargest difference of a weight\n", plain.Line(d.Names[0]), plain.Line(d.Names[1]))
	}
	for _, l := range d.Layers {
		a, b, weight := absent(l.A), absent(l.B), ""
		if l.A == l.B {
			b, weight = "the same", fmt.Sprintf("%.3g", l.Weight)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", plain.Line(l.Name), plain.Line(a), plain.Line(b), weight)
	}
	return w.Flush()
}

func absent(what string) string {
	if what == "" {
		return "-"
	}
	return what
}
