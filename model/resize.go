package model

import "fmt"

// Resize gives a network whose one input is an image another height and width,
// in pixels, and works out every shape anew. It changes the graph, also where it
// fails. A [Generic] cannot be resized: read the file again with the other size.
func (g *Graph) Resize(height, width int) error {
	in := g.Inputs()
	if len(in) != 1 || len(g.Layers[in[0]].Shape) != 4 {
		return &Error{Layer: -1, Err: fmt.Errorf("has %d inputs: only a network of one image has a size", len(in))}
	}
	input := g.Layers[in[0]].Op.(*Input)
	input.Shape = Shape{input.Shape[0], input.Shape[1], height, width}
	for i := range g.Layers {
		switch o := g.Layers[i].Op.(type) {
		case *Generic:
			return g.wrong(i, fmt.Errorf("has a fixed size"))
		case *Yolo:
			o.Input = [2]int{height, width}
		}
	}
	return g.Infer()
}
