package camera

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Duration is a time span that is text in JSON and on the command line, as in
// "1.5s".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText gives it as Go writes spans.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads it as Go reads spans.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("time span %.40q: give it as in 500ms or 5s", text)
	}
	*d = Duration(v)
	return nil
}

// What the SDP can be like.
const (
	SDPRight   = ""        // as the stream is
	SDPNone    = "none"    // no fault: the same
	SDPMissing = "missing" // without parameter sets
	SDPGarbage = "garbage" // with parameter sets that are noise
)

// Faults are what a camera and the network behind it do wrong. The zero value is
// a camera without fault. Probabilities are of one packet, 0 to 1.
type Faults struct {
	Loss        float64 `json:"loss" yaml:"loss" placeholder:"P" help:"Probability that a packet is lost."`
	Burst       float64 `json:"burst" yaml:"burst" placeholder:"P" help:"Probability that a packet begins a burst of losses."`
	BurstLength float64 `json:"burst_length" yaml:"burst_length" placeholder:"N" help:"Mean length of a burst, packets (default: 5)."`

	Reorder      float64 `json:"reorder" yaml:"reorder" placeholder:"P" help:"Probability that a packet is overtaken."`
	ReorderDepth int     `json:"reorder_depth" yaml:"reorder_depth" placeholder:"N" help:"By how many others (default: 3)."`
	Duplicate    float64 `json:"duplicate" yaml:"duplicate" placeholder:"P" help:"Probability that a packet comes twice."`

	Jitter    Duration `json:"jitter" yaml:"jitter" placeholder:"TIME" help:"Most by which packets are delayed, each by another time and in their order."`
	Bandwidth int      `json:"bandwidth" yaml:"bandwidth" placeholder:"BYTES" help:"Bytes a second that the link carries."`
	Queue     int      `json:"queue" yaml:"queue" placeholder:"BYTES" help:"Bytes that wait for a link that is too slow; more are lost (default: 65536)."`

	Truncate float64 `json:"truncate" yaml:"truncate" placeholder:"P" help:"Probability that a packet's payload is cut short."`
	Flip     float64 `json:"flip" yaml:"flip" placeholder:"P" help:"Probability that a packet's payload has a wrong bit."`

	Freeze          bool     `json:"freeze" yaml:"freeze" help:"Send nothing, and keep the sessions."`
	DisconnectEvery Duration `json:"disconnect_every" yaml:"disconnect_every" placeholder:"TIME" help:"Close all connections each time this has passed."`
	NoRTCP          bool     `json:"no_rtcp" yaml:"no_rtcp" name:"no-rtcp" help:"Send no sender reports."`
	ClockDrift      float64  `json:"clock_drift" yaml:"clock_drift" placeholder:"PPM" help:"By how much the camera's clock is too fast, parts per million."`
	ClockJump       Duration `json:"clock_jump" yaml:"clock_jump" placeholder:"TIME" help:"What is added to the camera's time of day; a change is a jump."`
	RTPJump         Duration `json:"rtp_jump" yaml:"rtp_jump" name:"rtp-jump" placeholder:"TIME" help:"What is added to RTP timestamps, the time of day staying right; a change is a jump."`
	SDP             string   `json:"sdp" yaml:"sdp" name:"sdp" enum:",none,missing,garbage" default:"" placeholder:"KIND" help:"Wrong parameter sets in the SDP: none, missing or garbage."`
	ResolutionEvery Duration `json:"resolution_every" yaml:"resolution_every" placeholder:"TIME" help:"Go from full to half size or back each time this has passed."`
	NoKeyFrames     Duration `json:"no_key_frames" yaml:"no_key_frames" placeholder:"TIME" help:"Send key frames only so far apart."`
}

// Limits of the faults.
const (
	MaxReorderDepth = 64
	MaxJitter       = 5 * time.Second
	maxDrift        = 100_000 // parts per million
	maxJump         = 10 * 365 * 24 * time.Hour
	maxRTPJump      = 6 * time.Hour // less than half of what 32 bits of 90 kHz count, so that back is back
	minSwitch       = 500 * time.Millisecond
	maxEvery        = 24 * time.Hour
	maxKeyDistance  = 60 * time.Second
	minQueue        = 1500
	maxQueue        = 64 << 20
)

// Validate says what is out of its range.
func (f Faults) Validate() error {
	for _, p := range []struct {
		name  string
		value float64
	}{{"loss", f.Loss}, {"burst", f.Burst}, {"reorder", f.Reorder}, {"duplicate", f.Duplicate}, {"truncate", f.Truncate}, {"flip", f.Flip}} {
		if !(p.value >= 0 && p.value <= 1) {
			return fmt.Errorf("%s %g: give a probability from 0 to 1", p.name, p.value)
		}
	}
	for _, d := range []struct {
		name        string
		value       Duration
		least, most time.Duration
	}{
		{"jitter", f.Jitter, 0, MaxJitter},
		{"disconnect_every", f.DisconnectEvery, minSwitch, maxEvery},
		{"resolution_every", f.ResolutionEvery, minSwitch, maxEvery},
		{"no_key_frames", f.NoKeyFrames, minSwitch, maxKeyDistance},
	} {
		if v := time.Duration(d.value); v != 0 && (v < d.least || v > d.most) {
			return fmt.Errorf("%s %v: give %v to %v, or 0 for none", d.name, v, d.least, d.most)
		}
	}
	switch {
	case f.BurstLength != 0 && !(f.BurstLength >= 1 && f.BurstLength <= 1000):
		return fmt.Errorf("burst_length %g: give 1 to 1000 packets", f.BurstLength)
	case f.BurstLength != 0 && f.Burst == 0:
		return errors.New("burst_length without burst: give the probability of a burst too")
	case f.ReorderDepth < 0 || f.ReorderDepth > MaxReorderDepth:
		return fmt.Errorf("reorder_depth %d: give 1 to %d packets", f.ReorderDepth, MaxReorderDepth)
	case f.ReorderDepth != 0 && f.Reorder == 0:
		return errors.New("reorder_depth without reorder: give the probability too")
	case f.Bandwidth < 0 || f.Bandwidth > 0 && f.Bandwidth < 1000:
		return fmt.Errorf("bandwidth %d: give 1000 bytes a second or more, or 0 for no limit", f.Bandwidth)
	case f.Queue != 0 && (f.Queue < minQueue || f.Queue > maxQueue):
		return fmt.Errorf("queue %d: give %d to %d bytes", f.Queue, minQueue, maxQueue)
	case f.Queue != 0 && f.Bandwidth == 0:
		return errors.New("queue without bandwidth: only a slow link has a queue, so give its bandwidth too")
	case !(f.ClockDrift >= -maxDrift && f.ClockDrift <= maxDrift):
		return fmt.Errorf("clock_drift %g: give -%d to %d parts per million", f.ClockDrift, maxDrift, maxDrift)
	case time.Duration(f.ClockJump).Abs() > maxJump:
		return fmt.Errorf("clock_jump %v: give less than %v", f.ClockJump, maxJump)
	case time.Duration(f.RTPJump) < -maxRTPJump || time.Duration(f.RTPJump) > maxRTPJump:
		return fmt.Errorf("rtp_jump %v: give -%v to %v", f.RTPJump, maxRTPJump, maxRTPJump)
	case !slices.Contains([]string{SDPRight, SDPNone, SDPMissing, SDPGarbage}, f.SDP):
		return fmt.Errorf("sdp %.40q: give %s", f.SDP, strings.Join([]string{SDPNone, SDPMissing, SDPGarbage}, ", "))
	}
	return nil
}

// validateFor says what a codec cannot do.
func (f Faults) validateFor(codec string) error {
	if err := f.Validate(); err != nil || codec != MJPEG {
		return err
	}
	switch {
	case f.SDP != SDPRight && f.SDP != SDPNone:
		return errors.New("sdp: mjpeg has no parameter sets in its SDP: leave it out, or choose another codec")
	case f.NoKeyFrames != 0:
		return errors.New("no_key_frames: mjpeg has only key frames: leave it out, or choose another codec")
	}
	return nil
}

func (f Faults) burstLength() float64 {
	if f.BurstLength == 0 {
		return 5
	}
	return f.BurstLength
}

func (f Faults) reorderDepth() int {
	if f.ReorderDepth == 0 {
		return 3
	}
	return f.ReorderDepth
}

func (f Faults) queue() int {
	if f.Queue == 0 {
		return 64 << 10
	}
	return f.Queue
}
