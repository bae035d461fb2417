package avenc_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
	"dashline/internal/testkit"
	"dashline/sensors/nal"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// scene is picture i of a moving pattern whose grey level says i, so that
// pictures out of order are seen, and B-frames are worth making.
func scene(w, h, i int) []byte {
	pix := make([]byte, 3*w*h)
	for y := range h {
		for x := range w {
			p := pix[3*(y*w+x):]
			level := byte(16 + 4*i)
			if (x+2*i)/8%2 == 0 && y > h/2 {
				level = 230
			}
			p[0], p[1], p[2] = level, level, level
		}
	}
	return pix
}

// chart has patches of flat colour in rows, and a ramp below.
func chart(w, h int) (pix []byte, colors [][3]byte) {
	for _, b := range []byte{0, 128, 255} {
		for _, g := range []byte{0, 128, 255} {
			for _, r := range []byte{0, 128, 255} {
				colors = append(colors, [3]byte{b, g, r})
			}
		}
	}
	pix = make([]byte, 3*w*h)
	for y := range h {
		for x := range w {
			c := colors[(y*3/h)*9+x*9/w]
			copy(pix[3*(y*w+x):], c[:])
		}
	}
	return pix, colors
}

func write(t testing.TB, path string, o avenc.Options, pictures ...[]byte) {
	t.Helper()
	w, err := avenc.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pictures {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

type decoded struct {
	pix []byte
	pts time.Duration
}

func decode(t testing.TB, path string) (avdec.Info, []decoded) {
	t.Helper()
	r, err := avdec.Open(path, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []decoded
	for {
		p, err := r.Next()
		if err == io.EOF {
			return r.Info(), all
		}
		if err != nil {
			t.Fatal(err)
		}
		pix := make([]byte, 3*p.Width*p.Height)
		if err := r.BGR(pix); err != nil {
			t.Fatal(err)
		}
		all = append(all, decoded{pix, p.PTS})
	}
}

func TestEveryPictureComesBackAtItsTime(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    avenc.Options
		n    int
	}{
		{"one picture", avenc.Options{Width: 64, Height: 48, FPS: 30}, 1},
		{"with B-frames", avenc.Options{Width: 64, Height: 48, FPS: 30, Preset: "medium"}, 45},
		{"without", avenc.Options{Width: 64, Height: 48, FPS: 30, Preset: "ultrafast"}, 45},
		{"smallest", avenc.Options{Width: 16, Height: 16, FPS: 1}, 3},
		{"no multiple of a block", avenc.Options{Width: 162, Height: 90, FPS: 25, Threads: 3}, 20},
		{"broadcast rate", avenc.Options{Width: 64, Height: 48, FPS: 30000. / 1001, Keyframes: 7}, 40},
		{"fast", avenc.Options{Width: 64, Height: 48, FPS: 1000}, 50},
		{"slow", avenc.Options{Width: 64, Height: 48, FPS: 0.01}, 5},
		{"odd rate", avenc.Options{Width: 64, Height: 48, FPS: 12.34}, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mp4")
			var pictures [][]byte
			for i := range tt.n {
				pictures = append(pictures, scene(tt.o.Width, tt.o.Height, i))
			}
			write(t, path, tt.o, pictures...)
			in, got := decode(t, path)
			if in.Width != tt.o.Width || in.Height != tt.o.Height || in.Codec != "h264" || in.Frames != tt.n || in.Cut || math.Abs(in.FPS-tt.o.FPS) > 1e-3 {
				t.Errorf("it says %+v", in)
			}
			if len(got) != tt.n {
				t.Fatalf("%d pictures; want %d", len(got), tt.n)
			}
			for i, g := range got {
				want := time.Duration(math.Round(float64(i) / tt.o.FPS * 1e9))
				if d := g.pts - want; d < -time.Microsecond || d > time.Microsecond {
					t.Errorf("picture %d at %v; want %v", i, g.pts, want)
				}
				if d := int(g.pix[0]) - int(pictures[i][0]); d < -3 || d > 3 {
					t.Errorf("picture %d has level %d; want %d", i, g.pix[0], pictures[i][0])
				}
			}
		})
	}
}

// Pictures that are left out leave their time: the rate of the file varies.
func TestSkipKeepsTheRateVariable(t *testing.T) {
	for _, preset := range []string{"medium", "ultrafast"} { // with B-frames and without
		path := filepath.Join(t.TempDir(), "x.mp4")
		w, err := avenc.Create(path, avenc.Options{Width: 64, Height: 48, FPS: 1000, Preset: preset})
		if err != nil {
			t.Fatal(err)
		}
		var want []time.Duration
		at := 0
		for i := range 40 {
			gap := 1 + (i*i*13)%90 // ms
			if i > 0 {
				if err := w.Skip(gap - 1); err != nil {
					t.Fatal(err)
				}
				at += gap
			}
			want = append(want, time.Duration(at)*time.Millisecond)
			if err := w.Write(scene(64, 48, i)); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []int{-1, 1e6 + 1} {
			if err := w.Skip(n); err == nil || !strings.Contains(err.Error(), "give 0 to") {
				t.Errorf("Skip(%d): %v", n, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.Skip(1); err == nil {
			t.Error("a closed writer skips")
		}
		_, got := decode(t, path)
		if len(got) != len(want) {
			t.Fatalf("%s: %d pictures; want %d", preset, len(got), len(want))
		}
		for i, g := range got {
			if g.pts != want[i] {
				t.Errorf("%s: picture %d at %v; want %v", preset, i, g.pts, want[i])
			}
		}
	}
}

// What is written is what package avdec reads: no colour moves.
func TestColoursStay(t *testing.T) {
	const w, h = 288, 96
	pix, colors := chart(w, h)
	path := filepath.Join(t.TempDir(), "x.mp4")
	write(t, path, avenc.Options{Width: w, Height: h, FPS: 30, CRF: 1}, pix, pix)
	_, got := decode(t, path)
	var square float64
	for i, v := range got[1].pix {
		d := float64(v) - float64(pix[i])
		square += d * d
	}
	psnr := 10 * math.Log10(255*255*float64(len(pix))/square)
	t.Logf("PSNR %.1f dB", psnr)
	if psnr < 40 {
		t.Errorf("PSNR of %.1f dB; want 40", psnr)
	}
	for i, c := range colors {
		x, y := i%9*w/9+w/18, i/9*h/3+h/6
		p := got[1].pix[3*(y*w+x):]
		for k := range c {
			if d := int(p[k]) - int(c[k]); d < -3 || d > 3 {
				t.Errorf("BGR %v came back as %v", c, p[:3])
				break
			}
		}
	}
}

func TestSamePicturesAreTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	var files [3][]byte
	for i, threads := range []int{2, 2, 0} {
		path := filepath.Join(dir, "x.mp4")
		var pictures [][]byte
		for k := range 40 {
			pictures = append(pictures, scene(320, 180, k))
		}
		write(t, path, avenc.Options{Width: 320, Height: 180, FPS: 30, Threads: threads}, pictures...)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = data
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the same pictures gave other bytes")
	}
	if bytes.Equal(files[0], files[2]) {
		t.Error("the number of threads changes nothing: is it used?")
	}
}

// A picture has as many slices as were asked for.
func TestSlices(t *testing.T) {
	for _, want := range []int{0, 4} {
		path := filepath.Join(t.TempDir(), "x.mp4")
		write(t, path, avenc.Options{Width: 320, Height: 180, FPS: 30, Slices: want}, scene(320, 180, 0), scene(320, 180, 1))
		packets, err := avdec.OpenPackets(path)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			p, err := packets.Next()
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for n := range nal.NALs(p.Data) {
				if kind := n[0] & 31; kind == 1 || kind == 5 {
					got++
				}
			}
			if got != max(1, want) {
				t.Errorf("asked for %d, a picture has %d", want, got)
			}
		}
		packets.Close()
	}
}

// Not even what was in memory before decides the bytes: glibc fills all that it
// hands out with MALLOC_PERTURB_, which holds for a process.
func TestSamePicturesAreTheSameBytesInAnyMemory(t *testing.T) {
	const role = "DASHLINE_TEST_WRITES"
	if path := os.Getenv(role); path != "" {
		var pictures [][]byte
		for k := range 40 {
			p := scene(320, 180, k)
			noise := uint32(k + 1)
			for i := range p {
				noise = noise*1664525 + 1013904223
				p[i] += byte(noise >> 28)
			}
			pictures = append(pictures, p)
		}
		write(t, path, avenc.Options{Width: 320, Height: 180, FPS: 30, Preset: "medium"}, pictures...)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for _, fill := range []string{"0", "165", "16"} {
		path := filepath.Join(t.TempDir(), "x.mp4")
		cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), role+"="+path, "MALLOC_PERTURB_="+fill)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		} else if !bytes.Equal(first, data) {
			t.Errorf("memory filled with %s gives other bytes", fill)
		}
	}
}

func TestQualityAndKeyframesCount(t *testing.T) {
	dir := t.TempDir()
	size := func(o avenc.Options) int64 {
		o.Width, o.Height, o.FPS = 320, 180, 30
		path := filepath.Join(dir, "x.mp4")
		var pictures [][]byte
		for k := range 30 {
			pictures = append(pictures, scene(320, 180, k))
		}
		write(t, path, o, pictures...)
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	plain := size(avenc.Options{})
	for name, o := range map[string]avenc.Options{
		"better":          {CRF: 5},
		"more key frames": {Keyframes: 2},
		"less effort":     {Preset: "ultrafast"},
	} {
		if n := size(o); n <= plain {
			t.Errorf("%s: %d bytes; plain %d", name, n, plain)
		}
	}
}

// The index stands before the pictures, so that players need not seek.
func TestIndexComesFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mp4")
	write(t, path, avenc.Options{Width: 64, Height: 48, FPS: 30}, scene(64, 48, 0))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if moov, mdat := bytes.Index(data, []byte("moov")), bytes.Index(data, []byte("mdat")); moov < 0 || mdat < moov {
		t.Errorf("moov at %d, mdat at %d", moov, mdat)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := avenc.Options{Width: 64, Height: 48, FPS: 30}
	for want, change := range map[string]func(*avenc.Options){
		"65x48":      func(o *avenc.Options) { o.Width = 65 },
		"64x47":      func(o *avenc.Options) { o.Height = 47 },
		"0x48":       func(o *avenc.Options) { o.Width = 0 },
		"-64x48":     func(o *avenc.Options) { o.Width = -64 },
		"16384":      func(o *avenc.Options) { o.Width = 16384 },
		"0 pictures": func(o *avenc.Options) { o.FPS = 0 },
		"NaN":        func(o *avenc.Options) { o.FPS = math.NaN() },
		"+Inf":       func(o *avenc.Options) { o.FPS = math.Inf(1) },
		"CRF of 52":  func(o *avenc.Options) { o.CRF = 52 },
		"CRF of -1":  func(o *avenc.Options) { o.CRF = -1 },
		"distance":   func(o *avenc.Options) { o.Keyframes = -1 },
		"threads":    func(o *avenc.Options) { o.Threads = 17 },
		"of 17":      func(o *avenc.Options) { o.Slices = 17 },
		"2 slices":   func(o *avenc.Options) { o.Slices, o.Codec = 2, avenc.H265 },
		"veryfast":   func(o *avenc.Options) { o.Preset = "quick" },
	} {
		dir := t.TempDir()
		o := good
		change(&o)
		if _, err := avenc.Create(filepath.Join(dir, "x.mp4"), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: left %v behind", want, left)
		}
	}
}

func TestPathsThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	o := avenc.Options{Width: 64, Height: 48, FPS: 30}
	if err := os.Mkdir(filepath.Join(dir, "folder.mp4"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		filepath.Join(dir, "none", "x.mp4"):    os.ErrNotExist,
		filepath.Join(dir, "folder.mp4"):       nil,
		filepath.Join(dir, "folder.mp4", "\n"): os.ErrNotExist, // a name, if an odd one
	} {
		w, err := avenc.Create(path, o)
		if path == filepath.Join(dir, "folder.mp4", "\n") {
			if err != nil {
				t.Error(err)
				continue
			}
			if err := w.Abort(); err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	left, _ := os.ReadDir(filepath.Join(dir, "folder.mp4"))
	if len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// A full disk is an error that says so, at the latest when the file is finished,
// and no half file has the name.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	path := filepath.Join(t.TempDir(), "x.mp4")
	if err := os.Symlink("/dev/full", path+".part"); err != nil {
		t.Fatal(err)
	}
	w, err := avenc.Create(path, avenc.Options{Width: 64, Height: 48, FPS: 30})
	if err == nil {
		for i := range 30 {
			err = errors.Join(err, w.Write(scene(64, 48, i)))
		}
		err = errors.Join(err, w.Close())
	}
	if err == nil || !strings.Contains(err.Error(), "No space left") {
		t.Errorf("error %v; want one that says that there is no space", err)
	}
	for _, p := range []string{path, path + ".part"} {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there", p)
		}
	}
}

func TestAWriterEndsOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mp4")
	o := avenc.Options{Width: 64, Height: 48, FPS: 30}
	begin := func() *avenc.Writer {
		t.Helper()
		w, err := avenc.Create(path, o)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	exists := func(p string) bool {
		_, err := os.Stat(p)
		return err == nil
	}

	w := begin()
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "no picture") {
		t.Errorf("a video without a picture: %v", err)
	}
	w = begin()
	if err := errors.Join(w.Write(scene(64, 48, 0)), w.Abort(), w.Abort(), w.Close()); err != nil {
		t.Error(err)
	}
	if exists(path) || exists(path+".part") {
		t.Error("something is left after Abort")
	}
	w = begin()
	for _, n := range []int{0, 3*64*48 - 1, 3*64*48 + 1} {
		if err := w.Write(make([]byte, n)); err == nil {
			t.Errorf("a picture of %d bytes was taken", n)
		}
	}
	if err := w.Write(scene(64, 48, 0)); err != nil {
		t.Error(err)
	}
	if exists(path) {
		t.Error("the name is there before the file is whole")
	}
	if err := errors.Join(w.Close(), w.Close(), w.Abort()); err != nil {
		t.Error(err)
	}
	if !exists(path) || exists(path+".part") {
		t.Error("the file is not there under its name alone")
	}
	if err := w.Write(scene(64, 48, 0)); err == nil {
		t.Error("a closed writer took a picture")
	}
}

func TestNoDescriptorStaysOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mp4")
	before := testkit.Descriptors(t)
	for i := range 20 {
		w, err := avenc.Create(path, avenc.Options{Width: 64, Height: 48, FPS: 30})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(scene(64, 48, i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			err = w.Close()
		} else {
			err = w.Abort()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if after := testkit.Descriptors(t); after > before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func TestWriteAllocsNothing(t *testing.T) {
	w, err := avenc.Create(filepath.Join(t.TempDir(), "x.mp4"), avenc.Options{Width: 64, Height: 48, FPS: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	pix := scene(64, 48, 0)
	if n := testing.AllocsPerRun(50, func() { err = errors.Join(err, w.Write(pix)) }); n > 0 || err != nil {
		t.Errorf("%g allocations a picture, %v", n, err)
	}
}
