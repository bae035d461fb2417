package opencv

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"

	"dashline/model/darknet"
	"dashline/model/onnx"
)

// validate refuses what OpenCV must not see and returns the format for the shim.
//
// OpenCV 4.6 throws on most damage, and the shim catches that. What it does not
// notice is refused here: a cfg with groups=0 divides by zero, a route to a
// layer that is not there and a mask beyond its anchors read outside an array,
// a weights file that is too short leaves the rest of the weights uninitialised,
// and an input of the wrong size for a model with fixed reshapes may run and
// give nonsense.
func validate(m Model) (C.int, error) {
	switch m.Format {
	case "darknet":
		if len(m.Weights) == 0 {
			return 0, errors.New("a darknet network needs its weights file, and this one is empty")
		}
		net, err := darknet.InspectSize(m.Graph, m.Width, m.Height)
		if err != nil {
			return 0, err
		}
		return C.DL_DARKNET, net.ValidateWeights(m.Weights)
	case "onnx":
		model, err := onnx.Inspect(m.Graph)
		if err != nil {
			return 0, err
		}
		_, err = model.Picture(m.Width, m.Height)
		return C.DL_ONNX, err
	}
	return 0, fmt.Errorf("unknown format %q: use darknet or onnx", m.Format)
}
