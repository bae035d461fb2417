package record

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"dashline/pipeline/msg"
	"dashline/pipeline/record/container"
	"dashline/pipeline/record/foxglove"
	"dashline/pipeline/record/recordv1"
)

// Packet is a packet of a recording.
type Packet struct {
	msg.Packet
	// Hidden packets are outside the range that was asked for. A decoder needs
	// them for the sake of others; their pictures are not to be shown.
	Hidden bool
	// Index is the packet's place among those of its camera, from 0.
	Index uint64
}

// Packets goes through the packets of one camera, each as the camera sent it, in
// the order of decoding.
type Packets struct {
	r        *Reader
	camera   string
	from, to time.Duration
	it       *container.Messages
	ids      pairing

	skip  bool   // up to the packet of the number first
	first uint32 // the key frame to begin with

	waiting recordv1.Packet // companion whose picture is to come
	have    bool
	seq     uint32 // of the latest companion
	begun   bool   // whether there was one
	broken  bool   // a packet was lost and no key frame came since
	after   int    // packets in a row at or after the end
}

// pairing tells a camera's channels apart.
type pairing struct {
	companions, pictures map[uint16]bool
}

func (p pairing) all() map[uint16]bool {
	all := map[uint16]bool{}
	for id := range p.companions {
		all[id] = true
	}
	for id := range p.pictures {
		all[id] = true
	}
	return all
}

// reorder is how far apart decoding and presentation can be in the codecs that
// are recorded, pictures.
const reorder = 16

// Packets returns the packets of a camera with a PTS from from on and before to;
// to 0 is no end. They begin with the key frame at or before from, so that a
// decoder can begin there; what is outside the range is Hidden. An empty camera
// name is the recording's only camera.
//
// It looks for the beginning by halves, so the PTS of packets must rise but for
// reordering, as those of a source do.
func (r *Reader) Packets(camera string, from, to time.Duration) (*Packets, error) {
	cameras := r.Cameras()
	if camera == "" && len(cameras) == 1 {
		camera = cameras[0]
	}
	if from < 0 || to < 0 || to > 0 && to <= from {
		return nil, fmt.Errorf("the range from %s to %s is empty: give a start of 0 or more and an end after it", from, to)
	}
	p := &Packets{r: r, camera: camera, from: from, to: to, ids: pairing{
		companions: r.file.Topics(packetsTopic(r.vehicle, camera)),
		pictures:   r.file.Topics(videoTopic(camera), imageTopic(camera)),
	}}
	if camera == "" || len(p.ids.companions) == 0 {
		if len(cameras) == 0 {
			return nil, fmt.Errorf("%w: the recording has no packets of any camera", errNoCamera)
		}
		return nil, fmt.Errorf("%w %.64q: name one of %s", errNoCamera, camera, strings.Join(cameras, ", "))
	}
	begin := p.seek()
	p.it = r.file.Messages(container.Select{Channels: p.ids.all()})
	p.it.Seek(begin)
	return p, nil
}

// seek finds the chunk in which the key frame at or before from is.
func (p *Packets) seek() int {
	var chunks []int // that have companions
	for i := range p.r.file.Chunks {
		c := &p.r.file.Chunks[i]
		for id := range p.ids.companions {
			if c.Channels == nil || c.Channels[id] {
				chunks = append(chunks, i)
				break
			}
		}
	}
	it := p.r.file.Messages(container.Select{Channels: p.ids.companions})
	// The first chunk that begins after from, and the one before it.
	n := sort.Search(len(chunks), func(i int) bool {
		first, _, ok := p.survey(it, chunks[i])
		return ok && first > p.from
	})
	for i := n - 1; i >= 0; i-- {
		if _, key, ok := p.survey(it, chunks[i]); ok && key != nil {
			p.skip, p.first = true, *key
			return chunks[i]
		}
	}
	if len(chunks) == 0 {
		return 0
	}
	return chunks[0]
}

// survey returns the PTS of the first packet of a chunk, and the number of the
// last key frame in it that is at or before from; nil where there is none.
func (p *Packets) survey(it *container.Messages, chunk int) (first time.Duration, key *uint32, ok bool) {
	it.Seek(chunk)
	var m container.Message
	for it.Next(&m) == nil && it.Chunk() == chunk {
		var c recordv1.Packet
		if proto.Unmarshal(m.Data, &c) != nil {
			continue
		}
		pts := c.GetPts().AsDuration()
		if !ok {
			first, ok = pts, true
		}
		if c.GetKey() && !c.GetDamaged() && pts <= p.from {
			seq := m.Sequence
			key = &seq
		}
	}
	return first, key, ok
}

// Next fills out, whose data is valid until the next call. It returns io.EOF
// after the last, and no other error. A packet that the recording lost is said
// in Problems; all that may refer to it, up to the next key frame, is then
// marked as Damaged.
func (p *Packets) Next(out *Packet) error {
	var m container.Message
	for p.it.Next(&m) == nil {
		if p.skip && m.Sequence != p.first {
			continue
		}
		p.skip = false
		whole, err := p.pair(&m)
		if err == nil && whole {
			err = p.complete(out, &m)
		}
		if err != nil {
			p.lost("%v", err)
			continue
		}
		if !whole {
			continue
		}
		if p.over(out) {
			return io.EOF
		}
		return nil
	}
	if p.have {
		p.have = false
		p.lost("its picture is not there: the recording ends in it")
	}
	return io.EOF
}

// lost says that the packet at hand is.
func (p *Packets) lost(format string, args ...any) {
	p.broken = true
	p.r.file.Say("camera %s: packet %d: %s", p.camera, p.seq, fmt.Sprintf(format, args...))
}

// pair says whether a message makes a packet whole.
func (p *Packets) pair(m *container.Message) (bool, error) {
	if !p.ids.companions[m.ChannelID] {
		if p.have && m.Sequence == p.seq {
			p.have = false
			return true, nil
		}
		p.begun, p.seq = true, m.Sequence
		return false, errors.New("it is a picture of which nothing else is known")
	}
	if p.have {
		p.lost("its picture is not there")
	}
	if p.begun && m.Sequence != p.seq+1 {
		p.broken = true
		p.r.file.Say("camera %s: the packets between %d and %d are not there", p.camera, p.seq, m.Sequence)
	}
	p.begun, p.seq, p.have = true, m.Sequence, false
	proto.Reset(&p.waiting)
	if err := proto.Unmarshal(m.Data, &p.waiting); err != nil {
		return false, err
	}
	p.have = !p.waiting.GetDamaged()
	return !p.have, nil
}

// complete makes the packet at hand.
func (p *Packets) complete(out *Packet, m *container.Message) error {
	var data []byte
	if p.ids.pictures[m.ChannelID] {
		var err error
		if data, err = pictureData(m); err != nil {
			return err
		}
	}
	var err error
	if out.Packet, err = packetFromProto(&p.waiting, data); err != nil {
		return err
	}
	if out.Key && !out.Damaged {
		p.broken = false
	}
	out.Damaged = out.Damaged || p.broken
	out.Index = uint64(p.seq - 1)
	return nil
}

func pictureData(m *container.Message) ([]byte, error) {
	if m.Schema == nil {
		return nil, fmt.Errorf("the schema of %s was lost", m.Channel.Topic)
	}
	switch m.Schema.Name {
	case "foxglove.CompressedVideo":
		var v foxglove.CompressedVideo
		err := proto.Unmarshal(m.Data, &v)
		return v.GetData(), err
	case "foxglove.CompressedImage":
		var v foxglove.CompressedImage
		err := proto.Unmarshal(m.Data, &v)
		return v.GetData(), err
	}
	return nil, fmt.Errorf("a picture of the schema %.100q", m.Schema.Name)
}

// over says whether the range has ended, and marks what is outside it.
func (p *Packets) over(out *Packet) bool {
	out.Hidden = out.PTS < p.from
	if p.to == 0 || out.PTS < p.to {
		p.after = 0
		return false
	}
	// Pictures of the range may still come that refer to this one.
	out.Hidden = true
	p.after++
	return out.Key || p.after > reorder
}
