package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"dashline/internal/netfile"
	"dashline/model/onnx"
)

type modelConvertCmd struct {
	Net       string `arg:"" name:"NET" help:"Name of a network, description (.yaml), or .cfg with .weights beside it."`
	Out       string `short:"o" placeholder:"PATH" help:"Write PATH.onnx, and PATH.yaml that describes it (default: NET-onnx in this folder)."`
	FP16      bool   `name:"fp16" help:"Weights and computation in float16: half the file; faster only where the engine computes in it."`
	KeepNorm  bool   `help:"Leave batch normalisations as operators, for a program that goes on training (default: folded into convolutions)."`
	RawHeads  bool   `help:"End with what the heads read, for a program that decodes them itself (default: boxes are decoded in the graph)."`
	OnnxOpset int    `name:"opset" placeholder:"N" help:"Version of the operators, 11 to 22 (default: 13, which OpenCV 4.6 reads; of an ONNX network whose operators need it their own)."`
}

func (modelConvertCmd) Help() string {
	return `Examples:
  dashline model convert yolo-fastest-1.1-xl -o out/xl && dashline run drive.mp4 --detect-network out/xl.yaml
  dashline model convert my.cfg --fp16
  dashline model convert dashline-full --keep-norm --raw-heads -o for-training

What is written gives what OpenCV makes of the darknet files, to 1e-4 of the output's scale (float16: to 1e-2).

Exit codes: 0 written; 1 files are missing or damaged, or a weight does not fit into float16; 2 the command line is wrong.`
}

// Run converts.
func (c *modelConvertCmd) Run(out streams) error {
	if c.OnnxOpset != 0 && (c.OnnxOpset < onnx.MinOpset || c.OnnxOpset > onnx.MaxOpset) {
		return &exit{exitUsage, fmt.Errorf("--opset %d: give %d to %d", c.OnnxOpset, onnx.MinOpset, onnx.MaxOpset)}
	}
	if c.FP16 && c.KeepNorm {
		return &exit{exitUsage, errors.New("--fp16 folds batch normalisations, whose variances do not fit into float16: leave --keep-norm out")}
	}
	n, err := known(netfile.Load(c.Net, false))
	if err != nil {
		return err
	}
	if c.RawHeads && n.Darknet == nil {
		return &exit{exitUsage, fmt.Errorf("--raw-heads is for darknet networks, and %s is an ONNX file, which ends where it ends: leave it out", c.Net)}
	}
	o := onnx.Options{Fold: !c.KeepNorm, Decode: !c.RawHeads, Half: c.FP16, Opset: c.OnnxOpset}
	summary := named(n, c.Net) + " as ONNX"
	if c.FP16 {
		summary += ", float16"
	}
	path, err := n.SaveONNX(base(c.Out, n, c.Net, "onnx"), n.Graph, o, summary)
	if _, changed := errors.AsType[*onnx.OpsetError](err); changed && c.OnnxOpset != 0 {
		return &exit{exitUsage, fmt.Errorf("%w: leave --opset out", err)}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out.Out, "%s\n", path)
	return err
}

// named is what to call a network.
func named(n *netfile.Net, ref string) string {
	if n.Described != nil {
		return n.Described.Name
	}
	return filepath.Base(ref)
}

// base is the path that files are written as, without its ending.
func base(out string, n *netfile.Net, ref, suffix string) string {
	if out == "" {
		return netfile.Slug(named(n, ref)) + "-" + suffix
	}
	switch filepath.Ext(out) {
	case ".onnx", ".yaml", ".cfg", ".weights":
		return out[:len(out)-len(filepath.Ext(out))]
	}
	return out
}
