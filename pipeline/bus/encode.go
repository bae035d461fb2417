package bus

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "dashline/pipeline/bus/dashlinev1"
	"dashline/pipeline/msg"
)

// MaxPayload is the largest encoded message in bytes that is published or
// decoded. It bounds what a hostile payload can make a reader allocate; a frame
// with 3,000 boxes takes about 130 kB.
const MaxPayload = 512 << 10

// ToProto returns v as its Protobuf message. v is a *msg.Detections, *msg.Tracks,
// *msg.LaneSet, *msg.Trajectory, *msg.FrameReport or *msg.CameraState, which the
// result does not alias, apart from strings. It fails on a number or a word that
// the schema cannot hold.
//
// Text that is not UTF-8 has its bad bytes replaced by U+FFFD, which Protobuf
// requires, and a time outside the years 1 to 9999 counts as not known.
func ToProto(v any) (proto.Message, error) {
	switch v := v.(type) {
	case *msg.Detections:
		return detectionsToProto(v)
	case *msg.Tracks:
		return tracksToProto(v)
	case *msg.LaneSet:
		return lanesToProto(v)
	case *msg.Trajectory:
		return planToProto(v)
	case *msg.FrameReport:
		return frameToProto(v)
	case *msg.CameraState:
		return cameraToProto(v)
	}
	return nil, fmt.Errorf("a %T is not a message of the bus", v)
}

// appendMessage appends v's encoding to b.
func appendMessage(b []byte, v any) ([]byte, error) {
	m, err := ToProto(v)
	if err != nil {
		return b, err
	}
	// Deterministic only for maps, which the schemas do not have.
	b, err = proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		return b, fmt.Errorf("encode %T: %w", v, err)
	}
	if len(b) > MaxPayload {
		return b, fmt.Errorf("encode %T: %d bytes are more than the %d that the bus carries: raise the score threshold or simplify the outline", v, len(b), MaxPayload)
	}
	return b, nil
}

func detectionsToProto(d *msg.Detections) (*pb.Detections, error) {
	var r ranges
	out := &pb.Detections{
		Header: r.header(&d.Header),
		Width:  r.u32("width", d.Width),
		Height: r.u32("height", d.Height),
		By:     networkToProto(&d.By),
		Items:  make([]*pb.Detection, len(d.Items)),
	}
	// One allocation for all objects instead of two for each.
	slab := make([]struct {
		item pb.Detection
		box  pb.Box
	}, len(d.Items))
	for i := range d.Items {
		in, s := &d.Items[i], &slab[i]
		s.item.Box = boxToProto(in.Box, &s.box)
		s.item.Class = r.u32("class", in.Class)
		s.item.Label = text(in.Label)
		s.item.Score = in.Score
		out.Items[i] = &s.item
	}
	return out, r.err("detections")
}

func tracksToProto(t *msg.Tracks) (*pb.Tracks, error) {
	var r ranges
	out := &pb.Tracks{
		Header: r.header(&t.Header),
		Width:  r.u32("width", t.Width),
		Height: r.u32("height", t.Height),
		Ahead:  durationToProto(t.Ahead),
		Only:   t.Only,
		Items:  make([]*pb.Track, len(t.Items)),
	}
	slab := make([]struct {
		item                    pb.Track
		measured, box, forecast pb.Box
		unseen                  durationpb.Duration
		detection               uint32
	}, len(t.Items))
	for i := range t.Items {
		in, s := &t.Items[i], &slab[i]
		out.Items[i] = &s.item
		s.item.Id = in.ID
		s.item.Class = r.u32("class", in.Class)
		s.item.Label = text(in.Label)
		s.item.Score = in.Score
		s.item.State = r.trackState(in.State)
		if in.Measured != (msg.Box{}) {
			s.item.Measured = boxToProto(in.Measured, &s.measured)
		}
		s.item.Box = boxToProto(in.Box, &s.box)
		s.item.Forecast = boxToProto(in.Forecast, &s.forecast)
		s.item.Vx, s.item.Vy, s.item.Sigma = in.VX, in.VY, in.Sigma
		if in.Unseen != 0 {
			s.unseen.Seconds, s.unseen.Nanos = int64(in.Unseen/time.Second), int32(in.Unseen%time.Second)
			s.item.Unseen = &s.unseen
		}
		if in.Detection >= 0 {
			s.detection = r.u32("detection", in.Detection)
			s.item.Detection = &s.detection
		}
	}
	return out, r.err("tracks")
}

// boxToProto fills out, which it returns.
func boxToProto(b msg.Box, out *pb.Box) *pb.Box {
	out.X0, out.Y0, out.X1, out.Y1 = b.X0, b.Y0, b.X1, b.Y1
	return out
}

func lanesToProto(l *msg.LaneSet) (*pb.LaneSet, error) {
	var r ranges
	out := &pb.LaneSet{
		Header:             r.header(&l.Header),
		Width:              r.u32("width", l.Width),
		Height:             r.u32("height", l.Height),
		By:                 networkToProto(&l.By),
		Lanes:              make([]*pb.Lane, len(l.Lanes)),
		EgoLeft:            r.index("ego left", l.EgoLeft, len(l.Lanes)),
		EgoRight:           r.index("ego right", l.EgoRight, len(l.Lanes)),
		Drivable:           pixelsToProto(l.Drivable),
		DrivableConfidence: l.DrivableConfidence,
	}
	for i := range l.Lanes {
		in := &l.Lanes[i]
		out.Lanes[i] = &pb.Lane{
			Points:     pixelsToProto(in.Points),
			Curve:      cubicToProto(in.Curve),
			Confidence: in.Confidence,
		}
	}
	return out, r.err("lanes")
}

func planToProto(t *msg.Trajectory) (*pb.Trajectory, error) {
	mode, ok := planModes.toProto(t.Mode)
	if !ok {
		return nil, fmt.Errorf("plan: there is no mode %q", t.Mode)
	}
	var r ranges
	out := &pb.Trajectory{
		Header:       r.header(&t.Header),
		Mode:         mode,
		Why:          text(t.Why),
		LeadObject:   r.index("lead object", t.LeadObject, math.MaxUint32),
		LeadDistance: t.LeadDistance,
		LeadSpeed:    t.LeadSpeed,
		Points:       make([]*pb.TrajectoryPoint, len(t.Points)),
	}
	slab := make([]struct {
		point    pb.TrajectoryPoint
		position pb.Ground
	}, len(t.Points))
	for i := range t.Points {
		in, s := &t.Points[i], &slab[i]
		s.position.X, s.position.Y = in.Position.X, in.Position.Y
		s.point.Position = &s.position
		s.point.T = in.T
		s.point.Heading = in.Heading
		s.point.Speed = in.Speed
		s.point.Acceleration = in.Acceleration
		s.point.Curvature = in.Curvature
		out.Points[i] = &s.point
	}
	return out, r.err("plan")
}

func frameToProto(f *msg.FrameReport) (*pb.FrameReport, error) {
	outcome, ok := outcomes.toProto(f.Outcome)
	if !ok {
		return nil, fmt.Errorf("frame report: there is no outcome %q", f.Outcome)
	}
	var r ranges
	out := &pb.FrameReport{
		Header:   r.header(&f.Header),
		Outcome:  outcome,
		Stage:    text(f.Stage),
		Reason:   text(f.Reason),
		Detail:   text(f.Detail),
		Age:      durationToProto(f.Age),
		Deadline: durationToProto(f.Deadline),
		Stages:   make([]*pb.StageTime, len(f.Stages)),
		Networks: make([]*pb.Network, len(f.Networks)),

		Rung:      text(f.Rung),
		Predicted: durationToProto(f.Predicted),
		Canary:    text(f.Canary),
		Lag:       durationToProto(f.Lag),
	}
	for i, s := range f.Stages {
		out.Stages[i] = &pb.StageTime{Stage: text(s.Stage), Took: durationToProto(s.Took)}
	}
	for i := range f.Networks {
		n := &f.Networks[i]
		// Not networkToProto: in a list an empty network still takes its place.
		out.Networks[i] = &pb.Network{Name: text(n.Name), Engine: text(n.Engine), Requested: text(n.Requested), Backend: text(n.Backend)}
	}
	return out, r.err("frame report")
}

func cameraToProto(c *msg.CameraState) (*pb.CameraState, error) {
	status, ok := cameraStates.toProto(c.Status)
	if !ok {
		return nil, fmt.Errorf("camera state: there is no status %q", c.Status)
	}
	var r ranges
	return &pb.CameraState{
		Camera:      text(c.Camera),
		At:          timeToProto(c.At),
		Status:      status,
		Detail:      text(c.Detail),
		Transport:   text(c.Transport),
		Codec:       text(c.Codec),
		Sessions:    c.Sessions,
		Packets:     c.Packets,
		Lost:        c.Lost,
		Clock:       r.clock(c.Clock),
		ClockOffset: durationToProto(c.ClockOffset),
		ClockDrift:  c.ClockDrift,
		ClockSteps:  c.ClockSteps,
	}, r.err("camera state")
}

func timeToProto(t time.Time) *timestamppb.Timestamp {
	if !timeKnown(t) {
		return nil
	}
	return timestamppb.New(t)
}

// timeKnown says whether t is a time that the wire can hold.
func timeKnown(t time.Time) bool {
	return !t.IsZero() && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999
}

func networkToProto(n *msg.Network) *pb.Network {
	if *n == (msg.Network{}) {
		return nil
	}
	return &pb.Network{Name: text(n.Name), Engine: text(n.Engine), Requested: text(n.Requested), Backend: text(n.Backend)}
}

func durationToProto(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func cubicToProto(c msg.Cubic) *pb.Cubic {
	if c == (msg.Cubic{}) {
		return nil
	}
	return &pb.Cubic{C0: c.C[0], C1: c.C[1], C2: c.C[2], C3: c.C[3], X0: c.X0, X1: c.X1}
}

func pixelsToProto(in []msg.Pixel) []*pb.Pixel {
	slab := make([]pb.Pixel, len(in))
	out := make([]*pb.Pixel, len(in))
	for i, p := range in {
		slab[i].X, slab[i].Y = p.X, p.Y
		out[i] = &slab[i]
	}
	return out
}

// text makes s valid UTF-8, which Protobuf requires of a string.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// ranges narrows numbers and words, and keeps the first that did not fit.
type ranges struct{ first error }

func (r *ranges) header(h *msg.Header) *pb.Header {
	return &pb.Header{
		Camera:       text(h.Camera),
		Seq:          h.Seq,
		CapturedAt:   timeToProto(h.CapturedAt),
		CaptureClock: r.clock(h.CaptureClock),
		Arrived:      durationToProto(h.Arrived),
		Pts:          durationToProto(h.PTS),
	}
}

func (r *ranges) clock(c msg.CaptureClock) pb.CaptureClock {
	e, ok := captureClocks.toProto(c)
	if !ok {
		r.fail("capture clock", c)
	}
	return e
}

func (r *ranges) trackState(s msg.TrackState) pb.TrackState {
	e, ok := trackStates.toProto(s)
	if !ok {
		r.fail("state", s)
	}
	return e
}

func (r *ranges) u32(name string, v int) uint32 {
	if v < 0 || v > math.MaxUint32 {
		r.fail(name, v)
	}
	return uint32(v)
}

// index is absent for a negative v and must otherwise be below n.
func (r *ranges) index(name string, v, n int) *uint32 {
	if v < 0 {
		return nil
	}
	if v >= n {
		r.fail(name, v)
	}
	u := uint32(v)
	return &u
}

func (r *ranges) fail(name string, v any) {
	if r.first == nil {
		r.first = fmt.Errorf("%s %v is out of range", name, v)
	}
}

func (r *ranges) err(what string) error {
	if r.first == nil {
		return nil
	}
	return fmt.Errorf("encode %s: %w", what, r.first)
}
