package record

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"dashline/lanes/ground"
	"dashline/pipeline/bus"
	"dashline/pipeline/msg"
	"dashline/pipeline/record/container"
	"dashline/pipeline/record/recordv1"
)

// Progress is told how far a file was read, bytes. It may be nil.
type Progress = container.Progress

// Reader reads a recording. It is for one goroutine at a time; whoever reads two
// cameras side by side opens the file twice.
type Reader struct {
	file    *container.File
	vehicle string
	cameras map[string]ground.Camera
}

// Open opens a recording. One that was cut off opens up to its last whole chunk;
// see [Info.Cut]. End it with Close.
func Open(path string) (*Reader, error) { return OpenProgress(path, nil) }

// OpenProgress is [Open] that says how far it is: a file without its index is
// read through and unpacked, which for a large one takes a while.
func OpenProgress(path string, p Progress) (*Reader, error) {
	f, err := container.Open(path, p)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r, err := newReader(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open recording: %s: %w", path, err), f.Close())
	}
	return r, nil
}

func newReader(f *container.File) (*Reader, error) {
	r := &Reader{file: f, cameras: map[string]ground.Camera{}}
	if f.Outside > 0 {
		f.Say("%d messages outside chunks, which are not read", f.Outside)
	}
	for _, m := range f.Metadata {
		switch m.Name {
		case fileNotes:
			r.vehicle = m.Metadata["vehicle"]
		case cameraNote:
			name, c, err := cameraFromNotes(m.Metadata)
			if err != nil {
				f.Say("%v", err)
				continue
			}
			r.cameras[name] = c
		}
	}
	if n := len(r.cameraNames()); n > maxCameras {
		return nil, fmt.Errorf("it has %d cameras, and a recording holds at most %d: it is not one of this program, or it is damaged", n, maxCameras)
	}
	return r, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Problems are what was found wrong so far, one a line: chunks that are damaged,
// messages that cannot be read. A file without any gives none.
func (r *Reader) Problems() []string { return r.file.Problems() }

// Calibration is the description of a camera, the latest where there are
// several; ok is false where the recording has none.
func (r *Reader) Calibration(camera string) (c ground.Camera, ok bool) {
	c, ok = r.cameras[camera]
	return c, ok
}

// Cameras are the names of the cameras whose packets are in the recording,
// sorted.
func (r *Reader) Cameras() []string {
	var names []string
	for _, c := range r.file.Channels {
		name := c.Metadata["camera"]
		if name != "" && c.Topic == packetsTopic(r.vehicle, name) && r.schemaOf(c.SchemaID) == packetSchema {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

const packetSchema = "dashline.v1.Packet"

func (r *Reader) schemaOf(id uint16) string {
	if s := r.file.Schemas[id]; s != nil {
		return s.Name
	}
	return ""
}

// Config is the configuration that the recording was made with, YAML without
// credentials; empty where the recording has none.
func (r *Reader) Config() string { return configIn(r.file.Attachments()) }

// ConfigOf is [Reader.Config] of a recording that is not open. It reads what is
// before the first chunk, also where the file has no index.
func ConfigOf(path string) (string, error) {
	front, err := container.Front(path)
	if err != nil {
		return "", fmt.Errorf("read the configuration of a recording: %w", err)
	}
	return configIn(front), nil
}

func configIn(all []container.Attachment) string {
	for _, a := range all {
		if a.Name == configName {
			return string(a.Data)
		}
	}
	return ""
}

// Query says which messages are wanted. The zero value is all of them.
type Query struct {
	Topics   []string  // nil for all
	From, To time.Time // log times, To excluded; zero is no bound
}

// Message is one message of a recording.
type Message struct {
	Topic, Schema string
	Sequence      uint32
	Logged        time.Time // when the recorder was given it
	Published     time.Time // when the picture that it is of was taken; see the package comment
	Data          []byte    // encoded; valid until the next message
}

// Messages gives the messages that q asks for in the order of the file, which in
// the project's own recordings is that of log times. A message is valid until
// the next.
func (r *Reader) Messages(q Query) iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		it := r.file.Messages(container.Select{Channels: r.file.Topics(q.Topics...), From: nanos(q.From, 0), To: nanos(q.To, 0)})
		var in container.Message
		var out Message
		for it.Next(&in) == nil {
			out = Message{
				Topic: in.Channel.Topic, Sequence: in.Sequence, Data: in.Data,
				Logged: clock(in.LogTime), Published: clock(in.PublishTime),
			}
			if in.Schema != nil {
				out.Schema = in.Schema.Name
			}
			if !yield(&out) {
				return
			}
		}
	}
}

// clock is a time of the file; one beyond the year 2261 is the last that there is.
func clock(t uint64) time.Time { return time.Unix(0, int64(min(t, math.MaxInt64))).UTC() }

// Proto decodes a message of a schema that this version knows: the project's own
// and Foxglove's.
func (m *Message) Proto() (proto.Message, error) {
	if !strings.HasPrefix(m.Schema, "dashline.v1.") && !strings.HasPrefix(m.Schema, "foxglove.") {
		return nil, fmt.Errorf("%s: the schema %.100q is not one that this version reads", m.Topic, m.Schema)
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(m.Schema))
	if err != nil {
		return nil, fmt.Errorf("%s: the schema %.100q is not one that this version reads", m.Topic, m.Schema)
	}
	p := t.New().Interface()
	if err := proto.Unmarshal(m.Data, p); err != nil {
		return nil, fmt.Errorf("%s: the message is not a %s: %w", m.Topic, m.Schema, err)
	}
	return p, nil
}

// Value decodes what was published: a *msg.Detections, *msg.Tracks, *msg.LaneSet,
// *msg.Trajectory, *msg.FrameReport or *msg.CameraState. It shares nothing with
// the file. A message of any other schema is an error.
func (m *Message) Value() (any, error) {
	if len(m.Data) > bus.MaxPayload {
		return nil, fmt.Errorf("%s: a message of %d bytes is more than the %d that the bus carries", m.Topic, len(m.Data), bus.MaxPayload)
	}
	p, err := m.Proto()
	if err != nil {
		return nil, err
	}
	v, err := bus.FromProto(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Topic, err)
	}
	return v, nil
}

// Reports gives the accounts of one camera's frames in the order in which they
// were published, each with the PTS of the packet that its frame came from. One
// that cannot be read is passed over and said in Problems.
func (r *Reader) Reports(camera string) iter.Seq[*msg.FrameReport] {
	return func(yield func(*msg.FrameReport) bool) {
		topic, err := bus.Subject(r.vehicle, camera, bus.KindFrames)
		if err != nil {
			return
		}
		for m := range r.Messages(Query{Topics: []string{topic}}) {
			v, err := m.Value()
			f, ok := v.(*msg.FrameReport)
			if err == nil && !ok {
				err = fmt.Errorf("%s: the message is a %.100s", topic, m.Schema)
			}
			if err != nil {
				r.file.Say("%v", err)
				continue
			}
			if !yield(f) {
				return
			}
		}
	}
}

// accountOf is the latest account that the recorder left in the file.
func (r *Reader) accountOf() *recordv1.RecorderAccount {
	topic := "dashline." + r.vehicle + ".recorder"
	ids := r.file.Topics(topic)
	for i := len(r.file.Chunks) - 1; i >= 0 && len(ids) > 0; i-- {
		has := false
		for id := range ids {
			has = has || r.file.Chunks[i].Channels == nil || r.file.Chunks[i].Channels[id]
		}
		if !has {
			continue
		}
		it := r.file.Messages(container.Select{Channels: ids})
		it.Seek(i)
		var m container.Message
		var last *recordv1.RecorderAccount
		for it.Next(&m) == nil && it.Chunk() == i {
			a := new(recordv1.RecorderAccount)
			if err := proto.Unmarshal(m.Data, a); err != nil {
				r.file.Say("%s: %v", topic, err)
				continue
			}
			last = a
		}
		if last != nil {
			return last
		}
	}
	return nil
}

var errNoCamera = errors.New("no such camera")
