package avenc_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
)

// compressed reads a file's packets.
func compressed(t testing.TB, path string) (in avdec.Info, all []avdec.Packet) {
	t.Helper()
	p, err := avdec.OpenPackets(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for {
		k, err := p.Next()
		if err == io.EOF {
			return p.Info(), all
		}
		if err != nil {
			t.Fatal(err)
		}
		k.Data = bytes.Clone(k.Data)
		all = append(all, k)
	}
}

// keysAndB says which packets are key frames, and how many are shown before one
// that was decoded earlier.
func keysAndB(all []avdec.Packet) (keys []int, b int) {
	shown := time.Duration(-1)
	for i, k := range all {
		if k.Key {
			keys = append(keys, i)
		}
		if k.PTS < shown {
			b++
		}
		shown = max(shown, k.PTS)
	}
	return keys, b
}

func TestEveryCodecGivesThePicturesBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    avenc.Options
		b    bool
	}{
		{"H.264 without B-frames", avenc.Options{Codec: avenc.H264, BFrames: -1}, false},
		{"H.264 with B-frames", avenc.Options{Codec: avenc.H264, BFrames: 2}, true},
		{"H.265 without B-frames", avenc.Options{Codec: avenc.H265, BFrames: -1, Preset: "ultrafast"}, false},
		{"H.265 with B-frames", avenc.Options{Codec: avenc.H265, BFrames: 2, Preset: "ultrafast"}, true},
		{"H.265 with threads", avenc.Options{Codec: avenc.H265, Threads: 2}, true},
		{"MJPEG", avenc.Options{Codec: avenc.MJPEG}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Width, tt.o.Height, tt.o.FPS, tt.o.CRF = 160, 96, 30, 12
			path := filepath.Join(t.TempDir(), "x.mp4")
			var pictures [][]byte
			for i := range 30 {
				pictures = append(pictures, scene(160, 96, i))
			}
			write(t, path, tt.o, pictures...)
			in, all := compressed(t, path)
			if in.Codec != tt.o.Codec || in.Width != 160 || in.Height != 96 {
				t.Errorf("the file says %+v", in)
			}
			keys, b := keysAndB(all)
			if len(all) != len(pictures) || keys[0] != 0 || (b > 0) != tt.b {
				t.Errorf("%d packets, key frames %v, %d B-frames; want %d packets, and B-frames %v", len(all), keys, b, len(pictures), tt.b)
			}
			if tt.o.Codec == avenc.MJPEG && len(keys) != len(pictures) {
				t.Errorf("only %d pictures of MJPEG are key frames", len(keys))
			}
			_, got := decode(t, path)
			if len(got) != len(pictures) {
				t.Fatalf("%d pictures; want %d", len(got), len(pictures))
			}
			for i, g := range got {
				for _, at := range []int{0, 3 * 160 * 20} { // plain grey, whose level says which picture it is
					if d := int(g.pix[at]) - int(pictures[i][at]); d < -3 || d > 3 {
						t.Fatalf("picture %d has level %d at %d; want %d", i, g.pix[at], at, pictures[i][at])
					}
				}
			}
		})
	}
}

// White is white and a colour stays in the full range of JPEG, too.
func TestMJPEGKeepsColours(t *testing.T) {
	pix, colors := chart(288, 96)
	path := filepath.Join(t.TempDir(), "x.mp4")
	write(t, path, avenc.Options{Codec: avenc.MJPEG, Width: 288, Height: 96, FPS: 30, CRF: 1}, pix)
	_, got := decode(t, path)
	for i, c := range colors {
		x, y := i%9*32+16, i/9*32+16
		p := got[0].pix[3*(y*288+x):]
		for k := range 3 {
			if d := int(p[k]) - int(c[k]); d < -6 || d > 6 {
				t.Errorf("colour %v came back as %v", c, p[:3])
				break
			}
		}
	}
}

func TestKeyFramesWhereTheyAreAskedFor(t *testing.T) {
	for _, codec := range []string{avenc.H264, avenc.H265} {
		t.Run(codec, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mp4")
			w, err := avenc.Create(path, avenc.Options{Codec: codec, Width: 64, Height: 48, FPS: 30, Preset: "ultrafast", BFrames: 2})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 30 {
				write := w.Write
				if i == 7 || i == 20 {
					write = w.WriteKey
				}
				if err := write(scene(64, 48, i/4)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			_, all := compressed(t, path)
			keys := map[time.Duration]bool{}
			for _, k := range all {
				if k.Key {
					keys[k.PTS.Round(time.Millisecond)] = true
				}
			}
			for _, i := range []int{0, 7, 20} {
				if !keys[(time.Duration(i) * time.Second / 30).Round(time.Millisecond)] {
					t.Errorf("picture %d is no key frame; these are: %v", i, keys)
				}
			}
		})
	}
}

func TestNoKeyFramesAtSceneCuts(t *testing.T) {
	for _, codec := range []string{avenc.H264, avenc.H265} {
		for _, none := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "x.mp4")
			var pictures [][]byte
			for i := range 60 {
				p := scene(160, 96, 0)
				if i >= 30 { // everything is another
					for j := range p {
						p[j] = byte(j * j >> 3 & 0xf8)
					}
				}
				pictures = append(pictures, p)
			}
			write(t, path, avenc.Options{Codec: codec, Width: 160, Height: 96, FPS: 30, NoSceneCuts: none, Preset: "veryfast"}, pictures...)
			_, all := compressed(t, path)
			keys, _ := keysAndB(all)
			if none && len(keys) != 1 || !none && len(keys) < 2 {
				t.Errorf("%s, no scene cuts %v: key frames %v", codec, none, keys)
			}
		}
	}
}

func TestCodecOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]avenc.Options{
		"codec \"vp9\"":         {Codec: "vp9"},
		"17 B-frames":           {BFrames: 17},
		"-2 B-frames":           {BFrames: -2},
		"2 B-frames in mjpeg":   {Codec: avenc.MJPEG, BFrames: 2},
		"give one of h264, h26": {Codec: "H264"},
	} {
		o.Width, o.Height, o.FPS = 64, 48, 30
		w, err := avenc.Create(filepath.Join(t.TempDir(), "x.mp4"), o)
		if err == nil {
			err = errors.Join(errors.New("it was taken"), w.Abort())
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
