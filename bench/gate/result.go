package gate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"dashline/bench/machine"
	"dashline/bench/stats"
)

// Schema names the form of [Result]'s JSON; it changes when a key does.
const Schema = "dashline-gate/1"

// Result is what the gate says.
type Result struct {
	Schema  string        `json:"schema"`
	Verdict stats.Verdict `json:"verdict"`
	Why     string        `json:"why"` // in words
	Base    Build         `json:"base"`
	Head    Build         `json:"head"`
	Figures []Figure      `json:"figures"`
	Slower  []string      `json:"slower_stages,omitempty"` // the one that adds most comes first

	Source    string        `json:"source"`
	Frames    int           `json:"frames"`    // of each side, that times are of
	Processes int           `json:"processes"` // that they ran in, of each side
	Machine   machine.Facts `json:"machine"`
	Noise     machine.Noise `json:"noise"`
	Seed      uint64        `json:"seed"`
	Elapsed   float64       `json:"elapsed_s"`
	Faults    []string      `json:"injected,omitempty"` // into the head
	Notes     []string      `json:"notes,omitempty"`
}

// Build is one of the two.
type Build struct {
	Name    string `json:"name"` // as it was given
	Version string `json:"version"`
}

// Figure is one of them on both sides.
type Figure struct {
	Name string  `json:"name"`
	Unit string  `json:"unit"`
	Base float64 `json:"base"`
	Head float64 `json:"head"`
	// Ratio is head over base. Absent where figures are compared by their difference.
	Ratio *Interval `json:"ratio,omitempty"`
	// Difference is head less base.
	Difference *Interval     `json:"difference,omitempty"`
	Margin     float64       `json:"margin"` // of the ratio or the difference, that does not matter
	Level      float64       `json:"level,omitempty"`
	Blocks     Blocks        `json:"blocks"`
	Verdict    stats.Verdict `json:"verdict"`
	Why        string        `json:"why,omitempty"`
	Stage      bool          `json:"stage,omitempty"` // the time of a stage
}

// Interval is an estimate with its bounds; what is not known is absent.
type Interval struct {
	Low   *float64 `json:"low,omitempty"`
	Value *float64 `json:"value,omitempty"`
	High  *float64 `json:"high,omitempty"`
}

func interval(iv stats.Interval) *Interval {
	known := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return &Interval{known(iv.Low), known(iv.Value), known(iv.High)}
}

// JSON writes a result as one object on a line.
func JSON(w io.Writer, r *Result) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
