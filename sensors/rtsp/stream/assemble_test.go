package stream

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v4/pkg/sdp"
	"github.com/pion/rtp"
	"pgregory.net/rapid"

	"dashline/pipeline/msg"
	"dashline/sensors/nal"
)

// collect makes an assembler whose units end in the slice that it returns.
func collect(codec msg.Codec) (*Assembler, *[]AccessUnit) {
	var units []AccessUnit
	a := NewAssembler(codec, func() []byte { return nil }, func(u AccessUnit) { units = append(units, u) })
	return a, &units
}

// picture makes an access unit of a key picture (with its sets) or another, of
// several slices of any size.
func picture(codec msg.Codec, key bool, rng *rand.Rand) [][]byte {
	var nals [][]byte
	fill := func(n int, header ...byte) {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.IntN(255)) + 1 // no start codes
		}
		nals = append(nals, append(header, b...))
	}
	slices := 1 + rng.IntN(3)
	for i := range slices {
		first := byte(0x80)
		if i > 0 {
			first = 0x40
		}
		size := 1 + rng.IntN(4000)
		switch {
		case codec == msg.H264 && key:
			if i == 0 {
				fill(20, 0x67)
				fill(4, 0x68)
			}
			fill(size, 0x65, first)
		case codec == msg.H264:
			fill(size, 0x41, first)
		case key:
			if i == 0 {
				fill(20, 32<<1, 1)
				fill(30, 33<<1, 1)
				fill(4, 34<<1, 1)
			}
			fill(size, 19<<1, 1, first)
		default:
			fill(size, 1<<1, 1, first)
		}
	}
	return nals
}

// stream encodes pictures with the packetizers of another program.
func stream(t *rapid.T, codec msg.Codec, pictures [][][]byte) (packets []*rtp.Packet) {
	var encode func([][]byte) ([]*rtp.Packet, error)
	if codec == msg.H264 {
		e := &rtph264.Encoder{PayloadType: 96, PayloadMaxSize: 1200, PacketizationMode: 1}
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
		encode = e.Encode
	} else {
		e := &rtph265.Encoder{PayloadType: 96, PayloadMaxSize: 1200}
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
		encode = e.Encode
	}
	for i, p := range pictures {
		ps, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range ps {
			q.Timestamp = uint32(i * 3000)
			packets = append(packets, q)
		}
	}
	return packets
}

func annexB(nals [][]byte) (b []byte) {
	for _, n := range nals {
		b = append(append(b, 0, 0, 0, 1), n...)
	}
	return b
}

// Whatever packets are lost, a unit that is not called damaged is whole, every
// unit of which a packet came is there, and what is missing is said to be.
func TestAssemblerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom([]msg.Codec{msg.H264, msg.H265}).Draw(t, "codec")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		loss := rapid.SampledFrom([]float64{0, 0.02, 0.3}).Draw(t, "loss")
		var pictures [][][]byte
		for i := range 30 {
			pictures = append(pictures, picture(codec, i%5 == 0, rng))
		}
		a, units := collect(codec)
		missing, cut := 0, map[int64]bool{}
		heard := map[int64]bool{}
		for i, p := range stream(t, codec, pictures) {
			if i > 0 && rng.Float64() < loss {
				missing++
				cut[int64(p.Timestamp)] = true
				continue
			}
			heard[int64(p.Timestamp)] = true
			a.Add(Packet{p, time.Now(), missing})
			missing = 0
		}
		if a.open {
			a.cur.Damaged = true // its end never came
			a.finish()
		}
		told := map[int64]bool{}
		for i, u := range *units {
			told[u.Time] = true
			want := annexB(pictures[u.Time/3000])
			if !u.Damaged && !bytes.Equal(u.Data, want) {
				t.Fatalf("unit %d is called whole and is not (%d bytes of %d)", u.Time/3000, len(u.Data), len(want))
			}
			if u.Damaged && !cut[u.Time] && loss == 0 {
				t.Fatalf("unit %d is called damaged and is whole", u.Time/3000)
			}
			if i > 0 {
				before := (*units)[i-1].Time
				if u.Time > before+3000 && !u.Gap {
					t.Fatalf("unit %d comes after %d without a gap", u.Time/3000, before/3000)
				}
			}
			if u.Kind.Key != (u.Time/3000%5 == 0) && !u.Damaged {
				t.Fatalf("unit %d is a key picture: %v", u.Time/3000, u.Kind.Key)
			}
		}
		for at := range heard {
			if !told[at] {
				t.Fatalf("of unit %d packets came and it is not told", at/3000)
			}
		}
	})
}

// A camera that sends parameter sets with its key pictures is known by the first
// of them, even when nothing else of that picture came.
func TestKeyPictureWithoutItsSets(t *testing.T) {
	sps, pps, idr := []byte{0x67, 1, 2}, []byte{0x68, 1}, []byte{0x65, 0x88, 1}
	for _, tt := range []struct {
		name    string
		sets    bool // the first picture had some
		gap     int  // packets missing before the second
		damaged bool
	}{
		{"it sends them with each", true, 1, true},
		{"nothing is missing", true, 0, false},
		{"it never sends any", false, 1, false},
	} {
		a, units := collect(msg.H264)
		add := func(payload []byte, at uint32, marker bool, missing int) {
			a.Add(Packet{&rtp.Packet{Header: rtp.Header{Timestamp: at, Marker: marker}, Payload: payload}, time.Time{}, missing})
		}
		if tt.sets {
			add(sps, 0, false, 0)
			add(pps, 0, false, 0)
		}
		add([]byte{0x41, 0x9A, 1}, 3000, true, 1) // the end of the first picture is lost
		add(idr, 6000, true, tt.gap)
		u := (*units)[len(*units)-1]
		if u.Time != 6000 || !u.Kind.Key {
			t.Fatalf("%s: the last unit is %+v", tt.name, u)
		}
		if u.Damaged != tt.damaged {
			t.Errorf("%s: the second key picture is called damaged: %v", tt.name, u.Damaged)
		}
	}
}

func TestDepacketizerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		codec msg.Codec
		p     []byte
	}{
		{"nothing", msg.H264, nil},
		{"H.264 interleaved", msg.H264, []byte{25, 0, 1, 2}},
		{"STAP-A without units", msg.H264, []byte{24}},
		{"STAP-A with half a size", msg.H264, []byte{24, 0}},
		{"STAP-A beyond its end", msg.H264, []byte{24, 0, 9, 1}},
		{"STAP-A with an empty unit", msg.H264, []byte{24, 0, 0, 0, 1, 0x67}},
		{"FU-A without payload", msg.H264, []byte{28, 0x85}},
		{"FU-A that is both ends", msg.H264, []byte{28, 0xC5, 1}},
		{"FU-A without its beginning", msg.H264, []byte{28, 0x05, 1}},
		{"H.265 header alone", msg.H265, []byte{2, 1}},
		{"H.265 PACI", msg.H265, []byte{50 << 1, 1, 0, 0}},
		{"H.265 FU without payload", msg.H265, []byte{49 << 1, 1, 0x93}},
		{"H.265 AP beyond its end", msg.H265, []byte{48 << 1, 1, 0, 9, 1}},
	} {
		d := depacketizer{codec: tt.codec}
		if err := d.add(tt.p); err == nil {
			t.Errorf("%s is taken", tt.name)
		}
	}
	d := depacketizer{codec: msg.H264}
	for range MaxUnit / 60000 {
		if err := d.add(bytes.Repeat([]byte{1}, 60000)); err != nil {
			t.Fatal(err)
		}
	}
	if d.add(bytes.Repeat([]byte{1}, 60000)) == nil {
		t.Error("a picture without end is taken")
	}
}

// FuzzAssembler takes any payloads with any headers: no crash, no unit beyond
// its bound, and NAL units that can be walked.
func FuzzAssembler(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	for c := range uint8(3) {
		var seed []byte
		for _, nal := range picture([]msg.Codec{msg.H264, msg.H265, msg.H264}[c], true, rng) {
			nal = nal[:min(len(nal), 60)]
			seed = append(seed, byte(len(nal)), 0x80)
			seed = append(seed, nal...)
		}
		f.Add(c, seed)
	}
	f.Add(uint8(0), []byte{3, 0, 28, 0x85, 1, 3, 1, 28, 0x05, 2, 3, 0x80, 28, 0x45, 3})
	f.Add(uint8(2), []byte{12, 0x80, 0, 0, 0, 0, 1, 50, 4, 4, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) {
		a, units := collect([]msg.Codec{msg.H264, msg.H265, msg.MJPEG}[codec%3])
		seq, ts := uint16(0), uint32(0)
		for len(data) >= 2 {
			n := min(int(data[0]), len(data)-2)
			flags := data[1]
			p := &rtp.Packet{Header: rtp.Header{Marker: flags&0x80 != 0}, Payload: data[2 : 2+n]}
			data = data[2+n:]
			missing := int(flags >> 4 & 3)
			seq += uint16(missing) + 1
			ts += uint32(flags&15) * 1500
			p.SequenceNumber, p.Timestamp = seq, ts
			a.Add(Packet{p, time.Time{}, missing})
		}
		for _, u := range *units {
			if len(u.Data) > MaxUnit+MaxUnit/8 {
				t.Fatalf("a unit of %d bytes", len(u.Data))
			}
			for n := range nal.NALs(u.Data) {
				if len(n) == 0 {
					t.Fatal("an empty NAL unit")
				}
			}
		}
	})
}

// FuzzPacket takes datagrams as they come off the wire.
func FuzzPacket(f *testing.F) {
	good, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: 7, Timestamp: 9, Marker: true}, Payload: []byte{0x65, 0x88, 1}}).Marshal()
	f.Add(good)
	f.Add(binary.BigEndian.AppendUint64(nil, 1<<63))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &Reorderer{Wait: time.Millisecond}
		a, _ := collect(msg.H264)
		now := time.Unix(0, 0)
		for i := 0; i < len(data); i += 64 {
			p := &rtp.Packet{}
			if p.Unmarshal(data[i:]) != nil {
				continue
			}
			now = now.Add(500 * time.Microsecond)
			for _, q := range r.Push(p, now) {
				a.Add(q)
			}
			for _, q := range r.Expire(now) {
				a.Add(q)
			}
		}
	})
}

// FuzzSDP takes any session description: what is chosen of it can be decoded.
func FuzzSDP(f *testing.F) {
	for _, media := range []string{
		"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LACtoHgUSAAA==,aM48gA==; profile-level-id=42C00A\r\na=control:trackID=0\r\n",
		"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwBdlZgJ; sprop-sps=QgEB; sprop-pps=RAHBcrRiQA==\r\n",
		"m=video 0 RTP/AVP 26\r\na=control:0\r\n",
		"m=audio 0 RTP/AVP 0\r\n",
	} {
		f.Add([]byte("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" + media))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var parsed sdp.SessionDescription
		if parsed.Unmarshal(data) != nil {
			return
		}
		var d description.Session
		if d.Unmarshal(&parsed) != nil {
			return
		}
		v, err := Choose(&d)
		if err != nil {
			return
		}
		if in := v.Info; in.Codec == "" || !(in.FPS >= 0 && in.FPS <= maxRate) || min(in.Width, in.Height) < 0 || max(in.Width, in.Height) > MaxSide {
			t.Fatalf("info %+v", in)
		}
		if len(v.Sets) > len(data) {
			t.Fatalf("%d bytes of parameter sets in a description of %d", len(v.Sets), len(data))
		}
	})
}
