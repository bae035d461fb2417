package bus

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"math/big"
	"time"

	"dashline/pipeline/msg"
)

// digest is the digest of a value as testdata/oracles/nats_client.py describes
// it, computed from the value and not from its encoding.
type digest struct{ hash.Hash }

func digestOf(v any) string {
	d := digest{sha256.New()}
	switch v := v.(type) {
	case *msg.Detections:
		d.detections(v)
	case *msg.Tracks:
		d.tracks(v)
	case *msg.LaneSet:
		d.lanes(v)
	case *msg.Trajectory:
		d.plan(v)
	case *msg.FrameReport:
		d.frame(v)
	case *msg.CameraState:
		d.camera(v)
	}
	return hex.EncodeToString(d.Sum(nil))
}

func (d digest) uint(v uint64) { d.Write(binary.LittleEndian.AppendUint64(nil, v)) }

func (d digest) floats(vs ...float32) {
	for _, v := range vs {
		if v == 0 {
			v = 0 // not -0
		}
		d.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
}

func (d digest) doubles(vs ...float64) {
	for _, v := range vs {
		if v == 0 {
			v = 0 // not -0
		}
		d.uint(math.Float64bits(v))
	}
}

func (d digest) texts(ss ...string) {
	for _, s := range ss {
		d.uint(uint64(len(s)))
		d.Write([]byte(s))
	}
}

func (d digest) index(i int) {
	if i < 0 {
		d.Write([]byte{0})
		return
	}
	d.Write([]byte{1})
	d.uint(uint64(i))
}

func (d digest) time(t time.Time) {
	if t.IsZero() {
		d.Write([]byte{0})
		return
	}
	d.Write([]byte{1})
	// Nanoseconds in 128 bits, two's complement: Unix time in nanoseconds ends in 2262.
	n := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1e9))
	n.Add(n, big.NewInt(int64(t.Nanosecond())))
	if n.Sign() < 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	b := n.FillBytes(make([]byte, 16))
	for i := range 8 {
		b[i], b[15-i] = b[15-i], b[i]
	}
	d.Write(b)
}

func (d digest) duration(v time.Duration) { d.uint(uint64(v)) }

func (d digest) header(h msg.Header) {
	d.texts(h.Camera)
	d.uint(h.Seq)
	d.time(h.CapturedAt)
	d.duration(h.Arrived)
	d.duration(h.PTS)
	d.clock(h.CaptureClock)
}

func (d digest) clock(c msg.CaptureClock) {
	d.uint(map[msg.CaptureClock]uint64{msg.SenderClock: 1, msg.ArrivalClock: 2}[c])
}

func (d digest) network(n msg.Network) { d.texts(n.Name, n.Engine, n.Requested, n.Backend) }

func (d digest) pixels(ps []msg.Pixel) {
	d.uint(uint64(len(ps)))
	for _, p := range ps {
		d.floats(p.X, p.Y)
	}
}

func (d digest) detections(v *msg.Detections) {
	d.header(v.Header)
	d.uint(uint64(v.Width))
	d.uint(uint64(v.Height))
	d.network(v.By)
	d.uint(uint64(len(v.Items)))
	for _, o := range v.Items {
		d.box(o.Box)
		d.uint(uint64(o.Class))
		d.texts(o.Label)
		d.floats(o.Score)
	}
}

func (d digest) flag(yes bool) {
	b := byte(0)
	if yes {
		b = 1
	}
	d.Write([]byte{b})
}

func (d digest) box(b msg.Box) { d.floats(b.X0, b.Y0, b.X1, b.Y1) }

func (d digest) tracks(v *msg.Tracks) {
	d.header(v.Header)
	d.uint(uint64(v.Width))
	d.uint(uint64(v.Height))
	d.duration(v.Ahead)
	d.flag(v.Only)
	d.uint(uint64(len(v.Items)))
	for _, t := range v.Items {
		d.uint(t.ID)
		d.uint(uint64(t.Class))
		d.texts(t.Label)
		d.floats(t.Score)
		d.uint(map[msg.TrackState]uint64{msg.TrackTentative: 1, msg.TrackConfirmed: 2, msg.TrackCoasting: 3}[t.State])
		d.box(t.Measured)
		d.box(t.Box)
		d.box(t.Forecast)
		d.floats(t.VX, t.VY, t.Sigma)
		d.duration(t.Unseen)
		d.index(t.Detection)
	}
}

func (d digest) lanes(v *msg.LaneSet) {
	d.header(v.Header)
	d.uint(uint64(v.Width))
	d.uint(uint64(v.Height))
	d.network(v.By)
	d.uint(uint64(len(v.Lanes)))
	for _, l := range v.Lanes {
		d.pixels(l.Points)
		d.doubles(l.Curve.C[:]...)
		d.doubles(l.Curve.X0, l.Curve.X1)
		d.floats(l.Confidence)
	}
	d.index(v.EgoLeft)
	d.index(v.EgoRight)
	d.pixels(v.Drivable)
	d.floats(v.DrivableConfidence)
}

func (d digest) plan(v *msg.Trajectory) {
	d.header(v.Header)
	d.uint(map[msg.PlanMode]uint64{msg.PlanKeepLane: 1, msg.PlanFollow: 2, msg.PlanStop: 3, msg.PlanNoLanes: 4}[v.Mode])
	d.texts(v.Why)
	d.index(v.LeadObject)
	d.doubles(v.LeadDistance, v.LeadSpeed)
	d.uint(uint64(len(v.Points)))
	for _, p := range v.Points {
		d.doubles(p.T, p.Position.X, p.Position.Y, p.Heading, p.Speed, p.Acceleration, p.Curvature)
	}
}

func (d digest) frame(v *msg.FrameReport) {
	d.header(v.Header)
	d.uint(map[msg.Outcome]uint64{msg.OnTime: 1, msg.Late: 2, msg.Dropped: 3, msg.Failed: 4}[v.Outcome])
	d.texts(v.Stage, v.Reason, v.Detail)
	d.duration(v.Age)
	d.duration(v.Deadline)
	d.uint(uint64(len(v.Stages)))
	for _, s := range v.Stages {
		d.texts(s.Stage)
		d.duration(s.Took)
	}
	d.uint(uint64(len(v.Networks)))
	for _, n := range v.Networks {
		d.network(n)
	}
}

func (d digest) camera(v *msg.CameraState) {
	d.texts(v.Camera)
	d.time(v.At)
	d.uint(map[msg.CameraStatus]uint64{msg.CameraConnecting: 1, msg.CameraStreaming: 2, msg.CameraStalled: 3, msg.CameraFailed: 4}[v.Status])
	d.texts(v.Detail, v.Transport, v.Codec)
	d.uint(v.Sessions)
	d.uint(v.Packets)
	d.uint(v.Lost)
	d.clock(v.Clock)
	d.duration(v.ClockOffset)
	d.doubles(v.ClockDrift)
	d.uint(v.ClockSteps)
}
