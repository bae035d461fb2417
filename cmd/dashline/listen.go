package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/encoding/protojson"

	"dashline/internal/plain"
	"dashline/pipeline/bus"
	"dashline/pipeline/msg"
)

type listenCmd struct {
	Subject string `arg:"" optional:"" default:"dashline.>" help:"What to listen to: a subject, with * for any token and > for the rest (default: ${default})."`
	NATS    string `name:"nats" aliases:"nats-url" env:"DASHLINE_NATS" default:"nats://127.0.0.1:4222" placeholder:"URL" help:"Address of the server, as a run prints it (default: ${default}). Credentials are better put in DASHLINE_NATS than on the command line."`
	JSON    bool   `name:"json" help:"Print one JSON object a line: subject, headers and message."`
	Count   uint64 `placeholder:"N" help:"End after N messages (default: go on until Ctrl-C)."`
}

func (listenCmd) Help() string {
	return `Examples:
  dashline listen                                        everything on this machine's server
  dashline listen --nats nats://127.0.0.1:40123          the address that a run printed
  dashline listen 'dashline.*.front.detections'          one camera's objects
  dashline listen --json --count 100 | jq .message.items
  dashline listen 'dashline.truck7.>' --nats nats://10.0.0.5:4222

A message that cannot be read (another version's schema, a damaged payload) is said to be so, counted and passed over. When the server goes away, it is waited for. The messages go to standard output, everything else to standard error.

Exit codes: 0 ended as asked, by Ctrl-C or --count; 1 the server is not there or refuses; 2 the command line is wrong; 3 ended as asked, but some messages could not be read.`
}

// Run prints messages until ctx is done or there were enough.
func (c *listenCmd) Run(ctx context.Context, s streams) error {
	if err := bus.CheckPattern(c.Subject); err != nil {
		return &exit{exitUsage, err}
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()

	var mu sync.Mutex // notices come from other goroutines
	say := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(s.Err, plain.Line(line))
	}
	show := printText
	if c.JSON {
		show = printJSON
	}
	var seen, unread uint64
	err := bus.Listen(ctx, bus.ListenOptions{URL: c.NATS, Subject: c.Subject, Notice: say},
		func() { say(fmt.Sprintf("listening to %s at %s; Ctrl-C ends", c.Subject, bus.Redact(c.NATS))) },
		func(m *nats.Msg) error {
			seen++
			read, err := bus.Decode(m.Subject, m.Header, m.Data)
			if err != nil {
				unread++
			}
			if err := show(s.Out, m, read, err); err != nil {
				return fmt.Errorf("write a message: %w", err)
			}
			if seen == c.Count {
				enough()
			}
			return nil
		})
	if err != nil {
		return err
	}
	say(fmt.Sprintf("%d messages, %d of them not readable", seen, unread))
	if unread > 0 {
		return &exit{exitPartly, fmt.Errorf("%d of %d messages could not be read: is another version of dashline, or another program, on these subjects?", unread, seen)}
	}
	return nil
}

// printJSON prints one object; numbers of 64 bits are strings in it, as in all
// JSON of Protobuf.
func printJSON(w io.Writer, m *nats.Msg, read *bus.Message, trouble error) error {
	line := struct {
		Subject string            `json:"subject"`
		Headers map[string]string `json:"headers"`
		Message json.RawMessage   `json:"message,omitempty"`
		Error   string            `json:"error,omitempty"`
	}{Subject: m.Subject, Headers: map[string]string{}}
	for name := range m.Header {
		line.Headers[name] = m.Header.Get(name)
	}
	if trouble == nil {
		line.Message, trouble = protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(read.Proto)
	}
	if trouble != nil {
		line.Error = trouble.Error()
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// printText prints one line of columns: camera, kind, number, age, and what the
// message says.
func printText(w io.Writer, m *nats.Msg, read *bus.Message, trouble error) error {
	if trouble != nil {
		_, err := fmt.Fprintln(w, plain.Line("not readable: "+trouble.Error()))
		return err
	}
	h := new(msg.Header)
	var text string
	age := time.Duration(-1)
	switch v := read.Value.(type) {
	case *msg.CameraState: // of no frame
		text = describeCamera(v)
	case *msg.Detections:
		h, text = &v.Header, describeDetections(v)
	case *msg.Tracks:
		h, text = &v.Header, describeTracks(v)
	case *msg.LaneSet:
		h, text = &v.Header, describeLanes(v)
	case *msg.Trajectory:
		h, text = &v.Header, describePlan(v)
	case *msg.FrameReport:
		h, text, age = &v.Header, describeFrame(v), v.Age
	default:
		return errors.New("a message of a kind that listen does not know")
	}
	if age < 0 && !h.CapturedAt.IsZero() {
		age = time.Since(h.CapturedAt)
	}
	number := "-"
	if read.Kind != bus.KindCamera {
		number = strconv.FormatUint(h.Seq, 10)
	}
	_, err := fmt.Fprintf(w, "%-12s %-10s %7s %10s  %s\n", read.Vehicle+"."+read.Camera, read.Kind, number, ageText(age), plain.Line(text))
	return err
}

// ageText is empty for an age that is not known.
func ageText(age time.Duration) string {
	switch {
	case age < 0:
		return "-"
	case age < 10*time.Second:
		return fmt.Sprintf("%.1f ms", float64(age)/1e6)
	}
	return age.Round(time.Second).String()
}

func describeDetections(d *msg.Detections) string {
	const most = 8
	var b strings.Builder
	fmt.Fprintf(&b, "%d objects", len(d.Items))
	for i, o := range d.Items {
		if i == most {
			fmt.Fprintf(&b, ", %d more", len(d.Items)-most)
			break
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s %.2f", sep, o.Label, o.Score)
	}
	return b.String() + by(d.By)
}

func describeTracks(t *msg.Tracks) string {
	const most = 8
	var b strings.Builder
	fmt.Fprintf(&b, "%d tracks", len(t.Items))
	if t.Only {
		b.WriteString(" without a detector")
	}
	if t.Ahead != 0 {
		fmt.Fprintf(&b, ", forecast %.1f ms ahead", float64(t.Ahead)/1e6)
	}
	for i, o := range t.Items {
		if i == most {
			fmt.Fprintf(&b, ", %d more", len(t.Items)-most)
			break
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%d %s %s", sep, o.ID, o.Label, o.State)
		if o.Unseen != 0 {
			fmt.Fprintf(&b, " for %.1f s", o.Unseen.Seconds())
		}
	}
	return b.String()
}

func describeLanes(l *msg.LaneSet) string {
	text := fmt.Sprintf("%d lane lines, ego lane %s, drivable outline of %d points",
		len(l.Lanes), egoText(l), len(l.Drivable))
	return text + by(l.By)
}

func egoText(l *msg.LaneSet) string {
	switch {
	case l.EgoLeft >= 0 && l.EgoRight >= 0:
		return "left and right"
	case l.EgoLeft >= 0:
		return "left only"
	case l.EgoRight >= 0:
		return "right only"
	}
	return "not found"
}

func describePlan(t *msg.Trajectory) string {
	text := string(t.Mode)
	if n := len(t.Points); n > 0 {
		first, last := t.Points[0], t.Points[n-1]
		text += fmt.Sprintf(", %.1f m/s to %.1f m/s and %.1f m in %.1f s", first.Speed, last.Speed, last.Position.X, last.T)
	}
	if t.LeadObject >= 0 || t.LeadDistance > 0 { // followed, perhaps out of sight
		text += fmt.Sprintf(", lead at %.1f m, %.1f m/s", t.LeadDistance, t.LeadSpeed)
	}
	if t.Why != "" {
		text += ": " + t.Why
	}
	return text
}

func describeFrame(f *msg.FrameReport) string {
	text := string(f.Outcome)
	if f.Stage != "" {
		text += " in " + f.Stage
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	if f.Detail != "" {
		text += " (" + f.Detail + ")"
	}
	for _, s := range f.Stages {
		text += fmt.Sprintf("  %s %.1f ms", s.Stage, float64(s.Took)/1e6)
	}
	return text
}

func describeCamera(c *msg.CameraState) string {
	text := string(c.Status)
	if c.Detail != "" {
		text += ": " + c.Detail
	}
	if c.Codec != "" {
		text += ", " + c.Codec
	}
	if c.Transport != "" {
		text += " over " + c.Transport
	}
	text += fmt.Sprintf(", session %d, %d packets, %d lost", c.Sessions, c.Packets, c.Lost)
	switch c.Clock {
	case msg.SenderClock:
		text += fmt.Sprintf(", its clock %+.1f ms, %+.1f ppm, %d steps", float64(c.ClockOffset)/1e6, c.ClockDrift, c.ClockSteps)
	case msg.ArrivalClock:
		text += ", timed by arrival"
	}
	return text
}

func by(n msg.Network) string {
	if n == (msg.Network{}) {
		return ""
	}
	text := fmt.Sprintf("  (%s, %s/%s", n.Name, n.Engine, n.Backend)
	if n.Requested != n.Backend {
		text += " instead of " + n.Requested
	}
	return text + ")"
}
