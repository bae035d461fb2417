// Package catalog describes networks: which files they are made of, what they
// want as input and how their output is read. A network is never hard-coded; a
// small YAML file beside this package, or one of the user's own, names it.
//
// Invariants:
//   - A [Network] that [Get], [Load] or [Resolve] returns is valid (see
//     [Network.Validate]) and its class list is expanded.
//   - Paths of files are relative and stay inside the folder that they start in.
//   - The package is pure Go, opens no network and downloads nothing by itself.
package catalog

// Network is one description.
type Network struct {
	Name    string   `yaml:"name"`
	Summary string   `yaml:"summary"` // one line for people
	Task    string   `yaml:"task" enum:"detect,lanes"`
	Format  string   `yaml:"format" enum:"darknet,onnx"`
	Files   []File   `yaml:"files"`
	Input   Input    `yaml:"input"`
	Decode  Decode   `yaml:"decode"`
	Classes []string `yaml:"classes"` // class names in order of index, or ["@coco"] / ["@voc"] for the built-in lists, expanded on load
	License string   `yaml:"license"`
	Source  string   `yaml:"source"` // where it comes from, for people
	// Accuracy is what was measured of a detector with these files at this input; the
	// zero value is not known. What is made of the network has another.
	Accuracy Accuracy `yaml:"accuracy"`
	// Dir is where the relative paths in Files start; set by Load and Locate,
	// not in YAML. Empty: not known where the files are.
	Dir string `yaml:"-"`
}

// Accuracy is how right a detector's answers are. Two can be compared only where
// they were measured on the same data.
type Accuracy struct {
	// AP50 is COCO's average precision at an IoU of .50, as dashline eval detect
	// measures it, above 0 to 1.
	AP50 float64 `yaml:"ap50" min:"0" max:"1"`
	// Data names the pictures that it was measured on: the path of a drive or of a
	// folder, and what was left out of it.
	Data string `yaml:"data"`
}

// Known says whether anything was measured.
func (a Accuracy) Known() bool { return a.AP50 > 0 }

// File is one file of a network.
type File struct {
	Role   string `yaml:"role" enum:"config,weights,model"`
	Path   string `yaml:"path"`
	SHA256 string `yaml:"sha256"`                         // lower-case hex; empty is unknown: fetch records what it saw first
	Bytes  int64  `yaml:"bytes" min:"0" max:"2147483648"` // 0 is not checked
	URL    string `yaml:"url"`                            // where fetch finds it; empty: not fetchable
}

// Input says how a picture becomes the network's input tensor 1x3xHxW. Width and
// Height hold also where a darknet cfg has others in its [net] section: such a
// network is fully convolutional and runs at any multiple of 32.
type Input struct {
	Width  int        `yaml:"width" min:"16" max:"4096"`
	Height int        `yaml:"height" min:"16" max:"4096"`
	Resize string     `yaml:"resize" enum:"stretch,letterbox,letterbox-topleft,pad"` // "stretch", "letterbox" (centred), "letterbox-topleft" (keep aspect), or "pad" (stretch to Width x Height-2*PadRows, border above and below)
	Pad    [3]float32 `yaml:"pad" min:"0" max:"255"`                                 // border value, 0-255, in the order of Color
	// PadRows rows of border above and below the stretched picture (resize "pad").
	PadRows int    `yaml:"pad_rows" min:"0" max:"1024"`
	Color   string `yaml:"color" enum:"rgb,bgr"`
	// value = (pixel - Mean[c]) * Scale[c], channels in the order of Color.
	Mean  [3]float32 `yaml:"mean" min:"-1000" max:"1000"`
	Scale [3]float32 `yaml:"scale" min:"-1000" max:"1000"`
}

// Decode says how outputs become results.
type Decode struct {
	Kind    string `yaml:"kind" enum:"yolo,yolox,nanodet,twinlite"`
	Strides []int  `yaml:"strides" min:"1" max:"256"` // yolox, nanodet
	Bins    int    `yaml:"bins" min:"0" max:"64"`     // nanodet: distribution bins a side
}
