package bus

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	pb "dashline/pipeline/bus/dashlinev1"
	"dashline/pipeline/msg"
)

// wire is what the publisher would send for v.
func wire(t testing.TB, v any) (string, nats.Header, []byte) {
	t.Helper()
	payload, err := appendMessage(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	topic := topics[topicIndex(t, v)]
	camera, h := frameOf(v)
	subject, err := Subject("car", camera, topic.Kind)
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{Header: nats.Header{}}
	fill(m, entry{subject: subject, schema: topic.Schema, count: 7, payload: payload}.of(h))
	return m.Subject, m.Header, m.Data
}

func topicIndex(t testing.TB, v any) int {
	t.Helper()
	m, err := ToProto(v)
	if err != nil {
		t.Fatal(err)
	}
	for i := range topics {
		if topics[i].Schema == string(m.ProtoReflect().Descriptor().FullName()) {
			return i
		}
	}
	t.Fatalf("no topic carries %T", v)
	return -1
}

func TestWhatIsSentIsWhatIsRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sent := genAny().Draw(rt, "value")
		got, err := Decode(wire(t, sent))
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(got.Value, sent) {
			rt.Fatalf("read %+v\nsent %+v", got.Value, sent)
		}
		again, err := ToProto(got.Value)
		if err != nil {
			rt.Fatal(err)
		}
		if !proto.Equal(got.Proto, again) {
			rt.Fatalf("encoding it again gives %v, was %v", again, got.Proto)
		}
	})
}

func TestNotANumberSurvives(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(-1)
	got, err := Decode(wire(t, &msg.LaneSet{
		Header: msg.Header{Camera: "front"}, EgoLeft: -1, EgoRight: -1,
		Lanes: []msg.Lane{{Curve: msg.Cubic{C: [4]float64{nan, inf}}, Confidence: float32(nan)}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	lane := got.Value.(*msg.LaneSet).Lanes[0]
	if !math.IsNaN(lane.Curve.C[0]) || !math.IsInf(lane.Curve.C[1], -1) || lane.Confidence == lane.Confidence {
		t.Errorf("read %+v", lane)
	}
}

// Every field of the values must reach the wire: one that is added to msg and
// forgotten here would be lost without a word.
func TestEveryFieldReachesTheWire(t *testing.T) {
	for _, v := range []any{new(msg.Detections), new(msg.Tracks), new(msg.LaneSet), new(msg.Trajectory), new(msg.FrameReport), new(msg.CameraState)} {
		filled := reflect.ValueOf(v).Elem()
		setAll(t, filled)
		switch v := v.(type) {
		case *msg.Trajectory:
			v.Mode = msg.PlanFollow
		case *msg.FrameReport:
			v.Outcome = msg.Late
		case *msg.CameraState:
			v.Status = msg.CameraStalled
		case *msg.Tracks:
			v.Items[0].State = msg.TrackCoasting
		case *msg.LaneSet:
			v.EgoLeft, v.EgoRight = 0, 0
		}
		m, err := ToProto(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := FromProto(m)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, v) {
			t.Errorf("read %+v\nsent %+v", got, v)
		}
	}
}

// setAll sets every field below v to something that is not its zero value.
func setAll(t *testing.T, v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000, 123_456_789).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			setAll(t, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			setAll(t, v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		setAll(t, v.Index(0))
	case reflect.String:
		if v.Type() == reflect.TypeFor[msg.CaptureClock]() {
			v.SetString(string(msg.ArrivalClock))
			return
		}
		v.SetString("front")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64:
		v.SetUint(4)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.5)
	default:
		t.Fatalf("a %s in a value of the bus: say here how to set it", v.Type())
	}
}

func TestEncodeRefusesWhatTheSchemaCannotHold(t *testing.T) {
	header := msg.Header{Camera: "front"}
	tests := []struct {
		name  string
		value any
		want  string
	}{
		{"negative width", &msg.Detections{Header: header, Width: -1}, "width -1"},
		{"huge height", &msg.LaneSet{Header: header, Height: math.MaxUint32 + 1}, "height 4294967296"},
		{"negative class", &msg.Detections{Header: header, Items: []msg.Detection{{Class: -1}}}, "class -1"},
		{"negative class of a track", &msg.Tracks{Header: header, Items: []msg.Track{{Class: -1}}}, "class -1"},
		{"huge index of a detection", &msg.Tracks{Header: header, Items: []msg.Track{{Detection: math.MaxUint32 + 1}}}, "detection 4294967296"},
		{"unknown state", &msg.Tracks{Header: header, Items: []msg.Track{{State: "dead"}}}, "state dead"},
		{"boundary that is not there", &msg.LaneSet{Header: header, EgoLeft: 1, EgoRight: -1, Lanes: make([]msg.Lane, 1)}, "ego left 1"},
		{"unknown mode", &msg.Trajectory{Header: header, Mode: "fly"}, `no mode "fly"`},
		{"unknown outcome", &msg.FrameReport{Header: header, Outcome: "lost"}, `no outcome "lost"`},
		{"unknown clock", &msg.Detections{Header: msg.Header{Camera: "front", CaptureClock: "sundial"}}, "capture clock sundial"},
		{"unknown status", &msg.CameraState{Camera: "front", Status: "asleep"}, `no status "asleep"`},
		{"unknown clock of a camera", &msg.CameraState{Camera: "front", Clock: "sundial"}, "capture clock sundial"},
		{"too large", &msg.LaneSet{Header: header, EgoLeft: -1, EgoRight: -1, Drivable: manyPixels(60_000)}, "more than the 524288"},
		{"not a message", 1, "a int is not a message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := appendMessage(nil, tt.value)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func manyPixels(n int) []msg.Pixel {
	p := make([]msg.Pixel, n)
	for i := range p {
		p[i] = msg.Pixel{X: 1, Y: float32(i)}
	}
	return p
}

func TestTextThatIsNotUTF8(t *testing.T) {
	got, err := Decode(wire(t, &msg.FrameReport{Header: msg.Header{Camera: "front"}, Detail: "bad \xff byte"}))
	if err != nil {
		t.Fatal(err)
	}
	if detail := got.Value.(*msg.FrameReport).Detail; detail != "bad \uFFFD byte" {
		t.Errorf("detail is %q", detail)
	}
}

func TestCaptureTimeOutsideTheCalendarIsNotKnown(t *testing.T) {
	for _, at := range []time.Time{time.Unix(1<<40, 0), time.Unix(-1<<40, 0)} {
		m, err := ToProto(&msg.Detections{Header: msg.Header{CapturedAt: at}})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.(*pb.Detections).Header.CapturedAt; got != nil {
			t.Errorf("%v became %v", at, got)
		}
	}
}

// Publishing costs a fixed number of allocations, not one for each object.
func TestEncodingAllocationsDoNotGrowWithObjects(t *testing.T) {
	count := func(objects int) float64 {
		d := &msg.Detections{Header: msg.Header{Camera: "front"}, Items: make([]msg.Detection, objects)}
		var b []byte
		return testing.AllocsPerRun(20, func() {
			var err error
			if b, err = appendMessage(b[:0], d); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := count(2), count(200)
	if many > few {
		t.Errorf("%v allocations for 2 objects, %v for 200", few, many)
	}
	tracks := func(n int) float64 {
		v := &msg.Tracks{Header: msg.Header{Camera: "front"}, Items: make([]msg.Track, n)}
		for i := range v.Items {
			v.Items[i] = msg.Track{ID: uint64(i), Measured: msg.Box{X1: 9, Y1: 9}, Unseen: time.Second, State: msg.TrackCoasting}
		}
		var b []byte
		return testing.AllocsPerRun(20, func() {
			var err error
			if b, err = appendMessage(b[:0], v); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := tracks(2), tracks(200); many > few {
		t.Errorf("%v allocations for 2 tracks, %v for 200", few, many)
	}
}

func BenchmarkEncodeDetections(b *testing.B) {
	d := &msg.Detections{Header: msg.Header{Camera: "front", CapturedAt: time.Unix(1_700_000_000, 5)}, Width: 1280, Height: 720}
	for i := range 20 {
		d.Items = append(d.Items, msg.Detection{Box: msg.Box{X0: float32(i), Y0: 1, X1: 300, Y1: 200}, Class: 2, Label: "car", Score: 0.5})
	}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = appendMessage(buf[:0], d); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}
