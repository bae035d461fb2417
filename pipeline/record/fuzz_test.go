package record

import (
	"bytes"
	"testing"

	"dashline/pipeline/record/container"
)

// FuzzRecording: whatever the bytes, a recording can be summed up, its packets,
// reports and values read, and a packet that is given out is one that a recorder
// could have written.
func FuzzRecording(f *testing.F) {
	d := &disk{room: -1}
	r := on(f, d, Options{ChunkBytes: 4 << 10, Compression: None, Config: "a: b\n"})
	small := front
	small.size, small.group = 40, 3
	small.feed(r, 0, 4)
	finish(f, r)
	f.Add(d.bytes())
	f.Add(d.bytes()[:len(d.bytes())*3/4])
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := container.New(bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			return
		}
		r, err := newReader(file)
		if err != nil {
			return
		}
		_ = r.Info()
		for _, camera := range append(r.Cameras(), "", "front") {
			for range r.Reports(camera) {
			}
			it, err := r.Packets(camera, period, 3*period)
			if err != nil {
				continue
			}
			var p Packet
			for n := 0; it.Next(&p) == nil; n++ {
				m := packetToProto(camera, &p.Packet)
				if _, err := packetFromProto(m, p.Data); err != nil {
					t.Fatalf("packet %d: %v", n, err)
				}
			}
		}
		for m := range r.Messages(Query{}) {
			_, _ = m.Value()
		}
		_ = r.Problems()
	})
}
