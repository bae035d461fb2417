package ort

import (
	"os"
	"path/filepath"
	"testing"

	"dashline/infer"
	"dashline/internal/testkit"
)

func TestProfileHasEveryOperator(t *testing.T) {
	needLibrary(t)
	data, err := os.ReadFile(filepath.Join(testkit.Root(), "testdata", "networks", "dashline-lanes.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	steps, err := Profile(Model{Name: "lanes", Graph: data, Width: 640, Height: 360}, infer.Options{Threads: 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, s := range steps {
		kinds[s.Kind]++
		if s.Name == "" || s.Time < 0 {
			t.Errorf("%+v", s)
		}
	}
	if kinds["Conv"] != 16 || kinds["Slice"] != 2 {
		t.Errorf("%v", kinds)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The first of three forwards is that of opening.
func TestParseProfile(t *testing.T) {
	const text = `[
{"cat":"Session","name":"model_run","dur":99},
{"cat":"Node","name":"conv_fence_before","dur":99,"args":{"op_name":"Conv","node_index":"3"}},
{"cat":"Node","name":"conv_kernel_time","dur":50,"args":{"op_name":"Conv","node_index":"3"}},
{"cat":"Node","name":"_kernel_time","dur":50,"args":{"op_name":"Relu","node_index":"4"}},
{"cat":"Node","name":"conv_kernel_time","dur":10,"args":{"op_name":"Conv","node_index":"3"}},
{"cat":"Node","name":"_kernel_time","dur":2,"args":{"op_name":"Relu","node_index":"4"}},
{"cat":"Node","name":"conv_kernel_time","dur":20,"args":{"op_name":"Conv","node_index":"3"}},
{"cat":"Node","name":"_kernel_time","dur":4,"args":{"op_name":"Relu","node_index":"4"}}]`
	steps, err := parseProfile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []infer.Step{{Name: "conv", Kind: "Conv", Time: 15e3}, {Name: "", Kind: "Relu", Time: 3e3}}
	if len(steps) != 2 || steps[0] != want[0] || steps[1] != want[1] {
		t.Errorf("%v, want %v", steps, want)
	}
	if _, err := parseProfile([]byte("[{")); err == nil {
		t.Error("cut off: no error")
	}
}
