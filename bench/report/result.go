// Package report says what a run of the bench came to: the values, and how they
// are shown as text, JSON, Markdown, one HTML page, and lines of the Go benchmark
// format; and what checks came to, for CI systems.
//
// Invariants:
//   - A [Result] has all that any of its forms shows; nothing is measured here.
//   - Times are in milliseconds, sizes in bytes, work in operations, as the names
//     of the JSON keys say; what is not known is left out and never 0.
//   - The page is one file that fetches nothing and runs no script.
//   - Text from elsewhere, names of networks above all, is shown as one line and
//     changes nothing of a form's structure.
//   - The same result gives the same bytes.
package report

import "dashline/bench/machine"

// Schema names the form of [Result]'s JSON; it changes when a key does.
const Schema = "dashline-bench/1"

// Verdict is what a goal, or a figure beside its base, comes to.
type Verdict string

// The verdicts on a goal.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Result is what a run of the bench came to.
type Result struct {
	Schema   string        `json:"schema"`
	Machine  machine.Facts `json:"machine"`
	Noise    machine.Noise `json:"noise"`
	Scenario Scenario      `json:"scenario"`
	Goal     *Goal         `json:"goal,omitempty"` // closed loop has none
	Subjects []Subject     `json:"subjects"`
	Verdict  Verdict       `json:"verdict,omitempty"` // of the first subject, which is the configuration as it is run
	Level    float64       `json:"level"`             // of confidence, (0, 1), of all intervals but accuracy's, which is .95
	Seed     uint64        `json:"seed"`
	Elapsed  float64       `json:"elapsed_s"`
	Warnings []string      `json:"warnings,omitempty"`
}

// Scenario is how frames came.
type Scenario struct {
	// Name is single-stream, multi-stream, burst, overload or server.
	Name    string  `json:"name"`
	Closed  bool    `json:"closed"` // the next frame came when the one before was done: service times alone
	Cameras int     `json:"cameras"`
	Rate    float64 `json:"rate_fps,omitempty"` // of each camera, on average; closed loop has none
	Source  string  `json:"source"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	Frames  int     `json:"frames"` // of each subject at most, of all cameras together
}

// Goal is what the run was to show.
type Goal struct {
	Deadline float64 `json:"deadline_ms"`
	Quantile float64 `json:"quantile"`  // of ages that is to be within the deadline, (0, 1)
	MissRate float64 `json:"miss_rate"` // that is allowed, (0, 1)
	Level    float64 `json:"level"`     // of confidence, (0, 1)
	Frames   int     `json:"frames"`    // that are needed to show it, as planned
}

// Subject is one thing that was measured: the configuration as it is, or one rung
// of its ladder.
type Subject struct {
	Name     string    `json:"name"`
	Networks []Network `json:"networks"`

	Parameters int64 `json:"parameters,omitempty"` // of its detector
	FileBytes  int64 `json:"file_bytes,omitempty"`
	MACs       int64 `json:"macs,omitempty"`
	FLOPs      int64 `json:"flops,omitempty"` // two for each MAC, and what else there is

	Load   float64 `json:"load_ms"`            // from the start of the process until it is ready for its first frame
	First  float64 `json:"first_ms,omitempty"` // the first forward of each of its networks, which makes what is made lazily
	Warmup int     `json:"warmup_frames"`      // that are in no other figure
	Loaded int64   `json:"loaded_bytes,omitempty"`
	Peak   int64   `json:"peak_bytes,omitempty"` // most memory that the process had

	Age *Distribution `json:"age_ms,omitempty"` // of frames that were published; open loop
	// Answer is the time from when a frame was due until it, or a newer one of its
	// camera, was published: what a dropped frame cost. Open loop; Count is of those
	// that were answered, and quantiles are of all.
	Answer  *Distribution `json:"answer_ms,omitempty"`
	Frame   *Distribution `json:"frame_ms,omitempty"`   // from the begin of work to publication
	Forward *Distribution `json:"forward_ms,omitempty"` // the detector's engine alone
	Stages  []Stage       `json:"stages,omitempty"`

	Outcomes   Outcomes `json:"outcomes"`
	Causes     []Cause  `json:"causes,omitempty"`
	Misses     *Rate    `json:"misses,omitempty"` // late, dropped or failed, of all that came; open loop
	Throughput float64  `json:"throughput_fps,omitempty"`

	CPU          *Interval `json:"cpu_ms,omitempty"`      // processor time a frame
	Joules       float64   `json:"joules,omitempty"`      // a frame, of the whole machine, where it says so
	Allocations  *Interval `json:"allocations,omitempty"` // a frame, on Go's heap
	MessageBytes float64   `json:"message_bytes,omitempty"`

	Accuracy *Accuracy `json:"accuracy,omitempty"`

	Verdict Verdict  `json:"verdict,omitempty"`
	Why     string   `json:"why,omitempty"`     // the verdict in words
	Stopped bool     `json:"stopped,omitempty"` // before all frames, as the answer was certain
	Notes   []string `json:"notes,omitempty"`

	// Series has ages over time, thinned.
	Series []Point `json:"series,omitempty"`
	// CDF has answers in order, of closed loop frame times, thinned as [Thin] does:
	// value i of n is the quantile i/(n-1).
	CDF []float64 `json:"cdf_ms,omitempty"`
}

// Network is what a subject ran, and on what it really ran.
type Network struct {
	Name      string `json:"name"`
	Task      string `json:"task"`
	Engine    string `json:"engine"`
	Version   string `json:"version"`
	Requested string `json:"requested"`
	Backend   string `json:"backend"`
	Threads   int    `json:"threads"`
}

// Distribution is what was seen of a time.
type Distribution struct {
	Count     int        `json:"count"`
	Mean      float64    `json:"mean"`
	Quantiles []Quantile `json:"quantiles"`
	// Effective is how many independent values say as much of the mean: fewer than
	// there are where values that follow each other are alike, dropped frames among
	// them. The interval of each quantile is as wide as its own correlation makes it.
	Effective float64 `json:"effective"`
	// Correlation is the chance of seeing values that follow each other as much alike
	// where each is independent of those before it (Ljung and Box, on ranks).
	Correlation float64 `json:"correlation_p"`
}

// Quantile is one of a distribution. High is left out where there were too few
// values to bound it.
type Quantile struct {
	Q     float64  `json:"q"` // (0, 1)
	Value float64  `json:"value"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
}

// Interval is a mean and the bounds on it.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Stage is the time in one stage of the pipeline.
type Stage struct {
	Name string  `json:"name"`
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	Part bool    `json:"part,omitempty"` // of the time of another stage
}

// Outcomes are frames by what became of them: produced is the sum of the others.
type Outcomes struct {
	Produced int `json:"produced"`
	OnTime   int `json:"on_time"`
	Late     int `json:"late"`
	Dropped  int `json:"dropped"`
	Failed   int `json:"failed"`
}

// Cause is why frames were dropped or failed.
type Cause struct {
	Outcome string `json:"outcome"`
	Stage   string `json:"stage"`
	Reason  string `json:"reason"`
	Frames  int    `json:"frames"`
	Detail  string `json:"detail,omitempty"` // of the first
}

// Rate is misses of frames, with exact bounds.
type Rate struct {
	Misses int     `json:"misses"`
	Frames int     `json:"frames"`
	Value  float64 `json:"value"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// Accuracy is AP50 on a drive with truth: offline, where time costs nothing, and
// streaming, where an answer counts for what is there when it comes.
type Accuracy struct {
	Data      string    `json:"data"`
	Offline   *Interval `json:"offline_ap50,omitempty"`
	Streaming *Interval `json:"streaming_ap50,omitempty"`
}

// Point is one frame.
type Point struct {
	At      float64 `json:"t_s"` // when it arrived, from the begin of measuring
	Age     float64 `json:"age_ms"`
	Outcome string  `json:"outcome"` // on_time, late, dropped or failed; the age of the last two is when that was known
}
