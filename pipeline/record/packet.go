package record

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"dashline/pipeline/msg"
	"dashline/pipeline/record/foxglove"
	"dashline/pipeline/record/recordv1"
)

// Topics of one camera: the packets' companions lie beside the bus's subjects,
// Foxglove's views under the camera's name.
func packetsTopic(vehicle, camera string) string {
	return "dashline." + vehicle + "." + camera + ".packets"
}
func videoTopic(camera string) string { return "/" + camera + "/video" }
func imageTopic(camera string) string { return "/" + camera + "/image" }

// packet writes a packet: the companion with all that must not be lost, and,
// of a whole picture, the picture with the same sequence number in the same
// chunk. A damaged picture is in the companion, where nothing shows it.
func (s *sink) packet(v *view, at uint64, p *msg.Packet) error {
	m := packetToProto(v.camera, p)
	captured := v.stamp(p.CapturedAt, p.PTS, at)
	topic, picture, err := pictureOf(v.camera, p, timestamppb.New(captured))
	if err != nil {
		return err
	}
	companion, err := s.channel(packetsTopic(s.o.Vehicle, v.camera), v.camera, m)
	if err != nil {
		return err
	}
	if p.Damaged {
		companion.seq++
		return s.put(companion, companion.seq, at, captured, m, asLarge)
	}
	ch, err := s.channel(topic, v.camera, picture)
	if err != nil {
		return err
	}
	companion.seq++
	if err := s.put(companion, companion.seq, at, captured, m, hold); err != nil {
		return err
	}
	return s.put(ch, companion.seq, at, captured, picture, asLarge)
}

func packetToProto(camera string, p *msg.Packet) *recordv1.Packet {
	m := &recordv1.Packet{
		Camera:       camera,
		Codec:        string(p.Codec),
		CaptureClock: string(p.CaptureClock),
		Key:          p.Key,
		Damaged:      p.Damaged,
		Gap:          p.Gap,
		Restart:      p.Restart,
	}
	if p.PTS != 0 {
		m.Pts = durationpb.New(p.PTS)
	}
	if known(p.CapturedAt) {
		m.CapturedAt = timestamppb.New(p.CapturedAt)
	}
	if known(p.Arrived) {
		m.Arrived = timestamppb.New(p.Arrived)
	}
	if p.Damaged {
		m.DamagedData = p.Data
	}
	return m
}

// known says whether t is a time that Protobuf can hold.
func known(t time.Time) bool {
	return !t.IsZero() && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999
}

// pictureOf is the packet as Foxglove shows it.
func pictureOf(camera string, p *msg.Packet, captured *timestamppb.Timestamp) (topic string, m proto.Message, err error) {
	format := ""
	switch p.Codec {
	case msg.H264, msg.H265:
		return videoTopic(camera), &foxglove.CompressedVideo{Timestamp: captured, FrameId: camera, Data: p.Data, Format: string(p.Codec)}, nil
	case msg.MJPEG:
		format = "jpeg"
	case msg.PNG:
		format = "png"
	default:
		return "", nil, fmt.Errorf("packet: there is no codec %.20q", p.Codec)
	}
	return imageTopic(camera), &foxglove.CompressedImage{Timestamp: captured, FrameId: camera, Data: p.Data, Format: format}, nil
}

// packetFromProto is the inverse of packetToProto; data is the picture of a
// packet that is whole.
func packetFromProto(m *recordv1.Packet, data []byte) (msg.Packet, error) {
	p := msg.Packet{
		Codec:        msg.Codec(m.GetCodec()),
		Data:         data,
		CaptureClock: msg.CaptureClock(m.GetCaptureClock()),
		Key:          m.GetKey(),
		Damaged:      m.GetDamaged(),
		Gap:          m.GetGap(),
		Restart:      m.GetRestart(),
	}
	switch p.Codec {
	case msg.H264, msg.H265, msg.MJPEG, msg.PNG:
	default:
		return p, fmt.Errorf("codec %.20q is not one that this version knows", p.Codec)
	}
	switch p.CaptureClock {
	case "", msg.SenderClock, msg.ArrivalClock:
	default:
		return p, fmt.Errorf("capture clock %.20q is not one that this version knows", p.CaptureClock)
	}
	if p.Damaged {
		p.Data = m.GetDamagedData()
	}
	if d := m.GetPts(); d != nil {
		if err := d.CheckValid(); err != nil {
			return p, fmt.Errorf("pts: %w", err)
		}
		p.PTS = d.AsDuration()
	}
	for _, t := range []struct {
		name string
		in   *timestamppb.Timestamp
		out  *time.Time
	}{{"captured_at", m.GetCapturedAt(), &p.CapturedAt}, {"arrived", m.GetArrived(), &p.Arrived}} {
		if t.in == nil {
			continue
		}
		if err := t.in.CheckValid(); err != nil {
			return p, fmt.Errorf("%s: %w", t.name, err)
		}
		*t.out = t.in.AsTime()
	}
	return p, nil
}
