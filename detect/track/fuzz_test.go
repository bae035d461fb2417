package track

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"dashline/pipeline/msg"
)

// FuzzTracker reads bytes as calls: of what a detector or a clock might say there
// is nothing that panics, goes out of bounds or makes tracks that disagree with
// themselves.
func FuzzTracker(f *testing.F) {
	f.Fuzz(func(t *testing.T, limit uint8, script []byte) {
		tr := started(t, Options{Limit: 1 + int(limit)})
		var at time.Duration
		var a audit
		width, height := 640, 360
		for len(script) >= 3 && len(tr.tracks) <= 256 {
			op, arg := script[0], time.Duration(int16(binary.LittleEndian.Uint16(script[1:])))
			script = script[3:]
			var dets []msg.Detection
			switch op % 8 {
			case 0: // hours, both ways
				at += arg * time.Hour
				continue
			case 1: // anything
				at = arg << 48
				continue
			case 2:
				width, height = int(arg), 360+int(op)
				continue
			case 3:
				at += arg * ms
				tr.Coast(at)
			default:
				at += time.Duration(op) * ms
				for range int(arg) & 31 {
					if len(script) < 21 {
						break
					}
					value := func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(script[4*i:])) }
					dets = append(dets, msg.Detection{Box: msg.Box{X0: value(0), Y0: value(1), X1: value(2), Y1: value(3)}, Score: value(4), Class: int(int8(script[20]))})
					script = script[21:]
				}
				tr.Update(at, width, height, dets)
			}
			for _, ahead := range []time.Duration{0, 100 * ms, -1, math.MaxInt64} {
				a.check(t, tr, tr.Append(nil, ahead), len(dets))
			}
		}
	})
}
