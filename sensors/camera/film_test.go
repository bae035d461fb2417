package camera

import (
	"bytes"
	"image"
	"image/jpeg"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
	"dashline/sensors/nal"
)

// testFilm writes n pictures of moving noise, so that each fills some packets.
func testFilm(t testing.TB, n int, o avenc.Options) string {
	t.Helper()
	if o.Width == 0 {
		o.Width, o.Height = 160, 96
	}
	if o.FPS == 0 {
		o.FPS = 100
	}
	if o.CRF == 0 {
		o.CRF = 30
	}
	o.NoSceneCuts = true // noise would have a key frame anywhere
	path := filepath.Join(t.TempDir(), "film.mp4")
	w, err := avenc.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	pix := make([]byte, 3*o.Width*o.Height)
	for i := range n {
		for j := range pix {
			pix[j] = byte(mix(uint64(j/6 + 7919*i)))
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

func TestFilmIsNumberedAsItIsShown(t *testing.T) {
	for _, b := range []int{-1, 3} {
		f, err := openFilm(testFilm(t, 40, avenc.Options{Keyframes: 10, BFrames: b}))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.shots) != 40 || f.frames != 40 || (f.length-400*time.Millisecond).Abs() > time.Millisecond {
			t.Fatalf("%d shots, %d frames, length %v", len(f.shots), f.frames, f.length)
		}
		late := 0
		for i, s := range f.shots {
			n := 0
			for _, earlier := range f.shots[:i] {
				if earlier.index > s.index {
					n++
				}
			}
			late = max(late, n)
		}
		if got := f.lateBy(); got != late || (late > 0) != (b > 0) {
			t.Errorf("it is late by %d; want %d", got, late)
		}
		seen := map[int]bool{}
		for i, s := range f.shots {
			seen[s.index] = true
			if want := time.Duration(s.index) * 10 * time.Millisecond; (s.pts - want).Abs() > time.Millisecond {
				t.Errorf("picture %d is shown at %v; want %v", s.index, s.pts, want)
			}
			if s.dts+f.delay < s.pts {
				t.Errorf("picture %d is sent before it is taken", s.index)
			}
			if i > 0 && s.dts <= f.shots[i-1].dts {
				t.Errorf("shot %d is decoded before the one before it", i)
			}
		}
		if len(seen) != 40 || (f.delay > 0) != (b > 0) {
			t.Errorf("%d different pictures, delay %v", len(seen), f.delay)
		}
		for index := range 40 {
			at := f.shots[f.keyBefore(index)]
			if !at.key || at.index > index || at.index+10 <= index {
				t.Errorf("the key frame before picture %d is %+v", index, at)
			}
		}
	}
}

func TestReelBeginsAnew(t *testing.T) {
	f, err := openFilm(testFilm(t, 10, avenc.Options{Keyframes: 5}))
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	var first [][]byte
	for i := range 35 {
		s, data, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if i < 10 {
			first = append(first, bytes.Clone(data))
		}
		if s != f.shots[i%10] || !bytes.Equal(data, first[i%10]) {
			t.Fatalf("shot %d is not shot %d again", i, i%10)
		}
	}
	if err := r.seek(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if s, data, err := r.next(); err != nil || s != f.shots[7] || !bytes.Equal(data, first[7]) {
		t.Errorf("after a seek to 7 comes %+v, %v", s, err)
	}
}

func TestFilmsThatCannotBeShown(t *testing.T) {
	if _, err := openFilm(filepath.Join(t.TempDir(), "none.mp4")); err == nil || !strings.Contains(err.Error(), "none.mp4") {
		t.Errorf("a film that is not there: %v", err)
	}
}

func TestParameterSets(t *testing.T) {
	for _, tt := range []struct {
		name, codec string
		au          []byte
		want        [][]byte
	}{
		{"none", H264, nil, nil},
		{"no start code", H264, []byte{0x67, 0x68}, nil},
		{"in the order of the SDP", H264, []byte{0, 0, 0, 1, 0x68, 9, 0, 0, 1, 0x67, 8, 0, 0, 0, 1, 0x65, 7}, [][]byte{{0x67, 8}, {0x68, 9}}},
		{"no PPS", H264, []byte{0, 0, 1, 0x67, 8, 0, 0, 1, 0x65, 7}, nil},
		{"H.265", H265, []byte{0, 0, 1, 0x40, 1, 0, 0, 1, 0x42, 2, 0, 0, 1, 0x44, 3, 0}, [][]byte{{0x40, 1}, {0x42, 2}, {0x44, 3}}},
		{"of another codec", H265, []byte{0, 0, 1, 0x67, 8, 0, 0, 1, 0x68, 9}, nil},
	} {
		if got := parameterSets(tt.codec, slices.Collect(nal.NALs(tt.au))); !slices.EqualFunc(got, tt.want, bytes.Equal) {
			t.Errorf("%s: %x; want %x", tt.name, got, tt.want)
		}
	}
}

func FuzzParameterSets(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x68})
	f.Add([]byte{0, 0, 1, 0, 0, 1})
	f.Fuzz(func(t *testing.T, au []byte) {
		units := slices.Collect(nal.NALs(au))
		for codec, n := range map[string]int{H264: 2, H265: 3} {
			if sets := parameterSets(codec, units); len(sets) != 0 && len(sets) != n {
				t.Fatalf("%s: %d sets of % x", codec, len(sets), au)
			}
		}
	})
}

// encodeJPEG uses the standard's tables, as Go's encoder always does.
func encodeJPEG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 32, 32)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestStandardHuffman(t *testing.T) {
	plain := encodeJPEG(t)
	if !standardHuffman(plain) {
		t.Error("the standard's tables are not known")
	}
	other := bytes.Clone(plain)
	other[bytes.Index(other, []byte{0xff, 0xc4})+4+1+20]++ // a value of the first table
	if standardHuffman(other) {
		t.Error("another table went for the standard's")
	}
	f, err := openFilm(testFilm(t, 3, avenc.Options{Codec: avenc.MJPEG}))
	if err != nil || !f.standard {
		t.Errorf("a film by avenc: standard %v, %v", f.standard, err)
	}
}

func TestTwoTables(t *testing.T) {
	p, err := avdec.OpenPackets(testFilm(t, 1, avenc.Options{Codec: avenc.MJPEG}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	k, err := p.Next()
	if err != nil {
		t.Fatal(err)
	}
	count := func(j []byte) int { return bytes.Count(j, []byte{0xff, 0xdb, 0, 67}) }
	one := bytes.Clone(k.Data)
	two := twoTables(one)
	if count(one) != 1 || count(two) != 2 || !bytes.Equal(one, k.Data) {
		t.Errorf("%d table became %d", count(one), count(two))
	}
	if both := encodeJPEG(t); !bytes.Equal(twoTables(both), both) {
		t.Error("a picture with two tables was changed")
	}
}

func FuzzJPEG(f *testing.F) {
	f.Add(encodeJPEG(f))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xdb, 0, 67, 0})
	f.Add([]byte{0xff, 0xd8, 0xff, 0xc4, 0, 2, 0xff, 0xda})
	f.Fuzz(func(t *testing.T, j []byte) {
		standardHuffman(j)
		if got := twoTables(j); len(got) != len(j) && len(got) != len(j)+69 {
			t.Fatalf("%d bytes became %d", len(j), len(got))
		}
	})
}
