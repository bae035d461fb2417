// Package ladder is the rungs of a network: the same task at several sizes and
// precisions, each with what it costs here and what it is worth.
//
// Invariants of a [Ladder] that [Load] returns or [Climb] makes:
//   - Rungs go from the most accurate to the fastest: each is faster than the one
//     before it and no more accurate. Two may be equally accurate: the file has
//     four digits of it.
//   - Names are unique; paths of descriptions are relative to the ladder's file
//     and stay below its folder.
package ladder

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dashline/internal/regular"
	"dashline/internal/strictyaml"
)

// Ladder is what ladder.yaml holds.
type Ladder struct {
	Network  string        `yaml:"network"`                          // that it is of
	Deadline time.Duration `yaml:"deadline" min:"0" max:"1h"`        // that it was made for; 0: none
	Machine  string        `yaml:"machine"`                          // on which the times were measured, in words
	Threads  int           `yaml:"threads" min:"1" max:"256"`        // of the engine
	Accuracy string        `yaml:"accuracy" enum:"ap50,agreement50"` // what Rung.Accuracy is
	Rungs    []Rung        `yaml:"rungs"`
}

// Rung is one network at one size and precision on one engine.
type Rung struct {
	Name    string `yaml:"name"`
	Network string `yaml:"network"` // path of its description
	Engine  string `yaml:"engine" enum:"opencv,ort"`
	// P50 and P99 are quantiles of the time from picture to detections.
	P50 time.Duration `yaml:"p50" min:"0" max:"1h"`
	P99 time.Duration `yaml:"p99" min:"0" max:"1h"`
	// Accuracy is 0 to 1, with the 95 % interval from Low to High, which a bootstrap
	// may lay a little beside it.
	Accuracy float64 `yaml:"accuracy" min:"0" max:"1"`
	Low      float64 `yaml:"low" min:"0" max:"1"`
	High     float64 `yaml:"high" min:"0" max:"1"`
	// Size.
	Parameters int64 `yaml:"parameters" min:"0"`
	FileBytes  int64 `yaml:"file_bytes" min:"0"`
	MACs       int64 `yaml:"macs" min:"0"`
	Memory     int64 `yaml:"memory_bytes" min:"0"` // resident memory that it adds; 0: not measured
}

const maxFile = 1 << 20

// Load reads and validates a ladder.
func Load(file string) (*Ladder, error) {
	f, err := regular.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open ladder: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read ladder: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: is longer than %d bytes, which no ladder is", file, maxFile)
	}
	var l Ladder
	if _, err := strictyaml.Decode(file, data, &l); err != nil {
		return nil, err
	}
	if err := l.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &l, nil
}

// Validate checks the invariants.
func (l *Ladder) Validate() error {
	errs := []error{strictyaml.Check(l)}
	if len(l.Rungs) == 0 {
		errs = append(errs, errors.New("rungs: there is none"))
	}
	names := map[string]bool{}
	for i, r := range l.Rungs {
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("rungs[%d] %s: %w", i, r.Name, fmt.Errorf(format, args...)))
		}
		if r.Name == "" || names[r.Name] {
			wrong("has no name of its own")
		}
		names[r.Name] = true
		if !filepath.IsLocal(filepath.FromSlash(r.Network)) {
			wrong("network: %q is not a relative path inside the ladder's folder", r.Network)
		}
		if r.P50 <= 0 || r.P99 < r.P50 {
			wrong("p50 %v and p99 %v are not quantiles of a time", r.P50, r.P99)
		}
		if r.Low > r.High {
			wrong("low %v and high %v are no interval", r.Low, r.High)
		}
		if i > 0 && (r.Accuracy > l.Rungs[i-1].Accuracy || r.P50 >= l.Rungs[i-1].P50) {
			wrong("is more accurate or no faster than %s before it", l.Rungs[i-1].Name)
		}
	}
	return errors.Join(errs...)
}

// Text is the ladder as YAML.
func (l *Ladder) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "network: %q\n", l.Network)
	if l.Deadline > 0 {
		fmt.Fprintf(&b, "deadline: %v\n", l.Deadline)
	}
	fmt.Fprintf(&b, "machine: %q\nthreads: %d\naccuracy: %s\nrungs:\n", l.Machine, l.Threads, l.Accuracy)
	for _, r := range l.Rungs {
		fmt.Fprintf(&b, "  - name: %q\n    network: %q\n    engine: %s\n    p50: %v\n    p99: %v\n", r.Name, r.Network, r.Engine, r.P50, r.P99)
		fmt.Fprintf(&b, "    accuracy: %.4f\n    low: %.4f\n    high: %.4f\n", r.Accuracy, r.Low, r.High)
		fmt.Fprintf(&b, "    parameters: %d\n    file_bytes: %d\n    macs: %d\n", r.Parameters, r.FileBytes, r.MACs)
		if r.Memory > 0 {
			fmt.Fprintf(&b, "    memory_bytes: %d\n", r.Memory)
		}
	}
	return b.String()
}

// Largest is the most accurate rung whose P99 is within the deadline, or nil.
func (l *Ladder) Largest(deadline time.Duration) *Rung {
	for i := range l.Rungs {
		if l.Rungs[i].P99 <= deadline {
			return &l.Rungs[i]
		}
	}
	return nil
}

// Climb orders candidates from the most accurate to the fastest and keeps those
// that are surely faster than each of those kept before: faster(a, b) says whether a
// is surely faster than b, which need not be so of a and c where it is of a and b,
// and of b and c. Why names, for each candidate that is left out, the last kept one
// that is no less accurate and than which it is not surely faster. Of two that are
// equally accurate the faster stays.
func Climb(all []Rung, faster func(a, b *Rung) bool) (kept []Rung, why map[string]string) {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b Rung) int {
		switch {
		case a.Accuracy != b.Accuracy:
			return cmp.Compare(b.Accuracy, a.Accuracy)
		case a.P50 != b.P50:
			return cmp.Compare(a.P50, b.P50)
		}
		return strings.Compare(a.Name, b.Name)
	})
	why = map[string]string{}
	for i := range order {
		r := &order[i]
		over := len(kept) - 1
		for over >= 0 && r.P50 < kept[over].P50 && faster(r, &kept[over]) {
			over--
		}
		if over >= 0 {
			why[r.Name] = kept[over].Name
			continue
		}
		kept = append(kept, *r)
	}
	return kept, why
}
