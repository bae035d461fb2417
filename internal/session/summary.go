package session

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"dashline/infer"
	"dashline/internal/obs"
	"dashline/pipeline/bus"
	"dashline/pipeline/msg"
)

// Summary is what a run came to. Its JSON form is the last object that
// `dashline run --json` prints; times are in milliseconds.
type Summary struct {
	Source   SourceSummary    `json:"source"`
	Camera   CameraSummary    `json:"camera"`
	Policy   string           `json:"policy"`
	Deadline float64          `json:"deadline_ms"`
	Frames   Frames           `json:"frames"`
	Causes   []Cause          `json:"causes"` // of dropped and failed frames
	Age      Times            `json:"age_ms"` // of on-time and late frames, at publication
	FPS      float64          `json:"fps"`    // finished frames a second
	Elapsed  float64          `json:"elapsed_s"`
	Stages   map[string]Times `json:"stages_ms"`
	Networks []NetworkSummary `json:"networks"`
	Bus      BusSummary       `json:"bus"`
	Overlay  *OverlaySummary  `json:"overlay,omitempty"`

	order []string // of Stages
	lost  error    // what the bus did not deliver at the end
}

// SourceSummary says what was read.
type SourceSummary struct {
	Kind   string  `json:"kind"`
	Path   string  `json:"path"`
	Width  int     `json:"width"`
	Height int     `json:"height"`
	FPS    float64 `json:"fps"`
}

// CameraSummary says how metres were made of pixels.
type CameraSummary struct {
	Name    string `json:"name"`
	Guessed bool   `json:"guessed"`
}

// Frames are the outcomes: produced is the sum of the other four.
type Frames struct {
	Produced uint64 `json:"produced"`
	OnTime   uint64 `json:"on_time"`
	Late     uint64 `json:"late"`
	Dropped  uint64 `json:"dropped"`
	Failed   uint64 `json:"failed"`
}

// Cause is why frames were dropped or failed.
type Cause struct {
	Outcome string `json:"outcome"`
	Stage   string `json:"stage"`
	Reason  string `json:"reason"`
	Frames  uint64 `json:"frames"`
	Detail  string `json:"detail,omitempty"` // the first frame's error
}

// Times are quantiles in milliseconds.
type Times struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// NetworkSummary says what a network ran on and how long it took. Load and
// First (the first forward, with its lazy initialisation) are not in Forward.
type NetworkSummary struct {
	Name      string  `json:"name"`
	Task      string  `json:"task"`
	Engine    string  `json:"engine"`
	Version   string  `json:"version"`
	Requested string  `json:"requested"`
	Backend   string  `json:"backend"`
	Fallback  string  `json:"fallback,omitempty"`
	Threads   int     `json:"threads"`
	Load      float64 `json:"load_ms"`
	First     float64 `json:"first_ms"`
	Forward   Times   `json:"forward_ms"`
}

// BusSummary is the account of messages.
type BusSummary struct {
	Address    string `json:"address"`
	Embedded   bool   `json:"embedded"`
	Published  uint64 `json:"published"`
	Dropped    uint64 `json:"dropped"`
	Bytes      uint64 `json:"bytes"`
	Reconnects uint64 `json:"reconnects"`
	LastError  string `json:"last_error,omitempty"`
}

// OverlaySummary says what was written.
type OverlaySummary struct {
	Path  string `json:"path"`
	Codec string `json:"codec"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func times(q obs.Quantiles) Times {
	return Times{ms(q.Mean), ms(q.P50), ms(q.P99), ms(q.P999), ms(q.Maximum)}
}

// summary reads the account. The bus is drained by then.
func (s *Session) summary() Summary {
	a := s.Account.Snapshot()
	sum := Summary{
		Source:   SourceSummary{s.Source.Kind, s.Source.Path, s.Source.Width, s.Source.Height, s.Source.FPS},
		Camera:   CameraSummary{s.Config.Camera, s.Camera.Guessed},
		Policy:   string(s.policy),
		Deadline: ms(s.Config.Deadline),
		Frames:   Frames{a.Produced, a.OnTime, a.Late, a.Dropped, a.Failed},
		Causes:   []Cause{},
		Age:      times(a.Age),
		FPS:      a.Rate(),
		Elapsed:  a.Elapsed.Seconds(),
		Stages:   make(map[string]Times, len(a.Stages)),
		lost:     s.lost,
	}
	for _, c := range a.Causes {
		sum.Causes = append(sum.Causes, Cause{string(c.Outcome), c.Stage, c.Reason, c.Frames, c.Detail})
	}
	for _, st := range a.Stages {
		sum.Stages[st.Stage] = times(st.Quantiles)
		sum.order = append(sum.order, st.Stage)
	}
	for _, n := range s.described() {
		sum.Networks = append(sum.Networks, n.summary(sum.Stages[n.forward]))
	}
	b := s.publisher.Stats()
	sum.Bus = BusSummary{s.address, s.Config.NATS.URL == "", b.Published, b.Dropped, b.Bytes, b.Reconnects, b.LastError}
	if s.Config.Save != "" {
		sum.Overlay = &OverlaySummary{s.Config.Save, s.codec}
	}
	return sum
}

// described is a network with its task and the stage that times its forward.
type described struct {
	infer.Info
	task, forward string
}

func (d described) summary(forward Times) NetworkSummary {
	return NetworkSummary{
		Name: d.Name, Task: d.task, Engine: d.Engine, Version: d.Version,
		Requested: string(d.Requested), Backend: string(d.Backend), Fallback: d.Fallback,
		Threads: d.Threads, Load: ms(d.Load), First: ms(d.First), Forward: forward,
	}
}

// OK says whether every frame was published and every message left.
func (s Summary) OK() error {
	switch {
	case s.Frames.Produced == 0:
		return fmt.Errorf("the source gave no frame")
	case s.Frames.Failed > 0:
		return fmt.Errorf("%d of %d frames failed", s.Frames.Failed, s.Frames.Produced)
	case s.Bus.Dropped > 0:
		return fmt.Errorf("%d messages did not reach the NATS server", s.Bus.Dropped)
	}
	return s.lost
}

// Print writes the summary for people.
func (s Summary) Print(w io.Writer) {
	f := s.Frames
	fmt.Fprintf(w, "\n%d frames of %s in %.1f s, %.1f frames/s\n", f.Produced, filepath.Base(s.Source.Path), s.Elapsed, s.FPS)
	fmt.Fprintf(w, "  %d on time, %d late, %d dropped, %d failed (deadline %g ms)\n", f.OnTime, f.Late, f.Dropped, f.Failed, s.Deadline)
	for _, c := range s.Causes {
		fmt.Fprintf(w, "    %d %s in %s: %s\n", c.Frames, c.Outcome, c.Stage, c.Reason)
		if c.Detail != "" {
			fmt.Fprintf(w, "      %s\n", c.Detail)
		}
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, x Times) {
		fmt.Fprintf(t, "  %s\t%.1f\t%.1f\t%.1f\t%.1f\t\n", pad(name, 14), x.P50, x.P99, x.P999, x.Max)
	}
	fmt.Fprintf(t, "\n  %s\tp50\tp99\tp99.9\tmax\t\n", pad("ms", 14))
	row("age", s.Age)
	for _, name := range s.order {
		row(name, s.Stages[name])
	}
	_ = t.Flush()

	fmt.Fprintln(w)
	for _, n := range s.Networks {
		fmt.Fprintf(w, "  %s  %s\n", pad(n.Task, 7), n.line())
	}
	fmt.Fprintf(w, "  %s  %d messages, %d dropped, %.1f MB to %s\n", pad("bus", 7), s.Bus.Published, s.Bus.Dropped, float64(s.Bus.Bytes)/1e6, s.Bus.where())
	if s.Bus.LastError != "" {
		fmt.Fprintf(w, "  %s  last trouble: %s\n", pad("", 7), s.Bus.LastError)
	}
	if s.Overlay != nil && s.Overlay.Codec != "" {
		fmt.Fprintf(w, "  %s  %s (%s)\n", pad("overlay", 7), s.Overlay.Path, s.Overlay.Codec)
	}
}

func (b BusSummary) where() string {
	if b.Embedded {
		return "the embedded server"
	}
	return b.Address
}

func (n NetworkSummary) line() string {
	s := fmt.Sprintf("%s on %s %s, %s, %s; loaded in %.0f ms, first forward %.0f ms",
		n.Name, engineName(n.Engine), n.Version, n.Backend, plural(n.Threads, "thread"), n.Load, n.First)
	if n.Fallback != "" {
		s += fmt.Sprintf("\n           fell back from %s: %s", n.Requested, n.Fallback)
	}
	return s
}

func engineName(e string) string {
	switch e {
	case "opencv":
		return "OpenCV"
	case "ort":
		return "ONNX Runtime"
	}
	return e
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-len(s))) }

// message is a network as messages name it.
func message(in infer.Info) msg.Network {
	return msg.Network{Name: in.Name, Engine: in.Engine, Requested: string(in.Requested), Backend: string(in.Backend)}
}

func busCounts(p *bus.Publisher) obs.BusCounts {
	s := p.Stats()
	return obs.BusCounts{Published: s.Published, Dropped: s.Dropped, Bytes: s.Bytes, Reconnects: s.Reconnects, Connected: s.Connected}
}
