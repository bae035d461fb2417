package stream

import (
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"dashline/pipeline/msg"
	"dashline/sensors/nal"
)

// MaxSide is the largest width and height that a description is believed, pixels.
const MaxSide = 16384

// maxRate is the largest rate that a description is believed, pictures a second.
const maxRate = 1000

// Info describes a stream; zero where its description does not tell.
type Info struct {
	Width, Height int // pixels
	FPS           float64
	Codec         msg.Codec
}

// Period is the time between pictures; 0 where the description does not tell.
func (in Info) Period() time.Duration {
	if in.FPS == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / in.FPS)
}

// Video is the stream of a session that is to be decoded.
type Video struct {
	Media  *description.Media
	Format format.Format
	Info   Info
	Sets   []byte // parameter sets, Annex B; empty where the description has none
}

// Choose takes the first video of a session description that can be decoded. The
// error says what there is instead.
func Choose(d *description.Session) (Video, error) {
	var others []string
	for _, m := range d.Medias {
		for _, f := range m.Formats {
			if codec := codecOf(f); codec != "" && !m.IsBackChannel && inOrder(f) {
				return Video{Media: m, Format: f, Info: infoOf(f, codec), Sets: setsOf(f)}, nil
			}
			others = append(others, f.Codec())
		}
	}
	return Video{}, fmt.Errorf("it sends no H.264, H.265 or MJPEG, but %q: choose another stream of the camera", others)
}

// inOrder says that packets are sent in the order of decoding. Interleaved modes
// (RFC 6184, 6.4; RFC 7798 with decoding order numbers) are for transports that
// lose much and may wait long; no camera is known to use them.
func inOrder(f format.Format) bool {
	switch f := f.(type) {
	case *format.H264:
		return f.PacketizationMode < 2
	case *format.H265:
		return f.MaxDONDiff == 0
	}
	return true
}

// codecOf is empty for what cannot be decoded.
func codecOf(f format.Format) msg.Codec {
	switch f.(type) {
	case *format.H264:
		return msg.H264
	case *format.H265:
		return msg.H265
	case *format.MJPEG:
		return msg.MJPEG
	}
	return ""
}

// setsOf are the parameter sets of a description, in Annex B form.
func setsOf(f format.Format) []byte {
	var b []byte
	add := func(sets ...[]byte) {
		for _, set := range sets {
			if len(set) > 0 {
				b = append(append(b, startCode...), set...)
			}
		}
	}
	switch f := f.(type) {
	case *format.H264:
		add(f.SafeParams())
	case *format.H265:
		vps, sps, pps := f.SafeParams()
		add(vps, sps, pps)
	}
	return b
}

// infoOf reads the size and rate from the parameter sets, where they are there.
func infoOf(f format.Format, codec msg.Codec) Info {
	in := Info{Codec: codec}
	switch f := f.(type) {
	case *format.H264:
		var sps h264.SPS
		if set, _ := f.SafeParams(); sps.Unmarshal(set) == nil {
			in.Width, in.Height, in.FPS = sps.Width(), sps.Height(), sps.FPS()
		}
	case *format.H265:
		var sps h265.SPS
		if _, set, _ := f.SafeParams(); sps.Unmarshal(set) == nil {
			in.Width, in.Height, in.FPS = sps.Width(), sps.Height(), sps.FPS()
		}
	}
	if !(in.FPS > 0 && in.FPS <= maxRate) { // also what is not a number
		in.FPS = 0
	}
	if min(in.Width, in.Height) < 1 || max(in.Width, in.Height) > MaxSide {
		in.Width, in.Height = 0, 0
	}
	return in
}

// AppendSets appends to dst the parameter sets of an access unit, in Annex B form.
func AppendSets(dst []byte, codec msg.Codec, annexB []byte) []byte {
	for n := range nal.NALs(annexB) {
		t := int(n[0] & 31)
		set := t == 7 || t == 8
		if codec == msg.H265 {
			t = int(n[0] >> 1 & 63)
			set = t >= 32 && t <= 34
		}
		if set {
			dst = append(append(dst, startCode...), n...)
		}
	}
	return dst
}
