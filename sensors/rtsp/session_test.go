package rtsp

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"dashline/pipeline/msg"
	"dashline/sensors/coded"
	"dashline/sensors/nal"
	"dashline/sensors/rtsp/stream"
)

// begin makes a session that no camera is behind, with one picture in it.
func begin(t *testing.T) *session {
	t.Helper()
	n := &session{
		source: &Source{queue: newQueue()}, codec: msg.H264, clock: stream.NewClock(videoRate),
		pulse: make(chan time.Time, 1), failure: make(chan error, 1),
	}
	n.assemble = stream.NewAssembler(n.codec, n.source.queue.buffer, n.picture)
	now := time.Now()
	n.picture(stream.AccessUnit{Time: 1000, First: now, Arrived: now})
	return n
}

// A decoder that begins at a key picture, after a loss or late, needs its
// parameter sets, which many cameras send only once.
func TestKeyPicturesHaveTheirSets(t *testing.T) {
	sets, idr := []byte("\x00\x00\x00\x01\x67\x01\x00\x00\x00\x01\x68\x02"), []byte("\x00\x00\x00\x01\x65\x88")
	n := begin(t)
	n.sets = sets
	key := stream.AccessUnit{Data: bytes.Clone(idr), Kind: nal.Kind{Key: true, Picture: true}}
	n.parameters(&key)
	if want := append(bytes.Clone(sets), idr...); !bytes.Equal(key.Data, want) {
		t.Errorf("a key picture without its sets becomes % x; want % x", key.Data, want)
	}
	other := stream.AccessUnit{Data: bytes.Clone(idr), Kind: nal.Kind{Picture: true}}
	if n.parameters(&other); !bytes.Equal(other.Data, idr) {
		t.Errorf("another picture becomes % x", other.Data)
	}
	newer := []byte("\x00\x00\x00\x01\x67\x09\x00\x00\x00\x01\x68\x09")
	n.parameters(&stream.AccessUnit{Data: append(bytes.Clone(newer), idr...), Kind: nal.Kind{Key: true, Picture: true, Parameters: true}})
	if !bytes.Equal(n.sets, newer) {
		t.Errorf("the sets that came last are % x; kept are % x", newer, n.sets)
	}
}

// A camera whose RTP time goes on far ahead gets another session. Where it falls
// back, time goes on.
func TestJumpOfRTPTimeEndsTheSession(t *testing.T) {
	for ticks, want := range map[int64]error{videoRate / 30: nil, 5 * videoRate: nil, 3600 * videoRate: errJump, -3600 * videoRate: nil} {
		n := begin(t)
		now := time.Now()
		n.picture(stream.AccessUnit{Time: 1000 + ticks, First: now, Arrived: now})
		select {
		case got := <-n.failure:
			if got != want {
				t.Errorf("after %d ticks: %v; want %v", ticks, got, want)
			}
		default:
			if want != nil {
				t.Errorf("after %d ticks nothing is said; want %v", ticks, want)
			}
		}
	}
}

// A sender that has no clock says that its time is 0.
func TestSenderWithoutClock(t *testing.T) {
	for _, tt := range []struct {
		ntp  uint64
		want msg.CaptureClock
	}{{0, ""}, {0xEE000000 << 32, msg.SenderClock}} {
		n := begin(t)
		n.control(&rtcp.SenderReport{NTPTime: tt.ntp, RTPTime: 1000})
		if got := n.source.state.Clock; got != tt.want {
			t.Errorf("a report of the time %d makes the clock %q; want %q", tt.ntp, got, tt.want)
		}
	}
}

func TestQueueLetsGo(t *testing.T) {
	for _, tt := range []struct {
		name     string
		units    int
		age      time.Duration // of the first
		key      bool          // is what comes then
		deadline time.Duration
		skipped  bool
	}{
		{"a key picture behind late ones", 3, time.Minute, true, time.Second, true},
		{"another picture behind late ones", 3, time.Minute, false, time.Second, false},
		{"a key picture behind timely ones", 3, 0, true, time.Second, false},
		{"no deadline", 3, time.Minute, true, 0, false},
		{"no room", maxUnits, 0, false, 0, true},
	} {
		q := newQueue()
		of := func(age time.Duration, key bool) unit {
			return unit{Unit: coded.Unit{Packet: msg.Packet{Data: []byte{1}, Arrived: time.Now().Add(-age), Key: key}}}
		}
		for range tt.units {
			q.push(of(tt.age, false), 0)
		}
		q.push(of(0, tt.key), tt.deadline)
		for i := range tt.units + 1 {
			u, err := q.pop(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.skipped && i < tt.units; u.Skip != want {
				t.Errorf("%s: unit %d of %d is let go: %v", tt.name, i, tt.units+1, u.Skip)
				break
			}
		}
	}
}

// Whoever sends datagrams to our port is not the camera.
func TestOnlyTheCamerasDatagramsAreTaken(t *testing.T) {
	camera, other := net.IPv4(10, 0, 0, 7), net.IPv4(10, 0, 0, 8)
	for _, tt := range []struct {
		from, camera net.UDPAddr
		want         bool
	}{
		{net.UDPAddr{IP: camera, Port: 5000}, net.UDPAddr{IP: camera, Port: 5000}, true},
		{net.UDPAddr{IP: camera, Port: 5002}, net.UDPAddr{IP: camera, Port: 5000}, false},
		{net.UDPAddr{IP: other, Port: 5000}, net.UDPAddr{IP: camera, Port: 5000}, false},
		{net.UDPAddr{IP: camera, Port: 5002}, net.UDPAddr{IP: camera}, true}, // it named no port
		{net.UDPAddr{IP: other, Port: 5002}, net.UDPAddr{IP: camera}, false},
	} {
		if got := ours(&tt.from, &tt.camera); got != tt.want {
			t.Errorf("from %v for a camera at %v: %v", &tt.from, &tt.camera, got)
		}
	}
}
