package avdec_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// read decodes a file to its end, and bounds what it may ask for.
func read(t testing.TB, path string) (good, bad int, err error) {
	r, err := avdec.Open(path, 1<<20)
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	var pixels []byte
	for range 2000 {
		p, err := r.Next()
		switch {
		case err == nil:
			good++
			if p.Width*p.Height > 1<<20 {
				t.Fatalf("a picture of %dx%d came through", p.Width, p.Height)
			}
			if n := 3 * p.Width * p.Height; n > len(pixels) {
				pixels = make([]byte, n)
			}
			if err := r.BGR(pixels[:3*p.Width*p.Height]); err != nil {
				return good, bad, err
			}
		case errors.Is(err, avdec.ErrCorrupt), errors.Is(err, avdec.ErrReference), errors.Is(err, avdec.ErrTooLarge):
			bad++
		default:
			return good, bad, err
		}
	}
	t.Fatal("the file has no end")
	return
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"none": "", "text": strings.Repeat("words ", 200)} {
		path := filepath.Join(dir, name)
		if name != "none" {
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := read(t, path); err == nil || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A playlist that names another file must not open it.
func TestOnlyTheNamedFileIsOpened(t *testing.T) {
	dir := t.TempDir()
	video := testkit.Asset(t, "drives/videos/carnd_vehicle_test_video.mp4")
	for name, text := range map[string]string{
		"list.m3u8":     "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
		"list.ffconcat": "ffconcat version 1.0\nfile '" + video + "'\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if good, _, err := read(t, path); good > 0 || err == nil || err == io.EOF {
			t.Errorf("%s: %d pictures, %v", name, good, err)
		}
	}
}

func TestBGRWantsExactlyThePicture(t *testing.T) {
	r, err := avdec.Open(testkit.Asset(t, "drives/videos/carnd_vehicle_test_video.mp4"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.BGR(make([]byte, 3)); err == nil {
		t.Error("a picture before the first")
	}
	p, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 3*p.Width*p.Height - 1, 3*p.Width*p.Height + 1} {
		if err := r.BGR(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
	if err := r.BGR(make([]byte, 3*p.Width*p.Height)); err != nil {
		t.Error(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

func TestPicturesBeyondTheBoundAreNotDecoded(t *testing.T) {
	r, err := avdec.Open(testkit.Asset(t, "drives/videos/carnd_vehicle_test_video.mp4"), 1000)
	if err != nil {
		return // refused at once: as good
	}
	defer r.Close()
	for range 100 {
		if _, err := r.Next(); err == nil {
			t.Fatal("a picture came through")
		} else if err == io.EOF || errors.Is(err, avdec.ErrCut) {
			return
		}
	}
}

// Any bytes: no crash, and an end.
func FuzzReader(f *testing.F) {
	f.Add([]byte("RIFF\x00\x00\x00\x00AVI LIST"))
	f.Add([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"))
	f.Add([]byte("\x00\x00\x00\x01\x67\x42\x00\x0a\xf8\x41\xa2"))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "fuzz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _ = read(t, path)
	})
}

// Luma is that of the picture that BGR converts.
func TestGrayIsTheLumaOfThePicture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mp4")
	w, err := avenc.Create(path, avenc.Options{Width: 50, Height: 32, FPS: 30, CRF: 1}) // no multiple of a block
	if err != nil {
		t.Fatal(err)
	}
	pix := make([]byte, 3*50*32)
	for i := range pix {
		pix[i] = byte(i / 3 % 50 * 5) // a ramp from left to right
	}
	if err := errors.Join(w.Write(pix), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := avdec.Open(path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	gray := make([]byte, 50*32)
	if err := r.Gray(gray); err == nil {
		t.Error("a picture before the first")
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 50*32 - 1, 50*32 + 1} {
		if err := r.Gray(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
	if err := r.Gray(gray); err != nil {
		t.Fatal(err)
	}
	for i, got := range gray {
		want := 16 + i%50*5*219/255 // limited range
		if d := int(got) - want; d < -3 || d > 3 {
			t.Fatalf("pixel %d has luma %d; want about %d", i, got, want)
		}
	}
}
