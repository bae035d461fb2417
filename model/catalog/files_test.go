package catalog_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dashline/internal/testkit"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/onnx"
)

// What a description says of the input and of the classes is what the files say.
func TestDescriptionsAgreeWithTheInsideOfTheFiles(t *testing.T) {
	dir := testkit.Asset(t, "networks")
	for _, name := range catalog.Names() {
		t.Run(name, func(t *testing.T) {
			n, err := catalog.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			n.Dir = dir
			if strings.HasPrefix(name, "dashline-") { // it comes with the program
				n.Dir = filepath.Join(testkit.Root(), "testdata", "networks")
			}
			if n.Format == "onnx" {
				agreeONNX(t, n)
			} else {
				agreeDarknet(t, n)
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func agreeONNX(t *testing.T, n catalog.Network) {
	m, err := onnx.Inspect(read(t, n.Path("model")))
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{1, 3, int64(n.Input.Height), int64(n.Input.Width)}
	if len(m.Inputs) != 1 || !slices.Equal(m.Inputs[0].Dims, want) {
		t.Errorf("the model's inputs are %+v, the description says %v", m.Inputs, want)
	}
}

func agreeDarknet(t *testing.T, n catalog.Network) {
	cfg := read(t, n.Path("config"))
	net, err := darknet.InspectSize(cfg, n.Input.Width, n.Input.Height)
	if err != nil {
		t.Fatal(err)
	}
	heads := 0
	for _, l := range net.Layers {
		if l.Yolo == nil {
			continue
		}
		heads++
		if l.Yolo.Classes != len(n.Classes) {
			t.Errorf("a head has %d classes, the description %d", l.Yolo.Classes, len(n.Classes))
		}
	}
	if heads < 2 {
		t.Errorf("%d heads", heads)
	}
	weights, _ := n.File("weights")
	if net.WeightsBytes() != weights.Bytes {
		t.Errorf("the cfg needs %d bytes of weights, the description says %d", net.WeightsBytes(), weights.Bytes)
	}
	path := filepath.Join(n.Dir, weights.Path)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return // the yolov3 family: not among the assets
	}
	if err := darknet.Validate(cfg, read(t, path)); err != nil {
		t.Error(err)
	}
}
