package misses

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"dashline/internal/plain"
	"dashline/pipeline/msg"
)

// Format names the form of a bundle.
const Format = "dashline miss bundle 1"

// Bundle is what was kept of a miss, and of those next to it. Times are in
// milliseconds.
type Bundle struct {
	Format  string    `json:"format"`
	Written time.Time `json:"written"`
	// Misses are the frames that the bundle is about, the first first; Reports are
	// all before, between and after them, in the order of their outcomes.
	Misses   []Frame  `json:"misses"`
	Switches []Switch `json:"rung_switches,omitempty"`
	Machine  Machine  `json:"machine"`
	Reports  []Report `json:"reports"`
}

// Frame names a frame.
type Frame struct {
	Camera string `json:"camera"`
	Frame  uint64 `json:"frame"`
}

// Switch is a change of a camera's rung: the frame is the first on the new one.
type Switch struct {
	Frame
	From string `json:"from"`
	To   string `json:"to"`
}

// Machine is how the process and its machine did meanwhile.
type Machine struct {
	Over       float64   `json:"over_ms"` // that the deltas cover
	Cores      int       `json:"cores"`
	Procs      int       `json:"gomaxprocs"`
	Goroutines uint64    `json:"goroutines"`
	Load       []float64 `json:"load,omitempty"`         // averages over 1, 5 and 15 minutes
	Pressure   string    `json:"cpu_pressure,omitempty"` // the first line of /proc/pressure/cpu
	Heap       uint64    `json:"heap_bytes"`             // objects
	Mapped     uint64    `json:"go_bytes"`               // all that Go's runtime has
	Goal       uint64    `json:"gc_goal_bytes"`
	// Pauses are those for the collector of garbage, the latest last.
	Pauses []Pause `json:"gc_pauses,omitempty"`
	// Waits are how long goroutines that could run waited for a processor.
	Waits Waits `json:"scheduler_waits"`
}

// Pause is one for the collector of garbage.
type Pause struct {
	At   float64 `json:"at_ms"` // its end, since the first miss was known
	Took float64 `json:"took_ms"`
}

// Waits sum a histogram up; the times are the upper ends of its buckets.
type Waits struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Report is a frame's report.
type Report struct {
	Camera     string    `json:"camera"`
	Seq        uint64    `json:"frame"`
	CapturedAt time.Time `json:"captured_at,omitzero"`
	Clock      string    `json:"capture_clock,omitempty"`
	Arrived    float64   `json:"arrived_ms"`
	PTS        float64   `json:"pts_ms"`
	Outcome    string    `json:"outcome"`
	Stage      string    `json:"stage,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	Age        float64   `json:"age_ms"`
	Deadline   float64   `json:"deadline_ms"`
	Rung       string    `json:"rung,omitempty"`
	Predicted  float64   `json:"predicted_ms,omitempty"`
	Canary     string    `json:"canary,omitempty"`
	Lag        float64   `json:"lag_ms,omitempty"`
	Stages     []Stage   `json:"stages,omitempty"`
	Networks   []Network `json:"networks,omitempty"`
}

// Stage is what a stage took.
type Stage struct {
	Name string  `json:"stage"`
	Took float64 `json:"took_ms"`
}

// Network is one that ran on the frame.
type Network struct {
	Name      string `json:"name"`
	Engine    string `json:"engine"`
	Requested string `json:"requested"`
	Backend   string `json:"backend"`
}

// A word of a report is kept up to this length, bytes, and of its lists so many.
const (
	longestText = 512
	mostStages  = 32
	mostParts   = 8
)

func fromReport(r *msg.FrameReport) Report {
	out := Report{
		Camera: short(r.Camera), Seq: r.Seq, CapturedAt: r.CapturedAt, Clock: short(string(r.CaptureClock)),
		Arrived: millis(r.Arrived), PTS: millis(r.PTS),
		Outcome: short(string(r.Outcome)), Stage: short(r.Stage), Reason: short(r.Reason), Detail: short(r.Detail),
		Age: millis(r.Age), Deadline: millis(r.Deadline), Rung: short(r.Rung), Predicted: millis(r.Predicted), Canary: short(r.Canary), Lag: millis(r.Lag),
	}
	for _, s := range r.Stages[:min(len(r.Stages), mostStages)] {
		out.Stages = append(out.Stages, Stage{short(s.Stage), millis(s.Took)})
	}
	for _, n := range r.Networks[:min(len(r.Networks), mostParts)] {
		out.Networks = append(out.Networks, Network{short(n.Name), short(n.Engine), short(n.Requested), short(n.Backend)})
	}
	if y := out.CapturedAt.Year(); y < 0 || y > 9999 { // which JSON cannot say
		out.CapturedAt = time.Time{}
	}
	return out
}

func (r *Report) report() *msg.FrameReport {
	out := &msg.FrameReport{
		Header: msg.Header{
			Camera: r.Camera, Seq: r.Seq, CapturedAt: r.CapturedAt, CaptureClock: msg.CaptureClock(r.Clock),
			Arrived: duration(r.Arrived), PTS: duration(r.PTS),
		},
		Outcome: msg.Outcome(r.Outcome), Stage: r.Stage, Reason: r.Reason, Detail: r.Detail,
		Age: duration(r.Age), Deadline: duration(r.Deadline), Rung: r.Rung, Predicted: duration(r.Predicted), Canary: r.Canary, Lag: duration(r.Lag),
	}
	for _, s := range r.Stages {
		out.Stages = append(out.Stages, msg.StageTime{Stage: s.Name, Took: duration(s.Took)})
	}
	for _, n := range r.Networks {
		out.Networks = append(out.Networks, msg.Network{Name: n.Name, Engine: n.Engine, Requested: n.Requested, Backend: n.Backend})
	}
	return out
}

func short(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= longestText {
		return s
	}
	return strings.ToValidUTF8(s[:longestText], "") + "..."
}

// millis is exact, to the nanosecond, for times of less than 50 days.
func millis(d time.Duration) float64 { return float64(d) / 1e6 }

func duration(ms float64) time.Duration {
	ns := math.Round(ms * 1e6)
	if !(math.Abs(ns) < math.MaxInt64) {
		return 0
	}
	return time.Duration(ns)
}

// MaxBytes is the size of the largest file that [Read] takes for a bundle.
const MaxBytes = 16 << 20

// Read reads a bundle, which may come from anywhere.
func Read(from io.Reader) (*Bundle, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("read bundle: it is larger than %d bytes, which no bundle is", MaxBytes)
	}
	b := new(Bundle)
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if b.Format != Format {
		return nil, fmt.Errorf("read bundle: its format is %.60q, and this version reads %q", b.Format, Format)
	}
	if len(b.Reports) == 0 || len(b.Misses) == 0 {
		return nil, errors.New("read bundle: there is no frame in it")
	}
	return b, nil
}

// FrameReports are the reports as the run made them. Texts may have been cut.
func (b *Bundle) FrameReports() []*msg.FrameReport {
	out := make([]*msg.FrameReport, len(b.Reports))
	for i := range b.Reports {
		out[i] = b.Reports[i].report()
	}
	return out
}

// Words say how the machine did, a sentence each.
func (b *Bundle) Words() (words []string) {
	say := func(format string, args ...any) { words = append(words, plain.Line(fmt.Sprintf(format, args...))) }
	m := &b.Machine
	over := fmt.Sprintf("In the %.1f s around it", m.Over/1e3)
	if len(m.Pauses) == 0 {
		say("%s Go's collector of garbage stopped the program not once.", over)
	} else {
		longest := m.Pauses[0]
		for _, p := range m.Pauses {
			if p.Took > longest.Took {
				longest = p
			}
		}
		when := "after"
		if longest.At < 0 {
			when = "before"
		}
		say("%s Go's collector of garbage stopped the program %d times, for %.2f ms at most (%.1f ms %s the miss was known).",
			over, len(m.Pauses), longest.Took, math.Abs(longest.At), when)
	}
	if m.Waits.Count > 0 {
		say("Goroutines waited for a processor %d times: %.2f ms at the 99th percentile, %.2f ms at most.", m.Waits.Count, m.Waits.P99, m.Waits.Max)
	}
	if len(m.Load) > 0 {
		say("The load average was %.2f on %d cores, of which Go used %d.", m.Load[0], m.Cores, m.Procs)
	}
	if m.Pressure != "" {
		say("Pressure on the processors: %s.", m.Pressure)
	}
	say("Go's heap had %.1f MB of objects and was to be collected at %.1f MB.", float64(m.Heap)/1e6, float64(m.Goal)/1e6)
	return words
}
