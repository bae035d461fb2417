package planner

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"dashline/pipeline/msg"
)

// bits reads a scene's numbers from bytes, whatever bits they are; past the end
// it reads zeros.
type bits []byte

func (b *bits) uint64() uint64 {
	var word [8]byte
	*b = (*b)[copy(word[:], *b):]
	return binary.LittleEndian.Uint64(word[:])
}

func (b *bits) float() float64 { return math.Float64frombits(b.uint64()) }

func (b *bits) scene() *msg.Scene {
	s := &msg.Scene{
		Header: msg.Header{Seq: b.uint64() % 8, PTS: time.Duration(b.uint64()), Arrived: time.Duration(b.uint64())},
		Speed:  b.float(),
	}
	shape := b.uint64()
	for range shape % 4 {
		s.Objects = append(s.Objects, msg.Object{Position: msg.Ground{X: b.float(), Y: b.float()}, Width: b.float()})
	}
	if shape>>2%4 == 0 {
		return s
	}
	s.Lanes = &msg.LaneSet{EgoLeft: int(int8(shape >> 8)), EgoRight: int(int8(shape >> 16))}
	for range shape >> 2 % 4 {
		var l msg.Lane
		for i := range l.Curve.C {
			l.Curve.C[i] = b.float()
		}
		l.Curve.X0, l.Curve.X1 = b.float(), b.float()
		l.Confidence = float32(b.float())
		s.Lanes.Lanes = append(s.Lanes.Lanes, l)
	}
	return s
}

// encode is what bits reads, for seeds.
func encode(scenes ...*msg.Scene) []byte {
	var out []byte
	word := func(v uint64) { out = binary.LittleEndian.AppendUint64(out, v) }
	float := func(v float64) { word(math.Float64bits(v)) }
	for _, s := range scenes {
		word(s.Seq)
		word(uint64(s.PTS))
		word(uint64(s.Arrived))
		float(s.Speed)
		shape := uint64(len(s.Objects))
		if s.Lanes != nil {
			shape |= uint64(len(s.Lanes.Lanes))<<2 | uint64(uint8(s.Lanes.EgoLeft))<<8 | uint64(uint8(s.Lanes.EgoRight))<<16
		}
		word(shape)
		for _, o := range s.Objects {
			float(o.Position.X)
			float(o.Position.Y)
			float(o.Width)
		}
		if s.Lanes == nil {
			continue
		}
		for _, l := range s.Lanes.Lanes {
			for _, c := range l.Curve.C {
				float(c)
			}
			float(l.Curve.X0)
			float(l.Curve.X1)
			float(float64(l.Confidence))
		}
	}
	return out
}

func FuzzPlan(f *testing.F) {
	nan, inf, huge := math.NaN(), math.Inf(1), math.MaxFloat64
	f.Add(encode(scene(0, 20, straightRoad(), car(40, 0)), scene(0.04, 20, straightRoad(), car(39, 0)), scene(0.08, 19, nil)))
	f.Add(encode(scene(0, nan, road(cubic(nan, 0, 0, 0), cubic(-1.8, 0, 0, 0)), car(inf, nan)), scene(0.04, inf, nil, car(-1e-300, 0))))
	f.Add(encode(scene(0, huge, road(cubic(1, 1e300, -1e300, huge), nil), car(5, 1e-310)), scene(0.04, -huge, road(nil, cubic(-1, 0.9, 0.05, -1e-3)))))
	f.Add(encode(scene(0, 1e-320, road(cubic(2, 0.5, 0.2, -0.01), cubic(-1, 0.5, 0.2, -0.01)), car(0.1, 0), car(0.1, 0.1), car(1e308, 1e308))))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Default()
		p := newPlanner(t, c)
		b := bits(data)
		for i := range 4 {
			tr := p.Plan(b.scene())
			if err := breach(&c, tr); err != nil {
				t.Fatalf("frame %d: %v\n%s", i, err, tr.Why)
			}
		}
	})
}
