package prune_test

import (
	"strings"
	"testing"

	"dashline/model"
	"dashline/model/prune"
)

func analyze(t testing.TB, g *model.Graph) *prune.Structure {
	t.Helper()
	s, err := prune.Analyze(g)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The multiply-accumulates of inverted, by hand, on 8x8 pixels.
func TestMacs(t *testing.T) {
	s := analyze(t, inverted(t))
	macs := func(stream, first, second, last int) int64 {
		return 64 * int64(9*3*stream+stream*first+9*first+first*stream+
			stream*second+9*2*second+2*second*last+last*5)
	}
	for _, c := range [][4]int{{8, 24, 16, 12}, {8, 16, 16, 12}, {1, 1, 1, 1}, {3, 24, 7, 5}} {
		if got, want := s.Macs([]int{3, c[0], c[1], c[2], c[3], 5}), macs(c[0], c[1], c[2], c[3]); got != want {
			t.Errorf("%v: %d, expected %d", c, got, want)
		}
	}
}

// Fully connected layers and matrix products count, and what they read stays.
func TestProducts(t *testing.T) {
	n := newNet(1)
	x := n.relu(n.input(2, 4, 5), 6, 1)
	dense := n.add(&model.Dense{In: 5, Out: 7, Weight: n.floats(35, -1, 1)}, x)
	product := n.add(&model.MatMul{}, x, matrix(n, x))
	s := analyze(t, n.done(t, dense, product))
	if got, want := s.Macs(s.All().Counts()), int64(20*2*6+6*4*7*5+6*4*3*5); got != want {
		t.Errorf("%d, expected %d", got, want)
	}
	for i := range s.Groups {
		if s.Groups[i].Fixed == "" {
			t.Errorf("group %s may leave", s.Groups[i].Name)
		}
	}
}

// matrix is a matrix that the last dimension of x may be multiplied by.
func matrix(n *net, x int) int {
	return n.constant(n.g.Layers[x].Shape.Width(), 3)
}

// A value that is no image and not the same for all channels keeps them.
func TestOperandWithoutChannels(t *testing.T) {
	n := newNet(1)
	x := n.relu(n.input(2, 4, 4), 6, 1)
	vector := n.add(&model.Generic{Type: "Squeeze", Value: model.Shape{6, 1, 1}}, n.input(1, 6, 1))
	sum := n.add(&model.Mul{}, x, vector)
	s := analyze(t, n.done(t, n.conv(sum, 2, 1, 1, false, model.Linear)))
	group, _ := s.Find(prune.Channel{Layer: x, Index: 0})
	if why := s.Groups[group].Fixed; why != "read by mul4 (mul)" {
		t.Errorf("group %s: %q", s.Groups[group].Name, why)
	}
	for _, c := range []prune.Channel{{Layer: -1}, {Layer: 99}, {Layer: x, Index: 6}, {Layer: x, Index: -1}, {Layer: vector}} {
		if group, unit := s.Find(c); group != -1 || unit != -1 {
			t.Errorf("%v is unit %d of group %d", c, unit, group)
		}
	}
}

func TestTooManyChannels(t *testing.T) {
	n := newNet(1)
	x := n.input(prune.MaxChannels, 1, 1)
	_, err := prune.Analyze(n.done(t, n.add(&model.Identity{}, x)))
	if err == nil || !strings.Contains(err.Error(), "more than 4194304 channels by layer identity1") {
		t.Errorf("error %v", err)
	}
}

func TestMacsAllocNothing(t *testing.T) {
	s := analyze(t, inverted(t))
	counts := s.All().Counts()
	if n := testing.AllocsPerRun(10, func() { s.Macs(counts) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
