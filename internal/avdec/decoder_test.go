package avdec_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"slices"
	"testing"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
	"dashline/pipeline/msg"
)

// What a byte of a script does to a decoder; see script.
const (
	send = iota // the packet that follows, behind its size in 14 bits
	reset
	drain // and reset
)

// script is packets as FuzzDecoder reads them.
func script(packets ...[]byte) (s []byte) {
	for _, p := range packets {
		s = append(append(s, send<<6|byte(len(p)>>8), byte(len(p))), p...)
	}
	return s
}

// small are the five packets of a small film.
func small(t testing.TB, codec string) (data [][]byte) {
	t.Helper()
	o := avenc.Options{Codec: codec, Width: 64, Height: 48, FPS: 30, CRF: 40, Preset: "veryfast", BFrames: 2}
	if codec == avenc.MJPEG {
		o.BFrames = 0
	}
	from, err := avdec.OpenPackets(film(t, 5, o))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for _, p := range packets(t, from) {
		data = append(data, p.Data)
	}
	return data
}

// Draining gives what is held back; after a reset nothing is left of what came
// before.
func TestDecoderBeginsAnew(t *testing.T) {
	for codec, name := range map[msg.Codec]string{msg.H264: avenc.H264, msg.H265: avenc.H265, msg.MJPEG: avenc.MJPEG} {
		d, err := avdec.NewDecoder(codec, 1<<14)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		data := small(t, name)
		id := int64(0)
		var shown []int64
		receive := func() {
			for {
				p, err := d.Receive()
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Fatalf("%s: %v", codec, err)
				}
				shown = append(shown, p.ID)
			}
		}
		play := func(packets [][]byte) {
			for _, p := range packets {
				id++
				if err := d.Send(p, id); err != nil {
					t.Fatalf("%s: %v", codec, err)
				}
				receive()
			}
		}
		drained := func() {
			if err := d.Drain(); err != nil {
				t.Fatal(err)
			}
			receive()
			d.Reset()
		}
		play(data[:3])
		d.Reset()
		shown = nil
		play(data)
		drained()
		play(data[:1])
		drained()
		slices.Sort(shown)
		if want := []int64{4, 5, 6, 7, 8, 9}; !slices.Equal(shown, want) {
			t.Errorf("%s: pictures of the packets %v; want %v", codec, shown, want)
		}
	}
}

// Any bytes as packets: no crash, every picture within the bound and of a packet
// that was sent since the latest reset, and an end of pictures each time.
func FuzzDecoder(f *testing.F) {
	codecs := []msg.Codec{msg.H264, msg.H265, msg.MJPEG, msg.PNG}
	for i, name := range []string{avenc.H264, avenc.H265, avenc.MJPEG} {
		data := small(f, name)
		whole := script(data...)
		f.Add(uint8(i), whole)
		f.Add(uint8(i), slices.Concat(whole, []byte{drain << 6}, whole))
		f.Add(uint8(i), slices.Concat(script(data[:3]...), []byte{reset << 6}, whole))
		f.Add(uint8(i), script(data[0][:len(data[0])/2], data[len(data)-1]))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 33, 7))); err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(3), script(b.Bytes(), b.Bytes()[:40]))

	f.Fuzz(func(t *testing.T, codec uint8, data []byte) {
		const maxPixels = 1 << 14
		d, err := avdec.NewDecoder(codecs[codec%4], maxPixels)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		var pixels [3 * maxPixels]byte
		id, begun, shown := int64(0), int64(0), 0 // packets sent, and until the latest reset
		receive := func() {
			for n := 0; ; n++ {
				p, err := d.Receive()
				if err == io.EOF {
					return
				}
				if n > 1000 {
					t.Fatalf("there is no end of pictures: %+v, %v", p, err)
				}
				if err != nil {
					if !errors.Is(err, avdec.ErrCorrupt) && !errors.Is(err, avdec.ErrTooLarge) {
						t.Fatal(err)
					}
					continue
				}
				if p.Width < 1 || p.Height < 1 || p.Width*p.Height > maxPixels {
					t.Fatalf("a picture of %dx%d", p.Width, p.Height)
				}
				if p.ID <= begun || p.ID > id {
					t.Fatalf("a picture of packet %d; those since the reset are %d to %d", p.ID, begun+1, id)
				}
				if shown++; shown > 2*int(id) {
					t.Fatalf("%d pictures of %d packets", shown, id)
				}
				_ = d.BGR(pixels[:3*p.Width*p.Height]) // not all formats can be converted
			}
		}
		for len(data) >= 2 {
			switch op := data[0] >> 6; op {
			case reset, drain:
				if op == drain {
					if err := d.Drain(); err != nil && !errors.Is(err, avdec.ErrCorrupt) {
						t.Fatal(err)
					}
					receive()
				}
				d.Reset()
				begun = id
				data = data[1:]
			default:
				n := min(int(data[0]&63)<<8|int(data[1]), len(data)-2)
				id++
				if err := d.Send(data[2:2+n], id); err != nil && !errors.Is(err, avdec.ErrCorrupt) {
					t.Fatal(err)
				}
				receive()
				data = data[2+n:]
			}
		}
		if delay := d.Delay(); delay < 0 || delay > 16 {
			t.Fatalf("a delay of %d pictures", delay)
		}
	})
}
