package ort

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dashline/infer"
)

// Profile opens a network, runs it on zeros and returns the mean time of each of
// ONNX Runtime's operators over so many forwards, in order of execution. Their
// names are those of the model's nodes; those that the runtime added are called
// as their operation.
func Profile(m Model, o infer.Options, forwards int) ([]infer.Step, error) {
	fail := func(err error) ([]infer.Step, error) {
		return nil, &infer.Error{Op: "profile", Network: m.Name, Err: err}
	}
	dir, err := os.MkdirTemp("", "dashline-profile-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	n, err := open(m, o, filepath.Join(dir, "ort"))
	if err != nil {
		return nil, err
	}
	for range forwards {
		if _, err := n.Forward(); err != nil {
			n.Close()
			return nil, err
		}
	}
	if err := n.Close(); err != nil { // which writes the file
		return fail(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "ort*"))
	if err != nil || len(files) != 1 {
		return fail(fmt.Errorf("ONNX Runtime wrote %d profiles, not one", len(files)))
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return fail(err)
	}
	steps, err := parseProfile(data)
	if err != nil {
		return fail(err)
	}
	return steps, nil
}

// kernel is what the runtime adds to the name of a node that ran.
const kernel = "_kernel_time"

// parseProfile reads a profile in the format of Chrome's trace viewer. The first
// forward, which is that of opening, does not count.
func parseProfile(data []byte) ([]infer.Step, error) {
	var events []struct {
		Category string `json:"cat"`
		Name     string `json:"name"`
		Duration int64  `json:"dur"` // microseconds
		Args     struct {
			Operation string `json:"op_name"`
			Index     string `json:"node_index"`
		} `json:"args"`
	}
	if err := json.Unmarshal(data, &events); err != nil {
		return nil, fmt.Errorf("ONNX Runtime's profile: %w", err)
	}
	var steps []infer.Step
	var runs []int
	at := map[string]int{} // by node
	for _, e := range events {
		name, ok := strings.CutSuffix(e.Name, kernel)
		if e.Category != "Node" || !ok {
			continue
		}
		i, seen := at[e.Args.Index]
		if !seen {
			at[e.Args.Index] = len(steps)
			steps, runs = append(steps, infer.Step{Name: name, Kind: e.Args.Operation}), append(runs, 0)
			continue
		}
		steps[i].Time += time.Duration(e.Duration) * time.Microsecond
		runs[i]++
	}
	for i := range steps {
		steps[i].Time /= time.Duration(max(runs[i], 1))
	}
	return steps, nil
}
