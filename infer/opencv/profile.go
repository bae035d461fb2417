package opencv

// #include "shim.h"
import "C"

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"dashline/infer"
)

// Profile opens a network, runs it on zeros and returns the mean time of each of
// OpenCV's layers over so many forwards, in OpenCV's order. Layers that were
// merged into another take no time.
func Profile(m Model, o infer.Options, forwards int) ([]infer.Step, error) {
	opened, err := Open(m, o)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	n := opened.(*network)
	var steps []infer.Step
	for range forwards {
		if _, err := n.Forward(); err != nil {
			return nil, err
		}
		if steps, err = n.addProfile(steps); err != nil {
			return nil, &infer.Error{Op: "profile", Network: m.Name, Err: err}
		}
	}
	for i := range steps {
		steps[i].Time /= time.Duration(forwards)
	}
	return steps, nil
}

// addProfile adds the times of the last forward to those of steps.
func (n *network) addProfile(steps []infer.Step) ([]infer.Step, error) {
	const most = 64 << 20
	text := make([]byte, 1<<16)
	for {
		need := int(C.dl_profile(n.c, (*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text))))
		if need < len(text) {
			text = text[:need]
			break
		}
		if need > most {
			return nil, fmt.Errorf("OpenCV's profile has %d bytes", need)
		}
		text = make([]byte, need+1)
	}
	i := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 {
			return nil, fmt.Errorf("OpenCV's profile has the line %q", line)
		}
		us, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return nil, fmt.Errorf("OpenCV's profile: %w", err)
		}
		if i == len(steps) {
			steps = append(steps, infer.Step{Name: f[0], Kind: f[1]})
		}
		steps[i].Time += time.Duration(us * float64(time.Microsecond))
		i++
	}
	return steps, nil
}
