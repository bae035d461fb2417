package model

import (
	"strings"
	"testing"
)

func TestResize(t *testing.T) {
	head := &Yolo{Mask: []int{0}, Anchors: make([]float64, 2), Classes: 1, ScaleXY: 1, Input: [2]int{32, 32}}
	g := &Graph{Outputs: []int{2}, Layers: []Layer{
		{Name: "x", Op: image(3, 32, 32)}, {Name: "conv", Op: conv(3, 6, 3, 2, 1), From: []int{0}}, {Name: "yolo", Op: head, From: []int{1}}}}
	if err := g.Infer(); err != nil {
		t.Fatal(err)
	}
	if err := g.Resize(64, 96); err != nil {
		t.Fatal(err)
	}
	if want := (Shape{32 * 48, 6}); !g.Layers[2].Shape.Equal(want) || head.Input != [2]int{64, 96} {
		t.Errorf("%v of %v, want %v of [64 96]", g.Layers[2].Shape, head.Input, want)
	}
	if err := g.Resize(0, 96); err == nil || !strings.Contains(err.Error(), "nothing is left") {
		t.Errorf("height 0: %v", err)
	}
	fixed := of(&Generic{Type: "Reshape", Value: Shape{12}}, image(3, 2, 2))
	if err := fixed.Resize(4, 4); err == nil || !strings.Contains(err.Error(), "Reshape): has a fixed size") {
		t.Errorf("generic: %v", err)
	}
	if err := of(&Identity{}, &Input{Shape{7}}).Resize(4, 4); err == nil || !strings.Contains(err.Error(), "only a network of one image") {
		t.Errorf("vector: %v", err)
	}
}
