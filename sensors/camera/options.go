package camera

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Limits on what a server is asked for.
const (
	MaxCameras = 64
	MaxGOP     = 10000
	MaxBFrames = 4
)

// The codecs that a camera can be asked for; Copy serves the file's own packets.
const (
	Copy  = "copy"
	H264  = "h264"
	H265  = "h265"
	MJPEG = "mjpeg"
)

// Codecs lists them.
func Codecs() []string { return []string{Copy, H264, H265, MJPEG} }

// The ways to prove who one is.
const (
	AuthBasic  = "basic"
	AuthDigest = "digest"
)

// Options say what a server serves, and how.
type Options struct {
	Listen string // address of RTSP; "": 127.0.0.1:8554; port 0: any that is free
	Count  int    // cameras, all of the same film, 1 to MaxCameras; 0: 1
	// Source is a video file, or synth:NAME?seed=N&duration=10s, which is made
	// into a temporary film first.
	Source string
	// Codec is one of Codecs; "": Copy. A film that is of another codec, or of
	// which any of the next three is asked, is encoded once, before the start.
	Codec         string
	Width, Height int // of the pictures, pixels, even; 0: the film's
	GOP           int // frames from key frame to key frame, to MaxGOP; 0: the film's, or a second when it must be encoded
	BFrames       int // between two others, to MaxBFrames; 0: the film's, or none when it must be encoded

	User, Password string   // who may watch; both empty: anybody
	Auth           []string // AuthBasic, AuthDigest (with MD5, which clients know); empty: both

	TLS               bool   // RTSPS
	CertFile, KeyFile string // PEM; empty: a certificate is made at the start

	UDPPort int // even, RTP's; RTCP's is the next one; 0: any free pair; -1: no UDP

	Faults Faults // of every camera, from the start
	Seed   uint64 // of the faults, and of the RTP offsets

	// OnFrame is told of each frame when it is handed to the link. It is called
	// from the camera's own goroutine, one call at a time for each camera, and
	// must not wait.
	OnFrame func(camera int, f FrameInfo)
	// Progress is told how many pictures of how many are encoded before the
	// start. It is called from one goroutine at a time.
	Progress func(done, of int)
}

// FrameInfo is a frame that was sent.
type FrameInfo struct {
	Index         int       // in the film, in the order of presentation, from 0
	Round         int       // how often the film had begun anew before
	Width, Height int       // pixels, as coded
	Key           bool      // can be decoded by itself
	RTP           uint32    // timestamp, 90 kHz
	NTP           time.Time // when it was taken, by the camera's clock with its drift and jumps
	TakenAt       time.Time // the same by this machine's clock
	SentAt        time.Time // when it was handed to the link
	Sequence      uint16    // number of its first packet
	Packets       int       // into which it was cut
	Lost          int       // of these, that never leave
	Damaged       int       // of these, that were cut short or have a wrong bit
}

// Validate says what is wrong with o, as far as that can be said before the film
// is open.
func (o Options) Validate() error {
	_, err := o.complete()
	return err
}

// complete checks o and fills in what is zero.
func (o Options) complete() (Options, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8554"
	}
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		return o, fmt.Errorf("address %q: give it as in 127.0.0.1:8554", o.Listen)
	}
	if o.Source == "" {
		return o, errors.New("no film: give a video file, or synth:NAME")
	}
	if o.Count == 0 {
		o.Count = 1
	}
	if o.Count < 1 || o.Count > MaxCameras {
		return o, fmt.Errorf("%d cameras: give 1 to %d", o.Count, MaxCameras)
	}
	if o.Codec == "" {
		o.Codec = Copy
	}
	if !slices.Contains(Codecs(), o.Codec) {
		return o, fmt.Errorf("codec %q: give one of %s", o.Codec, strings.Join(Codecs(), ", "))
	}
	if (o.Width == 0) != (o.Height == 0) || o.Width < 0 || o.Height < 0 || o.Width%2 != 0 || o.Height%2 != 0 {
		return o, fmt.Errorf("pictures of %dx%d: give an even width and an even height, or neither", o.Width, o.Height)
	}
	if o.GOP < 0 || o.GOP > MaxGOP {
		return o, fmt.Errorf("a key frame every %d frames: give 1 to %d", o.GOP, MaxGOP)
	}
	if o.BFrames < 0 || o.BFrames > MaxBFrames {
		return o, fmt.Errorf("%d B-frames: give 0 to %d", o.BFrames, MaxBFrames)
	}
	if o.Codec == Copy && (o.Width != 0 || o.GOP != 0 || o.BFrames != 0) {
		return o, errors.New("another size, key frame distance or number of B-frames needs encoding: give the codec h264 or h265")
	}
	if o.Codec == MJPEG && (o.GOP != 0 || o.BFrames != 0) {
		return o, errors.New("mjpeg has only key frames: leave the key frame distance and B-frames out")
	}
	if o.Codec == MJPEG && o.Width != 0 && (max(o.Width, o.Height) > maxJPEG || o.Width%8 != 0 || o.Height%8 != 0) {
		return o, fmt.Errorf("pictures of %dx%d: RTP carries JPEG of multiples of 8 up to %d", o.Width, o.Height, maxJPEG)
	}
	return o.completeAccess()
}

// completeAccess is complete for who may come in, and where.
func (o Options) completeAccess() (Options, error) {
	if (o.User == "") != (o.Password == "") {
		return o, errors.New("user and password: give both or neither")
	}
	if strings.ContainsAny(o.User, ":\"\r\n") {
		return o, errors.New("the user's name has a colon, a quotation mark or a line break: choose another")
	}
	if len(o.Auth) == 0 {
		o.Auth = []string{AuthBasic, AuthDigest}
	}
	for _, a := range o.Auth {
		if a != AuthBasic && a != AuthDigest {
			return o, fmt.Errorf("authentication %q: give basic or digest", a)
		}
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return o, errors.New("certificate and key: give both or neither")
	}
	if o.CertFile != "" && !o.TLS {
		return o, errors.New("a certificate without TLS: ask for TLS too")
	}
	if o.UDPPort < -1 || o.UDPPort > 65534 || o.UDPPort > 0 && o.UDPPort%2 != 0 {
		return o, fmt.Errorf("UDP port %d: give an even number to 65534, 0 for any, or -1 for none", o.UDPPort)
	}
	return o, o.Faults.Validate()
}
