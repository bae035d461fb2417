package gate

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"time"

	"dashline/internal/strictyaml"
)

// Blocks is what a figure does to the verdict on all.
type Blocks string

// What a figure can do.
const (
	Never  Blocks = "never"  // nothing
	Worse  Blocks = "worse"  // all is worse where it is
	Unsure Blocks = "unsure" // also, all is inconclusive where it is
)

// Threshold is what is asked of one figure. The margin is a share of the base's
// value, but where [Thresholds] says else.
type Threshold struct {
	Margin float64 `yaml:"margin" min:"0.000001" max:"100"`
	Blocks Blocks  `yaml:"blocks" enum:"never,worse,unsure"`
}

// Thresholds are what is asked of all figures. thresholds.yaml, whose values are the
// defaults, says what each is.
type Thresholds struct {
	Level     float64 `yaml:"level" min:"0.5" max:"0.99999"`
	RareLevel float64 `yaml:"rare_level" min:"0.5" max:"0.99999"`

	Frame        Threshold     `yaml:"frame"`
	Stalls       Threshold     `yaml:"stalls"` // margin: share of frames
	Stall        time.Duration `yaml:"stall" min:"100us" max:"1m"`
	Lost         Threshold     `yaml:"lost"` // margin: share of frames
	CPU          Threshold     `yaml:"cpu"`
	Instructions Threshold     `yaml:"instructions"`
	Allocations  Threshold     `yaml:"allocations"` // margin: objects a frame
	Allocated    Threshold     `yaml:"allocated"`
	Peak         Threshold     `yaml:"peak"`
	Messages     Threshold     `yaml:"messages"`
	Accuracy     Threshold     `yaml:"accuracy"` // margin: of AP50
	Stages       Threshold     `yaml:"stages"`
	StageShare   float64       `yaml:"stage_share" min:"0.001" max:"1"`
}

//go:embed thresholds.yaml
var defaults []byte

// DefaultThresholds returns those that apply where no file says else.
func DefaultThresholds() Thresholds {
	var t Thresholds
	if _, err := strictyaml.Decode("thresholds.yaml", defaults, &t); err != nil {
		panic(err) // a test reads it too
	}
	return t
}

// DefaultThresholdsText is the file of [DefaultThresholds], with what each means.
func DefaultThresholdsText() string { return string(defaults) }

// ParseThresholds reads a file's text, called name in errors, over the defaults.
func ParseThresholds(name string, text []byte) (Thresholds, error) {
	t := DefaultThresholds()
	if _, err := strictyaml.Decode(name, text, &t); err != nil {
		return Thresholds{}, err
	}
	return t, nil
}

// LoadThresholds reads a file.
func LoadThresholds(path string) (Thresholds, error) {
	f, err := os.Stat(path)
	if err != nil {
		return Thresholds{}, err
	}
	if !f.Mode().IsRegular() || f.Size() > strictyaml.MaxBytes {
		return Thresholds{}, fmt.Errorf("%s: %w", path, errors.New("not a file of thresholds"))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Thresholds{}, err
	}
	return ParseThresholds(path, text)
}
