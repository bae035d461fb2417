package record

import (
	"bufio"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/foxglove/mcap/go/mcap"
	"google.golang.org/protobuf/proto"

	"dashline/lanes/ground"
	"dashline/pipeline/bus"
	"dashline/pipeline/msg"
	"dashline/pipeline/record/container"
	"dashline/pipeline/record/recordv1"
)

const (
	profile = "dashline" // of the file's header: the rules of this package hold
	library = "dashline"

	// maxCameras bounds the channels of one file.
	maxCameras = 1024

	configName = "dashline.yaml"   // attachment
	fileNotes  = "dashline"        // metadata
	cameraNote = "dashline.camera" // metadata, one a calibration
)

// sink encodes values into an MCAP file. It belongs to the writer's goroutine.
// The first error of the file ends it; encoding errors cost one value.
type sink struct {
	o   Options
	out *bufio.Writer
	mw  *mcap.Writer
	mo  *mcap.WriterOptions
	err error
	// whole is how many bytes of the file are whole chunks and what is between.
	whole   uint64
	pending [len(kinds)]uint64 // values in the open chunk
	written bool               // whether the open chunk has anything

	schemas  map[string]uint16   // by full name
	channels map[string]*channel // by topic
	kindOf   map[string]bus.Kind // of the bus's schemas
	cameras  map[string]*view
	buf      []byte
}

// channel is one topic of the file.
type channel struct {
	id  uint16
	seq uint32
}

func newSink(out *bufio.Writer, o Options, now uint64) (*sink, error) {
	s := &sink{
		o: o, out: out,
		schemas:  map[string]uint16{},
		channels: map[string]*channel{},
		kindOf:   map[string]bus.Kind{},
		cameras:  map[string]*view{},
	}
	for _, t := range bus.Topics() {
		s.kindOf[t.Schema] = t.Kind
	}
	var err error
	if s.mo, err = container.WriterOptions(string(o.Compression), o.ChunkBytes); err != nil {
		return nil, err
	}
	if s.mw, err = mcap.NewWriter(out, s.mo); err != nil {
		return nil, err
	}
	if err := s.mw.WriteHeader(&mcap.Header{Profile: profile, Library: strings.TrimSpace(library + " " + o.Version)}); err != nil {
		return nil, err
	}
	notes := map[string]string{"vehicle": o.Vehicle, "version": o.Version, "format": "1"}
	if err := s.mw.WriteMetadata(&mcap.Metadata{Name: fileNotes, Metadata: notes}); err != nil {
		return nil, err
	}
	if o.Config != "" {
		text := withoutCredentials(o.Config)
		if err := s.mw.WriteAttachment(&mcap.Attachment{
			LogTime: now, CreateTime: now, Name: configName, MediaType: "application/yaml",
			DataSize: uint64(len(text)), Data: strings.NewReader(text),
		}); err != nil {
			return nil, err
		}
	}
	if err := out.Flush(); err != nil {
		return nil, err
	}
	s.whole = s.mw.Offset()
	return s, nil
}

var (
	// address finds user and password in an address. It takes too much rather
	// than leave the rest of a password with @ or / in it.
	address = regexp.MustCompile(`://[^\s"']*@`)
	// secret finds the value of a key that is one.
	secret = regexp.MustCompile(`(?mi)^([ \t-]*[\w.]*(?:password|passphrase|secret|token)[ \t]*:[ \t]*)\S.*$`)
)

// withoutCredentials is the second line of defence: the configuration should
// have none.
func withoutCredentials(text string) string {
	return secret.ReplaceAllString(address.ReplaceAllString(text, "://***@"), "${1}***")
}

// fail keeps the first error of the file.
func (s *sink) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// open says whether a chunk is begun.
func (s *sink) open() bool { return s.written }

func (s *sink) chunks() int { return len(s.mw.ChunkIndexes) }

// How a message ends its chunk.
type chunking int

const (
	asLarge chunking = iota // when it is large enough
	hold                    // not: what belongs to the message follows
	end                     // in any case
)

// put writes one message. Its error is one of encoding.
func (s *sink) put(ch *channel, seq uint32, at uint64, captured time.Time, m proto.Message, how chunking) error {
	if s.err != nil {
		return s.err
	}
	var err error
	if s.buf, err = (proto.MarshalOptions{}).MarshalAppend(s.buf[:0], m); err != nil {
		return fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	// The library looks at the size after each message, and only then.
	switch how {
	case asLarge:
		s.mo.ChunkSize = int64(s.o.ChunkBytes)
	case hold:
		s.mo.ChunkSize = math.MaxInt64
	case end:
		s.mo.ChunkSize = 1
	}
	before := s.chunks()
	s.written = true
	err = s.mw.WriteMessage(&mcap.Message{ChannelID: ch.id, Sequence: seq, LogTime: at, PublishTime: nanos(captured, at), Data: s.buf})
	if err == nil && s.chunks() > before {
		s.written = false
		err = s.flush()
	}
	if err != nil {
		s.fail(err)
	}
	return s.err
}

func (s *sink) flush() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	s.whole = s.mw.Offset()
	return nil
}

// add is put with the next sequence number of the topic.
func (s *sink) add(topic, camera string, at uint64, captured time.Time, m proto.Message) error {
	ch, err := s.channel(topic, camera, m)
	if err != nil {
		return err
	}
	if err := s.put(ch, ch.seq+1, at, captured, m, asLarge); err != nil {
		return err // and the number is the next message's
	}
	ch.seq++
	return nil
}

// channel returns the topic's channel, which it makes at the first message.
func (s *sink) channel(topic, camera string, m proto.Message) (*channel, error) {
	if ch := s.channels[topic]; ch != nil {
		return ch, nil
	}
	if s.err != nil {
		return nil, s.err
	}
	name, set := describe(m)
	id, ok := s.schemas[name]
	if !ok {
		id = uint16(len(s.schemas) + 1)
		if err := s.mw.WriteSchema(&mcap.Schema{ID: id, Name: name, Encoding: "protobuf", Data: set}); err != nil {
			s.fail(err)
			return nil, err
		}
		s.schemas[name] = id
	}
	notes := map[string]string{}
	if camera != "" {
		notes["camera"] = camera
	}
	ch := &channel{id: uint16(len(s.channels) + 1)}
	if err := s.mw.WriteChannel(&mcap.Channel{ID: ch.id, SchemaID: id, Topic: topic, MessageEncoding: "protobuf", Metadata: notes}); err != nil {
		s.fail(err)
		return nil, err
	}
	s.written = true
	s.channels[topic] = ch
	return ch, nil
}

// write encodes one value and all its views.
func (s *sink) write(it *item) error {
	v, err := s.view(it.camera)
	if err != nil {
		return err
	}
	switch value := it.value.(type) {
	case nil:
		return s.packet(v, it.at, &it.packet)
	case ground.Camera:
		return s.calibration(v, it.at, value)
	case *msg.Detections:
		return s.detections(v, it.at, value)
	case *msg.Tracks:
		return s.tracks(v, it.at, value)
	case *msg.LaneSet:
		return s.lanes(v, it.at, value)
	case *msg.Trajectory:
		return s.plan(v, it.at, value)
	case *msg.FrameReport:
		return s.frame(v, it.at, value)
	case *msg.CameraState:
		return s.state(v, it.at, value)
	}
	return fmt.Errorf("a %T cannot be recorded", it.value)
}

// published writes the message that goes over the bus.
func (s *sink) published(v *view, at uint64, captured time.Time, value any) error {
	m, err := bus.ToProto(value)
	if err != nil {
		return err
	}
	kind, ok := s.kindOf[string(m.ProtoReflect().Descriptor().FullName())]
	if !ok {
		return fmt.Errorf("%T has no topic on the bus", value)
	}
	topic, err := bus.Subject(s.o.Vehicle, v.camera, kind)
	if err != nil {
		return err
	}
	return s.add(topic, v.camera, at, captured, m)
}

// account writes the recorder's own account, which ends the chunk.
func (s *sink) account(counts [len(kinds)]Count, at uint64) {
	m := &recordv1.RecorderAccount{}
	for k, c := range counts {
		m.Kinds = append(m.Kinds, &recordv1.KindAccount{Kind: string(kinds[k]), Offered: c.Offered, Dropped: c.Dropped})
	}
	ch, err := s.channel("dashline."+s.o.Vehicle+".recorder", "", m)
	if err != nil {
		return
	}
	ch.seq++
	_ = s.put(ch, ch.seq, at, time.Time{}, m, end) // fail has kept the error
}

// finish writes the index and ends the file.
func (s *sink) finish() {
	if err := s.mw.Close(); err != nil {
		s.fail(err)
		return
	}
	if err := s.flush(); err != nil {
		s.fail(err)
	}
}

// nanos is t as MCAP has it, or instead where t is not known or not after 1970.
func nanos(t time.Time, instead uint64) uint64 {
	if t.IsZero() || t.Year() < 1970 || t.Year() > 2261 {
		return instead
	}
	return uint64(t.UnixNano())
}
