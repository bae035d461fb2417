package session

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"dashline/infer"
	"dashline/internal/obs"
	"dashline/internal/plain"
	"dashline/pipeline/bus"
	"dashline/pipeline/msg"
)

// Summary is what a run came to. Its JSON form is the last object that
// `dashline run --json` prints; times are in milliseconds.
type Summary struct {
	// CameraRun is that of the only camera. With several cameras its frames,
	// causes, times and rates are those of all together, and what is of one camera
	// alone is absent.
	CameraRun
	Deadline float64     `json:"deadline_ms"`
	Bus      BusSummary  `json:"bus"`
	Cameras  []CameraRun `json:"cameras,omitempty"` // each, where there are several
	// Recording is the account of what was recorded, where something was.
	Recording *RecordingSummary `json:"recording,omitempty"`
	// Kept is what was kept for later, where something was.
	Kept *KeptSummary `json:"kept,omitempty"`

	lost error // what the bus did not deliver at the end
}

// CameraRun is what the run of one camera came to.
type CameraRun struct {
	Source   SourceSummary    `json:"source,omitzero"`
	Camera   CameraSummary    `json:"camera,omitzero"`
	State    *StateSummary    `json:"state,omitempty"` // of a live camera, at the end
	Policy   string           `json:"policy,omitempty"`
	Frames   Frames           `json:"frames"`
	Causes   []Cause          `json:"causes"` // of dropped and failed frames
	Age      Times            `json:"age_ms"` // of on-time and late frames, at publication
	FPS      float64          `json:"fps"`    // finished frames a second
	Elapsed  float64          `json:"elapsed_s"`
	Stages   map[string]Times `json:"stages_ms"`
	Networks []NetworkSummary `json:"networks,omitempty"`
	Ladder   *LadderSummary   `json:"ladder,omitempty"` // where there is more than one rung, or it was measured
	Overlay  *OverlaySummary  `json:"overlay,omitempty"`
	Error    string           `json:"error,omitempty"` // why it broke before its end

	order []string // of Stages
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

// StateSummary is how a live camera did; the counts are of the whole run.
type StateSummary struct {
	Status      string  `json:"status"`
	Detail      string  `json:"detail,omitempty"`
	Transport   string  `json:"transport"`
	Codec       string  `json:"codec"`
	Sessions    uint64  `json:"sessions"`
	Packets     uint64  `json:"packets"`
	Lost        uint64  `json:"lost"`
	Clock       string  `json:"clock"` // by which capture times are told: "sender" or "arrival"
	ClockOffset float64 `json:"clock_offset_ms"`
	ClockDrift  float64 `json:"clock_drift_ppm"`
	ClockSteps  uint64  `json:"clock_steps"`
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

// summary reads the accounts. The sources are closed and the bus is drained by then.
func (s *Session) summary() Summary {
	b := s.publisher.Stats()
	sum := Summary{
		Deadline: ms(s.Config.Deadline),
		Bus:      BusSummary{s.address, s.Config.NATS.URL == "", b.Published, b.Dropped, b.Bytes, b.Reconnects, plain.Line(b.LastError)},
		lost:     s.lost,

		Recording: s.recorded,
		Kept:      s.kept,
	}
	if len(s.Feeds) == 1 {
		sum.CameraRun = s.Feeds[0].summary()
		return sum
	}
	accounts := make([]*obs.Account, len(s.Feeds))
	for i, f := range s.Feeds {
		accounts[i] = f.Account
		sum.Cameras = append(sum.Cameras, f.summary())
	}
	sum.CameraRun = account(obs.Sum(accounts...))
	return sum
}

func (f *Feed) summary() CameraRun {
	a := f.Account.Snapshot()
	r := account(a)
	in := f.last
	r.Source = SourceSummary{in.Kind, f.Source.Path, in.Width, in.Height, in.FPS}
	r.Camera = CameraSummary{f.Config.Camera, f.Camera.Guessed}
	r.Policy = string(f.policy)
	for _, n := range f.group.networks() {
		r.Networks = append(r.Networks, n.summary(r.Stages[n.forward]))
	}
	if r.Ladder = f.group.ladder(); r.Ladder != nil {
		r.Ladder.count(a)
	}
	if f.Config.Save != "" {
		r.Overlay = &OverlaySummary{f.Config.Save, f.codec}
	}
	if c, ok := f.state.state(); ok {
		r.State = &StateSummary{string(c.Status), c.Detail, c.Transport, c.Codec, c.Sessions, c.Packets, c.Lost,
			string(c.Clock), ms(c.ClockOffset), c.ClockDrift, c.ClockSteps}
	}
	if f.broke != nil {
		r.Error = clean(f.broke.Error())
	}
	return r
}

// account is what a summary says of frames.
func account(a obs.Snapshot) CameraRun {
	r := CameraRun{
		Frames:  Frames{a.Produced, a.OnTime, a.Late, a.Dropped, a.Failed},
		Causes:  []Cause{},
		Age:     times(a.Age),
		FPS:     a.Rate(),
		Elapsed: a.Elapsed.Seconds(),
		Stages:  make(map[string]Times, len(a.Stages)),
	}
	for _, c := range a.Causes {
		r.Causes = append(r.Causes, Cause{string(c.Outcome), c.Stage, c.Reason, c.Frames, clean(c.Detail)})
	}
	for _, st := range a.Stages {
		r.Stages[st.Stage] = times(st.Quantiles)
		r.order = append(r.order, st.Stage)
	}
	return r
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

// OK says whether every camera gave frames and came to its end, every frame was
// published and every message left.
func (s Summary) OK() error {
	var errs []error
	for _, c := range s.Cameras {
		switch {
		case c.Error != "":
			errs = append(errs, fmt.Errorf("camera %s broke: %s", c.Camera.Name, c.Error))
		case c.Frames.Produced == 0:
			errs = append(errs, fmt.Errorf("camera %s gave no frame", c.Camera.Name))
		}
	}
	switch {
	case s.Frames.Produced == 0 && len(s.Cameras) == 0:
		errs = append(errs, fmt.Errorf("the source gave no frame"))
	case s.Frames.Failed > 0:
		errs = append(errs, fmt.Errorf("%d of %d frames failed", s.Frames.Failed, s.Frames.Produced))
	case s.Bus.Dropped > 0:
		errs = append(errs, fmt.Errorf("%d messages did not reach the NATS server", s.Bus.Dropped))
	case s.lost != nil:
		errs = append(errs, s.lost)
	}
	switch r := s.Recording; {
	case r == nil:
	case r.Error != "":
		errs = append(errs, fmt.Errorf("the recording ended early: %s", r.Error))
	case r.Dropped > 0:
		errs = append(errs, fmt.Errorf("%d packets or messages are not in the recording: the disk did not keep up", r.Dropped))
	}
	return errors.Join(errs...)
}

// Print writes the summary for people.
func (s Summary) Print(w io.Writer) {
	of := filepath.Base(s.Source.Path)
	if len(s.Cameras) > 0 {
		of = plural(len(s.Cameras), "camera")
	}
	fmt.Fprintf(w, "\n%d frames of %s in %.1f s, %.1f frames/s\n", s.Frames.Produced, of, s.Elapsed, s.FPS)
	s.printFrames(w, s.Deadline)
	s.printTimes(w)
	fmt.Fprintln(w)
	for _, c := range s.Cameras {
		fmt.Fprintf(w, "%s  %d frames of %s in %.1f s, %.1f frames/s, age p50 %.1f p99 %.1f ms\n",
			c.Camera.Name, c.Frames.Produced, filepath.Base(c.Source.Path), c.Elapsed, c.FPS, c.Age.P50, c.Age.P99)
		c.printFrames(w, s.Deadline)
		c.printParts(w)
		fmt.Fprintln(w)
	}
	s.printParts(w)
	fmt.Fprintf(w, "  %s  %d messages, %d dropped, %.1f MB to %s\n", pad("bus", 7), s.Bus.Published, s.Bus.Dropped, float64(s.Bus.Bytes)/1e6, s.Bus.where())
	if s.Bus.LastError != "" {
		fmt.Fprintf(w, "  %s  last trouble: %s\n", pad("", 7), s.Bus.LastError)
	}
	if s.Kept != nil {
		s.Kept.print(w)
	}
	if r := s.Recording; r != nil {
		fmt.Fprintf(w, "  %s  %s: %d packets and messages, %d dropped, %.1f MB\n", pad("record", 7), r.Path, r.Written, r.Dropped, float64(r.Bytes)/1e6)
		if r.Error != "" {
			fmt.Fprintf(w, "  %s  ended early: %s\n", pad("", 7), r.Error)
		}
	}
}

func (r CameraRun) printFrames(w io.Writer, deadline float64) {
	f := r.Frames
	fmt.Fprintf(w, "  %d on time, %d late, %d dropped, %d failed (deadline %g ms)\n", f.OnTime, f.Late, f.Dropped, f.Failed, deadline)
	for _, c := range r.Causes {
		fmt.Fprintf(w, "    %d %s in %s: %s\n", c.Frames, c.Outcome, c.Stage, c.Reason)
		if c.Detail != "" {
			fmt.Fprintf(w, "      %s\n", c.Detail)
		}
	}
}

func (r CameraRun) printTimes(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, x Times) {
		fmt.Fprintf(t, "  %s\t%.1f\t%.1f\t%.1f\t%.1f\t\n", pad(name, 14), x.P50, x.P99, x.P999, x.Max)
	}
	fmt.Fprintf(t, "\n  %s\tp50\tp99\tp99.9\tmax\t\n", pad("ms", 14))
	row("age", r.Age)
	for _, name := range r.order {
		row(name, r.Stages[name])
	}
	_ = t.Flush()
}

// printParts says what the camera, the networks and the overlay came to.
func (r CameraRun) printParts(w io.Writer) {
	if r.Error != "" {
		fmt.Fprintf(w, "  %s  %s\n", pad("broke", 7), r.Error)
	}
	if r.State != nil {
		fmt.Fprintf(w, "  %s  %s\n", pad("camera", 7), r.State.line())
	}
	for _, n := range r.Networks {
		fmt.Fprintf(w, "  %s  %s\n", pad(n.Task, 7), n.line())
	}
	if r.Ladder != nil && len(r.Ladder.Rungs) > 1 {
		fmt.Fprintf(w, "  %s  %s\n", pad("ladder", 7), r.Ladder.line())
	}
	if r.Overlay != nil && r.Overlay.Codec != "" {
		fmt.Fprintf(w, "  %s  %s (%s)\n", pad("overlay", 7), r.Overlay.Path, r.Overlay.Codec)
	}
}

func (c StateSummary) line() string {
	s := c.Status
	if c.Detail != "" {
		s += ", " + c.Detail
	}
	if c.Transport != "" {
		s += fmt.Sprintf(" (%s, %s)", c.Transport, c.Codec)
	}
	s += fmt.Sprintf("; %s, %s, %d lost", plural(int(c.Sessions), "session"), plural(int(c.Packets), "packet"), c.Lost)
	if c.Clock == string(msg.SenderClock) {
		s += fmt.Sprintf("; its clock %+.1f ms, %+.1f ppm, %s", c.ClockOffset, c.ClockDrift, plural(int(c.ClockSteps), "step"))
	}
	return s
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
