package camera

import (
	"fmt"
	"slices"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/pion/rtp"

	"dashline/sensors/nal"
)

// payloadType of H.264 and H.265; MJPEG has its own.
const payloadType = 96

// shape is how a codec looks in RTP and SDP.
type shape struct {
	format format.Format
	encode func(au []byte, units [][]byte) ([]*rtp.Packet, error)
	// announce sets the parameter sets in the SDP; it may be called at any time.
	announce func(sets [][]byte)
}

// newShape is that of a film; the number of its first packet is by chance.
func newShape(f *strip, c chance) (*shape, error) {
	first := uint16(c.bits(drawSequence, 0))
	switch f.info.Codec {
	case H264:
		e := &rtph264.Encoder{PayloadType: payloadType, PacketizationMode: 1, InitialSequenceNumber: &first}
		form := &format.H264{PayloadTyp: payloadType, PacketizationMode: 1}
		return &shape{
			format:   form,
			encode:   func(_ []byte, units [][]byte) ([]*rtp.Packet, error) { return e.Encode(units) },
			announce: func(s [][]byte) { form.SafeSetParams(s[0], s[1]) },
		}, e.Init()
	case H265:
		e := &rtph265.Encoder{PayloadType: payloadType, InitialSequenceNumber: &first}
		form := &format.H265{PayloadTyp: payloadType}
		return &shape{
			format:   form,
			encode:   func(_ []byte, units [][]byte) ([]*rtp.Packet, error) { return e.Encode(units) },
			announce: func(s [][]byte) { form.SafeSetParams(s[0], s[1], s[2]) },
		}, e.Init()
	case MJPEG:
		e := &rtpmjpeg.Encoder{InitialSequenceNumber: &first}
		return &shape{
			format:   &format.MJPEG{},
			encode:   func(au []byte, _ [][]byte) ([]*rtp.Packet, error) { return e.Encode(twoTables(au)) },
			announce: func([][]byte) {},
		}, e.Init()
	}
	return nil, fmt.Errorf("codec %s cannot be sent: have it encoded (--codec h264)", f.info.Codec)
}

func (s *shape) describe() *description.Session {
	return &description.Session{
		Title:  "dashline camera",
		Medias: []*description.Media{{Type: description.MediaTypeVideo, Formats: []format.Format{s.format}}},
	}
}

// sdp announces a film's parameter sets, or what the faults make of them.
func (s *shape) sdp(f *strip, kind string, c chance) {
	sets := slices.Clone(f.sets)
	for i, set := range sets {
		switch kind {
		case SDPMissing:
			sets[i] = nil
		case SDPGarbage:
			sets[i] = make([]byte, len(set))
			for j := range sets[i] {
				sets[i][j] = byte(c.bits(drawSets, uint64(i)<<32|uint64(j)))
			}
		}
	}
	if sets != nil {
		s.announce(sets)
	}
}

// cut makes packets of an access unit. A key frame has its parameter sets with
// it, whatever the file has.
func (s *shape) cut(f *strip, next shot, au []byte) ([]*rtp.Packet, error) {
	var units [][]byte
	if f.sets != nil {
		units = slices.Collect(nal.NALs(au))
		if next.key && parameterSets(f.info.Codec, units) == nil {
			units = slices.Concat(f.sets, units)
		}
		if len(units) == 0 {
			return nil, fmt.Errorf("frame %d of the film is empty", next.index)
		}
	}
	packets, err := s.encode(au, units)
	if err != nil {
		return nil, fmt.Errorf("frame %d of the film cannot be sent: %w", next.index, err)
	}
	return packets, nil
}
