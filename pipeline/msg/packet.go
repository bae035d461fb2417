package msg

import "time"

// Codec is how a picture is compressed.
type Codec string

// The codecs.
const (
	H264  Codec = "h264"
	H265  Codec = "h265"
	MJPEG Codec = "mjpeg"
	PNG   Codec = "png"
)

// Packet is one compressed picture as its camera sent it, in the order of
// decoding.
type Packet struct {
	Codec Codec
	// Data is one access unit in Annex B form with its parameter sets at key
	// frames (H.264, H.265), or one whole image file (MJPEG, PNG). It belongs to
	// the source: whoever is handed a packet copies what it keeps.
	Data []byte
	// PTS is the presentation time from the stream's first frame; the Header of
	// the frame that becomes of the packet has the same.
	PTS          time.Duration
	CapturedAt   time.Time // as in Header
	CaptureClock CaptureClock
	Arrived      time.Time // when the whole picture was here, by this machine's clock
	Key          bool      // can be decoded by itself
	// Damaged says that parts are missing: a decoder must not show it, nor what
	// refers to it.
	Damaged bool
	// Gap says that something is missing before this one, which may be a picture
	// that others refer to.
	Gap bool
	// Restart says that this is the first of another session: nothing is known of
	// what was before it.
	Restart bool
}
