package opencv

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
)

// validate refuses what OpenCV must not see and returns the format for the shim.
func validate(m Model) (C.int, error) {
	switch m.Format {
	case "darknet":
		if len(m.Weights) == 0 {
			return 0, errors.New("a darknet network needs its weights file")
		}
		return C.DL_DARKNET, nil
	case "onnx":
		return C.DL_ONNX, nil
	}
	return 0, fmt.Errorf("unknown format %q: use darknet or onnx", m.Format)
}
