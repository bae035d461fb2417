package bus

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "dashline/pipeline/bus/dashlinev1"
)

// Kind is what a message is about. It is the last token of its subject.
type Kind string

// The kinds.
const (
	KindDetections Kind = "detections"
	KindTracks     Kind = "tracks"
	KindLanes      Kind = "lanes"
	KindPlan       Kind = "plan"
	KindFrames     Kind = "frames"
	KindCamera     Kind = "camera"
)

// Topic describes one kind of message.
type Topic struct {
	Kind    Kind
	Subject string // pattern, with <vehicle> and <camera> to be filled in
	Schema  string // full name of its Protobuf message
	Rate    string // how often it is published, for people
	new     func() proto.Message
}

// prefix is the first token of every subject.
const prefix = "dashline"

// topics is the one table of what goes over the bus. The publisher, the
// listener, the decoder and the documentation's test read it; nothing changes it.
var topics = [...]Topic{
	{KindDetections, "dashline.<vehicle>.<camera>.detections", "dashline.v1.Detections",
		"one for each frame that detection finished", func() proto.Message { return new(pb.Detections) }},
	{KindTracks, "dashline.<vehicle>.<camera>.tracks", "dashline.v1.Tracks",
		"one for each frame on which objects were followed, with a detector's run or without", func() proto.Message { return new(pb.Tracks) }},
	{KindLanes, "dashline.<vehicle>.<camera>.lanes", "dashline.v1.LaneSet",
		"one for each frame that lane finding finished", func() proto.Message { return new(pb.LaneSet) }},
	{KindPlan, "dashline.<vehicle>.<camera>.plan", "dashline.v1.Trajectory",
		"one for each frame that was planned on", func() proto.Message { return new(pb.Trajectory) }},
	{KindFrames, "dashline.<vehicle>.<camera>.frames", "dashline.v1.FrameReport",
		"exactly one for each frame that the source produced, after its other messages", func() proto.Message { return new(pb.FrameReport) }},
	{KindCamera, "dashline.<vehicle>.<camera>.camera", "dashline.v1.CameraState",
		"for a live camera: at each change of its state, and every few seconds", func() proto.Message { return new(pb.CameraState) }},
}

// Topics returns the table of what goes over the bus, one row a kind.
func Topics() []Topic { return append([]Topic(nil), topics[:]...) }

func topicOf(k Kind) (Topic, bool) {
	for _, t := range topics {
		if t.Kind == k {
			return t, true
		}
	}
	return Topic{}, false
}

// maxName is the longest name of a vehicle or camera, in bytes.
const maxName = 64

// CheckName says whether name can be the name of a vehicle or camera, which is
// a token of a subject: 1 to 64 of A-Z, a-z, 0-9, '_' and '-'. NATS itself
// would take more, but dots, spaces and wildcards change what a subject means.
func CheckName(name string) error {
	if name == "" {
		return errors.New("the name is empty: give it 1 to 64 letters, digits, '_' or '-'")
	}
	if len(name) > maxName {
		return fmt.Errorf("the name %.16q... has %d bytes: use at most %d", name, len(name), maxName)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
		default:
			return fmt.Errorf("the name %q has %q in it, which cannot be in a subject: use letters, digits, '_' and '-'", name, r)
		}
	}
	return nil
}

// Subject returns the subject of one camera's messages of one kind.
func Subject(vehicle, camera string, k Kind) (string, error) {
	t, ok := topicOf(k)
	if !ok {
		return "", fmt.Errorf("there is no kind of message %q: use one of %s", k, kinds())
	}
	if err := CheckName(vehicle); err != nil {
		return "", fmt.Errorf("vehicle: %w", err)
	}
	if err := CheckName(camera); err != nil {
		return "", fmt.Errorf("camera: %w", err)
	}
	return strings.NewReplacer("<vehicle>", vehicle, "<camera>", camera).Replace(t.Subject), nil
}

// ParseSubject is the inverse of [Subject].
func ParseSubject(subject string) (vehicle, camera string, k Kind, err error) {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 || parts[0] != prefix {
		return "", "", "", fmt.Errorf("subject %.200q is not %s.<vehicle>.<camera>.<kind>", subject, prefix)
	}
	if err := CheckName(parts[1]); err != nil {
		return "", "", "", fmt.Errorf("subject %.200q: vehicle: %w", subject, err)
	}
	if err := CheckName(parts[2]); err != nil {
		return "", "", "", fmt.Errorf("subject %.200q: camera: %w", subject, err)
	}
	if _, ok := topicOf(Kind(parts[3])); !ok {
		return "", "", "", fmt.Errorf("subject %.200q: kind %q is not one of %s", subject, parts[3], kinds())
	}
	return parts[1], parts[2], Kind(parts[3]), nil
}

func kinds() string {
	var names []string
	for _, t := range topics {
		names = append(names, string(t.Kind))
	}
	return strings.Join(names, ", ")
}
