package bus

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "dashline/pipeline/bus/dashlinev1"
	"dashline/pipeline/msg"
)

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	lanes := &msg.LaneSet{Header: msg.Header{Camera: "front", Seq: 5, CapturedAt: time.Unix(9, 0)}, EgoLeft: -1, EgoRight: -1}
	index := uint32(3)
	marshal := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	header := &pb.Header{Camera: "front", Seq: 5, CapturedAt: timestamppb.New(time.Unix(9, 0))}
	tests := []struct {
		name   string
		change func(subject *string, h nats.Header, payload *[]byte)
		want   string
	}{
		{"foreign subject", func(s *string, _ nats.Header, _ *[]byte) { *s = "weather.rain" }, "is not dashline.<vehicle>"},
		{"unknown kind", func(s *string, _ nats.Header, _ *[]byte) { *s = "dashline.car.front.sound" }, `kind "sound" is not one of`},
		{"another camera", func(s *string, _ nats.Header, _ *[]byte) { *s = "dashline.car.rear.lanes" }, `the payload is of camera "front"`},
		{"no schema", func(_ *string, h nats.Header, _ *[]byte) { delete(h, HeaderSchema) }, `Dashline-Schema is ""`},
		{"newer schema", func(_ *string, h nats.Header, _ *[]byte) { h.Set(HeaderSchema, "dashline.v2.LaneSet") }, `this version reads "dashline.v1.LaneSet"`},
		{"no count", func(_ *string, h nats.Header, _ *[]byte) { h.Set(HeaderCount, "many") }, `"many" is not a count`},
		{"another seq", func(_ *string, h nats.Header, _ *[]byte) { h.Set(HeaderSeq, "6") }, `Dashline-Seq is "6", the payload says 5`},
		{"another time", func(_ *string, h nats.Header, _ *[]byte) { h.Set(HeaderCapturedAt, "noon") }, `Dashline-Captured-At is "noon"`},
		{"not protobuf", func(_ *string, _ nats.Header, p *[]byte) { *p = []byte{0xff} }, "the payload is not a dashline.v1.LaneSet"},
		{"cut off", func(_ *string, _ nats.Header, p *[]byte) { *p = (*p)[:len(*p)-1] }, "the payload is not a dashline.v1.LaneSet"},
		{"huge", func(_ *string, _ nats.Header, p *[]byte) { *p = make([]byte, MaxPayload+1) }, "has 524289 bytes"},
		{"boundary that is not there", func(_ *string, _ nats.Header, p *[]byte) {
			*p = marshal(&pb.LaneSet{Header: header, EgoLeft: &index})
		}, "ego_left is 3 of 0"},
		{"impossible time", func(_ *string, _ nats.Header, p *[]byte) {
			*p = marshal(&pb.LaneSet{Header: &pb.Header{CapturedAt: &timestamppb.Timestamp{Nanos: -1}}})
		}, "captured_at"},
		{"impossible duration", func(_ *string, _ nats.Header, p *[]byte) {
			*p = marshal(&pb.LaneSet{Header: &pb.Header{Pts: &durationpb.Duration{Seconds: 1, Nanos: -1}}})
		}, "pts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			subject, h, payload := wire(t, lanes)
			tt.change(&subject, h, &payload)
			_, err := Decode(subject, h, payload)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	for _, m := range []proto.Message{
		&pb.Trajectory{Mode: 99}, &pb.FrameReport{Outcome: -1}, &pb.Box{},
		&pb.Tracks{Items: []*pb.Track{{State: 99}}}, &pb.Tracks{Ahead: &durationpb.Duration{Seconds: 1, Nanos: -1}},
		&pb.Tracks{Items: []*pb.Track{{Unseen: &durationpb.Duration{Seconds: 1, Nanos: -1}}}},
		&pb.CameraState{Status: 99}, &pb.CameraState{Clock: -1}, &pb.Detections{Header: &pb.Header{CaptureClock: 99}},
		&pb.CameraState{At: &timestamppb.Timestamp{Nanos: -1}}, &pb.CameraState{ClockOffset: &durationpb.Duration{Seconds: 1, Nanos: -1}},
	} {
		if _, err := FromProto(m); err == nil {
			t.Errorf("%T %v was taken", m, m)
		}
	}
}

// The state of a camera is of no frame, and its headers must not say otherwise.
func TestCameraStateIsOfNoFrame(t *testing.T) {
	state := &msg.CameraState{Camera: "front", Status: msg.CameraStreaming}
	subject, h, payload := wire(t, state)
	if h.Get(HeaderSeq) != "" || h.Get(HeaderCapturedAt) != "" || h.Get(HeaderCount) != "7" {
		t.Errorf("headers %v", h)
	}
	if m, err := Decode(subject, h, payload); err != nil || !reflect.DeepEqual(m.Value, state) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, name := range []string{HeaderSeq, HeaderCapturedAt} {
		_, h, _ := wire(t, state)
		h.Set(name, "0")
		if _, err := Decode(subject, h, payload); err == nil || !strings.Contains(err.Error(), "of no frame") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Decode("dashline.car.rear.camera", h, payload); err == nil || !strings.Contains(err.Error(), `of camera "front"`) {
		t.Errorf("another camera: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for i, v := range []any{
		&msg.Detections{Header: msg.Header{Camera: "front", Seq: 1, CapturedAt: time.Unix(1_700_000_000, 1).UTC()},
			Items: []msg.Detection{{Class: 2, Label: "car", Score: 0.5}}},
		&msg.Tracks{Header: msg.Header{Camera: "front", Seq: 2}, Ahead: 80 * time.Millisecond, Only: true, Items: []msg.Track{
			{ID: 7, Class: 2, Label: "car", Score: 0.5, State: msg.TrackCoasting, Box: msg.Box{X0: 1, Y0: 2, X1: 30, Y1: 40}, VX: -3, Sigma: 2, Unseen: time.Second, Detection: -1}}},
		&msg.LaneSet{Header: msg.Header{Camera: "front"}, Lanes: make([]msg.Lane, 2), EgoRight: 1},
		&msg.Trajectory{Header: msg.Header{Camera: "front"}, LeadObject: -1, Points: make([]msg.TrajectoryPoint, 2)},
		&msg.FrameReport{Header: msg.Header{Camera: "front"}, Stages: make([]msg.StageTime, 2)},
		&msg.CameraState{Camera: "front", At: time.Unix(1_700_000_000, 1).UTC(), Status: msg.CameraStalled, Detail: "no picture for 1.2 s",
			Transport: "udp", Codec: "h264", Sessions: 2, Packets: 900, Lost: 7, Clock: msg.SenderClock, ClockOffset: time.Millisecond, ClockDrift: -40, ClockSteps: 1},
	} {
		subject, h, payload := wire(f, v)
		f.Add(subject, h.Get(HeaderSchema), strconv.Itoa(i), h.Get(HeaderSeq), h.Get(HeaderCapturedAt), payload)
	}
	f.Fuzz(func(t *testing.T, subject, schema, count, seq, captured string, payload []byte) {
		h := nats.Header{HeaderSchema: {schema}, HeaderCount: {count}, HeaderSeq: {seq}, HeaderCapturedAt: {captured}}
		m, err := Decode(subject, h, payload)
		if err != nil || len(payload) > MaxPayload/8 {
			return // a payload that leaves out what we write may grow beyond the bound
		}
		// What was taken can be sent on, and is then read as the same.
		b, err := appendMessage(nil, m.Value)
		if err != nil {
			t.Fatalf("taken but not encoded: %v", err)
		}
		again, err := Decode(subject, h, b)
		if err != nil {
			t.Fatalf("not read again: %v", err)
		}
		if !reflect.DeepEqual(nanless(t, m.Value), nanless(t, again.Value)) {
			t.Fatalf("read %+v\nthen %+v", m.Value, again.Value)
		}
	})
}

// nanless compares by the encoding, where NaN equals itself.
func nanless(t *testing.T, v any) string {
	b, err := appendMessage(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
