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

// MaxDeadline bounds Ladder.DeadlineMS.
const MaxDeadline = time.Hour

// Ladder is what ladder.yaml holds. Times are in milliseconds.
type Ladder struct {
	Network    string  `yaml:"network" json:"network"`                                         // that it is of
	DeadlineMS float64 `yaml:"deadline_ms" json:"deadline_ms,omitempty" min:"0" max:"3600000"` // that it was made for; 0: none
	Machine    string  `yaml:"machine" json:"machine"`                                         // on which the times were measured, in words
	Threads    int     `yaml:"threads" json:"threads" min:"1" max:"256"`                       // of the engine
	Accuracy   string  `yaml:"accuracy" json:"accuracy" enum:"ap50,agreement50"`               // what Rung.Accuracy is
	Data       string  `yaml:"data" json:"data,omitempty"`                                     // names what it was measured on, as [catalog.Accuracy] does; "": not known
	Rungs      []Rung  `yaml:"rungs" json:"rungs"`
}

// Rung is one network at one size and precision on one engine.
type Rung struct {
	Name    string `yaml:"name" json:"name"`
	Network string `yaml:"network" json:"network"` // path of its description
	Engine  string `yaml:"engine" json:"engine" enum:"opencv,ort"`
	// P50MS and P99MS are quantiles of the time from picture to detections, in
	// milliseconds.
	P50MS float64 `yaml:"p50_ms" json:"p50_ms" min:"0" max:"3600000"`
	P99MS float64 `yaml:"p99_ms" json:"p99_ms" min:"0" max:"3600000"`
	// Accuracy is 0 to 1. Interval is its 95 % interval, from low to high, which a
	// bootstrap may lay a little beside it; empty where it is not known, as of one
	// picture.
	Accuracy float64   `yaml:"accuracy" json:"accuracy" min:"0" max:"1"`
	Interval []float64 `yaml:"interval" json:"interval,omitempty" min:"0" max:"1"`
	// Size.
	Parameters int64 `yaml:"parameters" json:"parameters" min:"0"`
	FileBytes  int64 `yaml:"file_bytes" json:"file_bytes" min:"0"`
	MACs       int64 `yaml:"macs" json:"macs" min:"0"`
	// Resident is the memory that the network adds to a process with the engine loaded,
	// while it runs, in bytes; 0: not known.
	Resident int64 `yaml:"resident_bytes" json:"resident_bytes,omitempty" min:"0"`
}

// Between is the interval in words; - where it is not known.
func (r Rung) Between() string {
	if len(r.Interval) != 2 {
		return "-"
	}
	return fmt.Sprintf("%.3f to %.3f", r.Interval[0], r.Interval[1])
}

// MS is a time in milliseconds.
func MS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

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
		if r.P50MS <= 0 || r.P99MS < r.P50MS {
			wrong("p50 %v ms and p99 %v ms are not quantiles of a time", r.P50MS, r.P99MS)
		}
		if n := len(r.Interval); n != 0 && n != 2 || n == 2 && r.Interval[0] > r.Interval[1] {
			wrong("interval: %v is not from low to high", r.Interval)
		}
		if i > 0 && (r.Accuracy > l.Rungs[i-1].Accuracy || r.P50MS >= l.Rungs[i-1].P50MS) {
			wrong("is more accurate or no faster than %s before it", l.Rungs[i-1].Name)
		}
	}
	return errors.Join(errs...)
}

// Text is the ladder as YAML.
func (l *Ladder) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "network: %q\n", l.Network)
	if l.DeadlineMS > 0 {
		fmt.Fprintf(&b, "deadline_ms: %v\n", l.DeadlineMS)
	}
	fmt.Fprintf(&b, "machine: %q\nthreads: %d\naccuracy: %s\n", l.Machine, l.Threads, l.Accuracy)
	if l.Data != "" {
		fmt.Fprintf(&b, "data: %q\n", l.Data)
	}
	b.WriteString("rungs:\n")
	for _, r := range l.Rungs {
		fmt.Fprintf(&b, "  - name: %q\n    network: %q\n    engine: %s\n    p50_ms: %.3f\n    p99_ms: %.3f\n", r.Name, r.Network, r.Engine, r.P50MS, r.P99MS)
		fmt.Fprintf(&b, "    accuracy: %.4f\n", r.Accuracy)
		if len(r.Interval) == 2 {
			fmt.Fprintf(&b, "    interval: [%.4f, %.4f]\n", r.Interval[0], r.Interval[1])
		}
		fmt.Fprintf(&b, "    parameters: %d\n    file_bytes: %d\n    macs: %d\n", r.Parameters, r.FileBytes, r.MACs)
		if r.Resident > 0 {
			fmt.Fprintf(&b, "    resident_bytes: %d\n", r.Resident)
		}
	}
	return b.String()
}

// Largest is the most accurate rung whose P99MS is within a deadline in
// milliseconds, or nil.
func (l *Ladder) Largest(deadline float64) *Rung {
	for i := range l.Rungs {
		if l.Rungs[i].P99MS <= deadline {
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
		case a.P50MS != b.P50MS:
			return cmp.Compare(a.P50MS, b.P50MS)
		}
		return strings.Compare(a.Name, b.Name)
	})
	why = map[string]string{}
	for i := range order {
		r := &order[i]
		over := len(kept) - 1
		for over >= 0 && r.P50MS < kept[over].P50MS && faster(r, &kept[over]) {
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
