// Command forms writes forms of yolov3 at 416 with random weights, for questions of
// speed that its real weights would answer the same: as it is, with 50 and 90 % of
// its operations removed in whole channels, each for both engines, and the first
// and the last in int8. What they find in a picture means nothing.
//
//	go run ./internal/tools/forms yolov3.cfg DIR
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dashline/internal/doctor"
	"dashline/internal/netfile"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/onnx"
	"dashline/model/prune"
	"dashline/model/quantize"
)

const side = 416

func main() {
	if err := forms(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "forms:", err)
		os.Exit(1)
	}
}

func forms(args []string) error {
	if len(args) != 2 {
		return errors.New("give yolov3.cfg and a folder")
	}
	cfg, dir := args[0], args[1]
	n, err := random(cfg, dir)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name   string
		remove float64
		int8   bool
	}{{"full", 0, true}, {"half", .5, false}, {"tenth", .9, true}} {
		g := n.Graph
		if f.remove > 0 {
			if g, err = prune.Thin(n.Graph, f.remove, prune.Multiple); err != nil {
				return err
			}
		}
		if err := write(n, g, filepath.Join(dir, f.name), f.int8); err != nil {
			return err
		}
	}
	return nil
}

// random describes yolov3 with random weights, in the folder.
func random(cfg, dir string) (*netfile.Net, error) {
	text, err := os.ReadFile(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "random.cfg"), text, 0o644); err != nil {
		return nil, err
	}
	w, err := os.Create(filepath.Join(dir, "random.weights"))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(darknet.WriteRandomWeights(w, text, 1), w.Close()); err != nil {
		return nil, err
	}
	d, err := catalog.Get("yolov3")
	if err != nil {
		return nil, err
	}
	d.Name, d.Summary, d.Source = "random", "yolov3 with random weights", "made by a tool of this project"
	d.Files = []catalog.File{{Role: "config", Path: "random.cfg"}, {Role: "weights", Path: "random.weights"}}
	path := filepath.Join(dir, "random.yaml")
	if err := catalog.Save(path, d); err != nil {
		return nil, err
	}
	return netfile.Detector(path)
}

// write writes a form as darknet, which OpenCV runs, as ONNX, which ONNX Runtime
// does, and where asked for in int8.
func write(n *netfile.Net, g *model.Graph, base string, coded bool) error {
	if _, err := n.SaveDarknet(base, g, "yolov3 with random weights"); err != nil {
		return err
	}
	if _, err := n.SaveONNX(base+"-onnx", g, onnx.Options{Fold: true, Decode: true}, "yolov3 with random weights"); err != nil {
		return err
	}
	if !coded {
		return nil
	}
	picture := make([]float32, 3*side*side)
	for i := range picture {
		picture[i] = float32(i*7919%256) / 255
	}
	o := quantize.Options{Method: quantize.MinMax, Plain: true, Reduced: !doctor.ReadMachine().VNNI()}
	p, err := quantize.Calibrate(context.Background(), g, [][]float32{picture}, o, nil)
	if err != nil {
		return err
	}
	_, err = n.SaveONNX(base+"-int8", p.Graph, onnx.Options{Fold: true, Decode: true, Quant: &p.Quant}, "yolov3 with random weights in int8")
	return err
}
