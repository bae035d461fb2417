// Package catalog describes networks: which files they are made of, what they
// want as input and how their output is read. A network is never hard-coded; a
// small YAML file beside this package, or one of the user's own, names it.
//
// The package is pure Go, opens no network and downloads nothing by itself.
package catalog

// Network is one description.
type Network struct {
	Name    string   `yaml:"name"`
	Summary string   `yaml:"summary"` // one line for people
	Task    string   `yaml:"task"`    // "detect" or "lanes"
	Format  string   `yaml:"format"`  // "darknet" or "onnx"
	Files   []File   `yaml:"files"`
	Input   Input    `yaml:"input"`
	Decode  Decode   `yaml:"decode"`
	Classes []string `yaml:"classes"` // class names in order of index, or ["@coco"] / ["@voc"] for the built-in lists, expanded on load
	License string   `yaml:"license"`
	Source  string   `yaml:"source"` // where it comes from, for people
	// Dir is where the relative paths in Files start; set by Load, not in YAML.
	Dir string `yaml:"-"`
}

// File is one file of a network.
type File struct {
	Role   string `yaml:"role"` // "config", "weights" or "model"
	Path   string `yaml:"path"`
	SHA256 string `yaml:"sha256"` // lower-case hex; empty is not checked
	Bytes  int64  `yaml:"bytes"`  // 0 is not checked
	URL    string `yaml:"url"`    // where fetch finds it; empty: not fetchable
}

// Input says how a picture becomes the network's input tensor 1x3xHxW.
type Input struct {
	Width  int        `yaml:"width"`
	Height int        `yaml:"height"`
	Resize string     `yaml:"resize"` // "stretch", "letterbox" (centred), "letterbox-topleft" (keep aspect), or "pad" (stretch to Width x Height-2*PadRows, border above and below)
	Pad    [3]float32 `yaml:"pad"`    // border value, 0-255, in the order of Color
	// PadRows rows of border above and below the stretched picture (resize "pad").
	PadRows int    `yaml:"pad_rows"`
	Color   string `yaml:"color"` // "rgb" or "bgr"
	// value = (pixel - Mean[c]) * Scale[c], channels in the order of Color.
	Mean  [3]float32 `yaml:"mean"`
	Scale [3]float32 `yaml:"scale"`
}

// Decode says how outputs become results.
type Decode struct {
	Kind    string `yaml:"kind"`    // "yolo", "yolox", "nanodet" or "twinlite"
	Strides []int  `yaml:"strides"` // yolox, nanodet
	Bins    int    `yaml:"bins"`    // nanodet: distribution bins a side
}
