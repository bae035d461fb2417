package bus

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "dashline/pipeline/bus/dashlinev1"
	"dashline/pipeline/msg"
)

// Names of the NATS headers on every message.
const (
	// HeaderSchema is the full name of the payload's Protobuf message.
	HeaderSchema = "Dashline-Schema"
	// HeaderSeq is the frame's number in decimal. It is absent on a message that
	// is of no frame: that of [KindCamera].
	HeaderSeq = "Dashline-Seq"
	// HeaderCount counts the messages that the publisher had for this subject,
	// from 1, those that it dropped included: a gap is a message lost on the way.
	HeaderCount = "Dashline-Count"
	// HeaderCapturedAt is the frame's capture time, RFC 3339 with nanoseconds in
	// UTC. It is absent where the capture time is not known, and where there is no
	// frame.
	HeaderCapturedAt = "Dashline-Captured-At"
)

// Message is one message from the bus.
type Message struct {
	Subject         string
	Vehicle, Camera string // from the subject
	Kind            Kind   // from the subject
	Count           uint64 // from the headers
	// Proto is the payload as it was decoded.
	Proto proto.Message
	// Value is the same as a *msg.Detections, *msg.Tracks, *msg.LaneSet,
	// *msg.Trajectory, *msg.FrameReport or *msg.CameraState. It shares nothing with
	// Proto but strings.
	Value any
}

// Decode reads a message of any kind and checks that subject, headers and
// payload agree. It takes bytes from anywhere: what does not follow the schemas
// is an error that says what was wrong, never a panic.
func Decode(subject string, header nats.Header, payload []byte) (*Message, error) {
	vehicle, camera, kind, err := ParseSubject(subject)
	if err != nil {
		return nil, err
	}
	topic, _ := topicOf(kind)
	if got := header.Get(HeaderSchema); got != topic.Schema {
		return nil, fmt.Errorf("%s: header %s is %.100q, this version reads %q", subject, HeaderSchema, got, topic.Schema)
	}
	count, err := strconv.ParseUint(header.Get(HeaderCount), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: header %s: %.100q is not a count", subject, HeaderCount, header.Get(HeaderCount))
	}
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%s: the payload has %d bytes, the bus carries at most %d", subject, len(payload), MaxPayload)
	}
	m := topic.new()
	if err := proto.Unmarshal(payload, m); err != nil {
		return nil, fmt.Errorf("%s: the payload is not a %s: %w", subject, topic.Schema, err)
	}
	value, err := FromProto(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", subject, err)
	}
	if err := headersAgree(header, camera, value); err != nil {
		return nil, fmt.Errorf("%s: %w", subject, err)
	}
	return &Message{Subject: subject, Vehicle: vehicle, Camera: camera, Kind: kind, Count: count, Proto: m, Value: value}, nil
}

// headersAgree says whether the subject's camera and the headers are those of
// the payload.
func headersAgree(header nats.Header, camera string, value any) error {
	of, h := frameOf(value)
	if of != camera {
		return fmt.Errorf("the payload is of camera %.100q", of)
	}
	if h == nil {
		for _, name := range []string{HeaderSeq, HeaderCapturedAt} {
			if got := header.Get(name); got != "" {
				return fmt.Errorf("header %s is %.100q, the payload is of no frame", name, got)
			}
		}
		return nil
	}
	if got := header.Get(HeaderSeq); got != strconv.FormatUint(h.Seq, 10) {
		return fmt.Errorf("header %s is %.100q, the payload says %d", HeaderSeq, got, h.Seq)
	}
	got := header.Get(HeaderCapturedAt)
	if got == "" && h.CapturedAt.IsZero() {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, got)
	if err != nil || !t.Equal(h.CapturedAt) {
		return fmt.Errorf("header %s is %.100q, the payload says %s", HeaderCapturedAt, got, h.CapturedAt.Format(time.RFC3339Nano))
	}
	return nil
}

// frameOf says which camera a value is of, and which frame: nil for the state of
// a camera.
func frameOf(value any) (camera string, h *msg.Header) {
	switch v := value.(type) {
	case *msg.Detections:
		h = &v.Header
	case *msg.Tracks:
		h = &v.Header
	case *msg.LaneSet:
		h = &v.Header
	case *msg.Trajectory:
		h = &v.Header
	case *msg.FrameReport:
		h = &v.Header
	case *msg.CameraState:
		return v.Camera, nil
	}
	return h.Camera, h
}

// FromProto is the inverse of [ToProto]. It fails on a message of another
// schema and on one that does not follow what its fields' comments say of
// indices, times and enums; it does not judge the numbers themselves.
func FromProto(m proto.Message) (any, error) {
	switch m := m.(type) {
	case *pb.Detections:
		return detectionsFromProto(m)
	case *pb.Tracks:
		return tracksFromProto(m)
	case *pb.LaneSet:
		return lanesFromProto(m)
	case *pb.Trajectory:
		return planFromProto(m)
	case *pb.FrameReport:
		return frameFromProto(m)
	case *pb.CameraState:
		return cameraFromProto(m)
	}
	return nil, fmt.Errorf("a %T is not a message of the bus", m)
}

func detectionsFromProto(m *pb.Detections) (*msg.Detections, error) {
	h, err := headerFromProto(m.GetHeader())
	if err != nil {
		return nil, err
	}
	out := &msg.Detections{
		Header: h,
		Width:  int(m.GetWidth()),
		Height: int(m.GetHeight()),
		By:     networkFromProto(m.GetBy()),
		Items:  sized[msg.Detection](len(m.GetItems())),
	}
	for i, in := range m.GetItems() {
		out.Items[i] = msg.Detection{
			Box:   boxFromProto(in.GetBox()),
			Class: int(in.GetClass()),
			Label: in.GetLabel(),
			Score: in.GetScore(),
		}
	}
	return out, nil
}

func tracksFromProto(m *pb.Tracks) (*msg.Tracks, error) {
	h, err := headerFromProto(m.GetHeader())
	if err != nil {
		return nil, err
	}
	out := &msg.Tracks{
		Header: h,
		Width:  int(m.GetWidth()),
		Height: int(m.GetHeight()),
		Only:   m.GetOnly(),
		Items:  sized[msg.Track](len(m.GetItems())),
	}
	if out.Ahead, err = durationFromProto("ahead", m.GetAhead()); err != nil {
		return nil, err
	}
	for i, in := range m.GetItems() {
		state, ok := trackStates.fromProto(in.GetState())
		if !ok {
			return nil, fmt.Errorf("state %d is not one that this version knows", in.GetState())
		}
		t := msg.Track{
			ID: in.GetId(), Class: int(in.GetClass()), Label: in.GetLabel(), Score: in.GetScore(), State: state,
			Measured: boxFromProto(in.GetMeasured()), Box: boxFromProto(in.GetBox()), Forecast: boxFromProto(in.GetForecast()),
			VX: in.GetVx(), VY: in.GetVy(), Sigma: in.GetSigma(),
		}
		if t.Unseen, err = durationFromProto("unseen", in.GetUnseen()); err != nil {
			return nil, err
		}
		if t.Detection, err = indexFromProto("detection", in.Detection, math.MaxUint32+1); err != nil {
			return nil, err
		}
		out.Items[i] = t
	}
	return out, nil
}

func boxFromProto(b *pb.Box) msg.Box {
	return msg.Box{X0: b.GetX0(), Y0: b.GetY0(), X1: b.GetX1(), Y1: b.GetY1()}
}

func lanesFromProto(m *pb.LaneSet) (*msg.LaneSet, error) {
	h, err := headerFromProto(m.GetHeader())
	if err != nil {
		return nil, err
	}
	out := &msg.LaneSet{
		Header:             h,
		Width:              int(m.GetWidth()),
		Height:             int(m.GetHeight()),
		By:                 networkFromProto(m.GetBy()),
		Lanes:              sized[msg.Lane](len(m.GetLanes())),
		Drivable:           pixelsFromProto(m.GetDrivable()),
		DrivableConfidence: m.GetDrivableConfidence(),
	}
	for i, in := range m.GetLanes() {
		out.Lanes[i] = msg.Lane{
			Points:     pixelsFromProto(in.GetPoints()),
			Curve:      cubicFromProto(in.GetCurve()),
			Confidence: in.GetConfidence(),
		}
	}
	if out.EgoLeft, err = indexFromProto("ego_left", m.EgoLeft, len(out.Lanes)); err != nil {
		return nil, err
	}
	if out.EgoRight, err = indexFromProto("ego_right", m.EgoRight, len(out.Lanes)); err != nil {
		return nil, err
	}
	return out, nil
}

func planFromProto(m *pb.Trajectory) (*msg.Trajectory, error) {
	h, err := headerFromProto(m.GetHeader())
	if err != nil {
		return nil, err
	}
	mode, ok := planModes.fromProto(m.GetMode())
	if !ok {
		return nil, fmt.Errorf("mode %d is not one that this version knows", m.GetMode())
	}
	lead, err := indexFromProto("lead_object", m.LeadObject, math.MaxUint32)
	if err != nil {
		return nil, err
	}
	out := &msg.Trajectory{
		Header:       h,
		Mode:         mode,
		Why:          m.GetWhy(),
		LeadObject:   lead,
		LeadDistance: m.GetLeadDistance(),
		LeadSpeed:    m.GetLeadSpeed(),
		Points:       sized[msg.TrajectoryPoint](len(m.GetPoints())),
	}
	for i, in := range m.GetPoints() {
		out.Points[i] = msg.TrajectoryPoint{
			T:            in.GetT(),
			Position:     msg.Ground{X: in.GetPosition().GetX(), Y: in.GetPosition().GetY()},
			Heading:      in.GetHeading(),
			Speed:        in.GetSpeed(),
			Acceleration: in.GetAcceleration(),
			Curvature:    in.GetCurvature(),
		}
	}
	return out, nil
}

func frameFromProto(m *pb.FrameReport) (*msg.FrameReport, error) {
	h, err := headerFromProto(m.GetHeader())
	if err != nil {
		return nil, err
	}
	outcome, ok := outcomes.fromProto(m.GetOutcome())
	if !ok {
		return nil, fmt.Errorf("outcome %d is not one that this version knows", m.GetOutcome())
	}
	out := &msg.FrameReport{
		Header:   h,
		Outcome:  outcome,
		Stage:    m.GetStage(),
		Reason:   m.GetReason(),
		Detail:   m.GetDetail(),
		Stages:   sized[msg.StageTime](len(m.GetStages())),
		Networks: sized[msg.Network](len(m.GetNetworks())),
		Rung:     m.GetRung(),
		Canary:   m.GetCanary(),
	}
	if out.Predicted, err = durationFromProto("predicted", m.GetPredicted()); err != nil {
		return nil, err
	}
	if out.Lag, err = durationFromProto("lag", m.GetLag()); err != nil {
		return nil, err
	}
	if out.Age, err = durationFromProto("age", m.GetAge()); err != nil {
		return nil, err
	}
	if out.Deadline, err = durationFromProto("deadline", m.GetDeadline()); err != nil {
		return nil, err
	}
	for i, in := range m.GetStages() {
		out.Stages[i].Stage = in.GetStage()
		if out.Stages[i].Took, err = durationFromProto("took", in.GetTook()); err != nil {
			return nil, err
		}
	}
	for i, in := range m.GetNetworks() {
		out.Networks[i] = networkFromProto(in)
	}
	return out, nil
}

func cameraFromProto(m *pb.CameraState) (*msg.CameraState, error) {
	status, ok := cameraStates.fromProto(m.GetStatus())
	if !ok {
		return nil, fmt.Errorf("status %d is not one that this version knows", m.GetStatus())
	}
	out := &msg.CameraState{
		Camera:     m.GetCamera(),
		Status:     status,
		Detail:     m.GetDetail(),
		Transport:  m.GetTransport(),
		Codec:      m.GetCodec(),
		Sessions:   m.GetSessions(),
		Packets:    m.GetPackets(),
		Lost:       m.GetLost(),
		ClockDrift: m.GetClockDrift(),
		ClockSteps: m.GetClockSteps(),
	}
	var err error
	if out.At, err = timeFromProto("at", m.GetAt()); err != nil {
		return nil, err
	}
	if out.Clock, err = clockFromProto("clock", m.GetClock()); err != nil {
		return nil, err
	}
	out.ClockOffset, err = durationFromProto("clock_offset", m.GetClockOffset())
	return out, err
}

func clockFromProto(name string, e pb.CaptureClock) (msg.CaptureClock, error) {
	c, ok := captureClocks.fromProto(e)
	if !ok {
		return "", fmt.Errorf("%s %d is not one that this version knows", name, e)
	}
	return c, nil
}

func headerFromProto(m *pb.Header) (h msg.Header, err error) {
	h.Camera = m.GetCamera()
	h.Seq = m.GetSeq()
	if h.CapturedAt, err = timeFromProto("captured_at", m.GetCapturedAt()); err != nil {
		return h, err
	}
	if h.CaptureClock, err = clockFromProto("capture_clock", m.GetCaptureClock()); err != nil {
		return h, err
	}
	if h.Arrived, err = durationFromProto("arrived", m.GetArrived()); err != nil {
		return h, err
	}
	h.PTS, err = durationFromProto("pts", m.GetPts())
	return h, err
}

func timeFromProto(name string, m *timestamppb.Timestamp) (time.Time, error) {
	if m == nil {
		return time.Time{}, nil
	}
	if err := m.CheckValid(); err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	return m.AsTime(), nil
}

func durationFromProto(name string, m *durationpb.Duration) (time.Duration, error) {
	if m == nil {
		return 0, nil
	}
	if err := m.CheckValid(); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return m.AsDuration(), nil
}

func networkFromProto(m *pb.Network) msg.Network {
	return msg.Network{Name: m.GetName(), Engine: m.GetEngine(), Requested: m.GetRequested(), Backend: m.GetBackend()}
}

func cubicFromProto(m *pb.Cubic) msg.Cubic {
	return msg.Cubic{C: [4]float64{m.GetC0(), m.GetC1(), m.GetC2(), m.GetC3()}, X0: m.GetX0(), X1: m.GetX1()}
}

func pixelsFromProto(in []*pb.Pixel) []msg.Pixel {
	out := sized[msg.Pixel](len(in))
	for i, p := range in {
		out[i] = msg.Pixel{X: p.GetX(), Y: p.GetY()}
	}
	return out
}

// indexFromProto is -1 where the index is absent.
func indexFromProto(name string, v *uint32, n int) (int, error) {
	if v == nil {
		return -1, nil
	}
	if int64(*v) >= int64(n) {
		return 0, fmt.Errorf("%s is %d of %d", name, *v, n)
	}
	return int(*v), nil
}

// sized is nil for 0, so that a value read equals the one sent.
func sized[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, n)
}
