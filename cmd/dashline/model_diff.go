package main

import (
	"encoding/json"
	"fmt"

	"dashline/internal/modelcmd"
	"dashline/internal/netfile"
)

type modelDiffCmd struct {
	A    string `arg:"" name:"A" help:"A network: a name, description (.yaml), .cfg or .onnx file."`
	B    string `arg:"" name:"B" help:"The network to hold against it."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

func (modelDiffCmd) Help() string {
	return `Examples:
  dashline model diff yolo-fastest-1.1 yolo-fastest-1.1-xl    totals side by side
  dashline model diff dashline-full out/half.yaml             what pruning took
  dashline model diff my.cfg my.onnx                          whether a conversion kept the weights
  dashline model diff a.yaml b.yaml --json | jq .largest_weight_difference

Layers are matched by their names, and compared as they compute: with batch normalisation folded.

Exit codes: 0 compared; 1 files are missing or damaged; 2 the command line is wrong.`
}

// Run compares.
func (c *modelDiffCmd) Run(out streams) error {
	a, err := netfile.Load(c.A, true)
	if err != nil {
		return err
	}
	b, err := netfile.Load(c.B, true)
	if err != nil {
		return err
	}
	d := modelcmd.Diff(a, b)
	if c.JSON {
		err = json.NewEncoder(out.Out).Encode(d)
	} else {
		err = d.Print(out.Out)
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
