package avdec_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
	"dashline/internal/testkit"
)

// film writes n pictures whose grey level says which they are.
func film(t testing.TB, n int, o avenc.Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film.mp4")
	w, err := avenc.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	pix := make([]byte, 3*o.Width*o.Height)
	for i := range n {
		for j := range pix {
			pix[j] = byte(16 + 4*i + j/3%o.Width/8%2*20)
		}
		if err := w.Write(pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// packets reads a file's packets to their end, with copies of their data.
func packets(t testing.TB, p *avdec.Packets) []avdec.Packet {
	t.Helper()
	var all []avdec.Packet
	for {
		k, err := p.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		k.Data = bytes.Clone(k.Data)
		all = append(all, k)
	}
}

func TestPacketsAreAnnexBInDecodingOrder(t *testing.T) {
	const frames = 40
	for _, tt := range []struct {
		name string
		o    avenc.Options
		sets [][]byte // with which a key frame begins: their first bytes
	}{
		{"no B-frames", avenc.Options{Width: 64, Height: 48, FPS: 30, Preset: "ultrafast", Keyframes: 10}, [][]byte{{0x67}, {0x68}}},
		{"B-frames", avenc.Options{Width: 64, Height: 48, FPS: 25, Preset: "medium", Keyframes: 10}, [][]byte{{0x67}, {0x68}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := avdec.OpenPackets(film(t, frames, tt.o))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			all := packets(t, p)
			if len(all) != frames {
				t.Fatalf("%d packets; want %d", len(all), frames)
			}
			shown := map[time.Duration]bool{}
			keys := 0
			for i, k := range all {
				if !bytes.HasPrefix(k.Data, []byte{0, 0, 0, 1}) && !bytes.HasPrefix(k.Data, []byte{0, 0, 1}) {
					t.Fatalf("packet %d begins with % x, no start code", i, k.Data[:4])
				}
				if k.PTS < k.DTS {
					t.Errorf("packet %d is shown at %v and decoded at %v", i, k.PTS, k.DTS)
				}
				if i > 0 && k.DTS <= all[i-1].DTS {
					t.Errorf("packet %d is decoded at %v, the one before it at %v", i, k.DTS, all[i-1].DTS)
				}
				if shown[k.PTS] {
					t.Errorf("two packets are shown at %v", k.PTS)
				}
				shown[k.PTS] = true
				if !k.Key {
					continue
				}
				keys++
				for _, set := range tt.sets {
					if !bytes.Contains(k.Data, append([]byte{0, 0, 1}, set...)) {
						t.Errorf("key packet %d lacks the parameter set % x", i, set)
					}
				}
			}
			if keys < frames/10 {
				t.Errorf("%d key packets; want at least %d", keys, frames/10)
			}
			if !shown[0] {
				t.Error("no packet is shown at 0")
			}

			if err := p.Rewind(); err != nil {
				t.Fatal(err)
			}
			again := packets(t, p)
			if len(again) != len(all) {
				t.Fatalf("%d packets after a rewind; want %d", len(again), len(all))
			}
			for i := range all {
				if !bytes.Equal(all[i].Data, again[i].Data) || all[i].PTS != again[i].PTS || all[i].Key != again[i].Key {
					t.Fatalf("packet %d is another after a rewind", i)
				}
			}
		})
	}
}

func TestPacketsRewindInTheMiddle(t *testing.T) {
	p, err := avdec.OpenPackets(film(t, 20, avenc.Options{Width: 64, Height: 48, FPS: 30, Preset: "medium"}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 7 {
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Rewind(); err != nil {
		t.Fatal(err)
	}
	if all := packets(t, p); len(all) != 20 || !all[0].Key {
		t.Errorf("%d packets after a rewind, the first a key frame: %v", len(all), all[0].Key)
	}
}

func TestOpenPacketsOpensOnlyTheNamedFile(t *testing.T) {
	dir := t.TempDir()
	video := testkit.Asset(t, "drives/videos/carnd_vehicle_test_video.mp4")
	for name, text := range map[string]string{
		"none":          "",
		"list.m3u8":     "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
		"list.ffconcat": "ffconcat version 1.0\nfile '" + video + "'\n",
	} {
		path := filepath.Join(dir, name)
		if name != "none" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := avdec.OpenPackets(path)
		if err != nil {
			continue
		}
		if _, err := p.Next(); err == nil || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		_ = p.Close()
	}
}

func TestClosedPackets(t *testing.T) {
	p, err := avdec.OpenPackets(film(t, 2, avenc.Options{Width: 64, Height: 48, FPS: 30}))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if _, err := p.Next(); err == nil || err == io.EOF {
		t.Errorf("a closed file gave %v", err)
	}
	if err := p.Rewind(); err == nil {
		t.Error("a closed file was rewound")
	}
}

// Any bytes: no crash, and an end.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("RIFF\x00\x00\x00\x00AVI LIST"))
	f.Add([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"))
	f.Add([]byte("\x00\x00\x00\x01\x67\x42\x00\x0a\xf8\x41\xa2"))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "fuzz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := avdec.OpenPackets(path)
		if err != nil {
			return
		}
		defer p.Close()
		for round := range 2 {
			for n := 0; ; n++ {
				k, err := p.Next()
				if err != nil {
					break
				}
				if len(k.Data) == 0 || len(k.Data) > avdec.MaxPacket {
					t.Fatalf("a packet of %d bytes", len(k.Data))
				}
				if n > 4*len(data)+1000 {
					t.Fatal("the file has no end")
				}
			}
			if round == 0 && p.Rewind() != nil {
				return
			}
		}
	})
}
