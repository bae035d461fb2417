package coded_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gocv.io/x/gocv"
	"pgregory.net/rapid"

	"dashline/internal/avdec"
	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors/coded"
	"dashline/sensors/nal"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// film is a drive with B pictures: its packets in the order of decoding, and its
// pictures in the order of presentation.
type film struct {
	units    []coded.Unit
	pictures map[time.Duration][]byte // BGR by PTS
	times    []time.Duration
}

const filmFrames = 120

func load(t testing.TB) *film {
	path := filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4")
	r, err := avdec.Open(path, 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f := &film{pictures: map[time.Duration][]byte{}}
	for range filmFrames {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		pix := make([]byte, 3*p.Width*p.Height)
		if err := r.BGR(pix); err != nil {
			t.Fatal(err)
		}
		f.pictures[p.PTS] = pix
		f.times = append(f.times, p.PTS)
	}
	packets, err := avdec.OpenPackets(path)
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	classify := nal.NewClassifier(msg.H264)
	for len(f.units) < filmFrames {
		p, err := packets.Next()
		if err != nil {
			t.Fatal(err)
		}
		if p.PTS > f.times[filmFrames-1] {
			continue // shown after the last of the film
		}
		u := coded.Unit{Packet: msg.Packet{Codec: msg.H264, Data: bytes.Clone(p.Data), PTS: p.PTS, Key: p.Key, Arrived: time.Now()}}
		u.Kind = classify.Classify(u.Data)
		if u.Kind.Key != p.Key {
			t.Fatalf("the picture at %v is taken for a key picture: %v", p.PTS, u.Kind.Key)
		}
		f.units = append(f.units, u)
	}
	return f
}

// event is what became of one picture.
type event struct {
	seq     uint64
	pts     time.Duration
	reason  string // empty: shown
	dropped bool
	pixels  []byte
}

// fataler is a testing.TB or a rapid.T.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// play puts units in and collects what comes out.
func play(t fataler, o coded.Options, units []coded.Unit) []event {
	s, err := coded.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &frame.Frame{Image: gocv.NewMat()}
	defer func() { _ = f.Image.Close() }()
	var out []event
	collect := func() {
		for {
			ok, err := s.Next(f)
			if err == nil && !ok {
				return
			}
			e := event{seq: f.Seq, pts: f.PTS}
			if fe, lost := errors.AsType[*pipeline.FrameError](err); lost {
				e.reason, e.dropped = fe.Reason, fe.Dropped
			} else if err != nil {
				t.Fatal(err)
			} else {
				e.pixels = bytes.Clone(f.Image.ToBytes())
			}
			out = append(out, e)
		}
	}
	for i := range units {
		s.Put(&units[i])
		collect()
	}
	s.End()
	collect()
	return out
}

var options = coded.Options{Codec: msg.H264, Name: "film", MaxPixels: 1 << 22, MaxSide: 4096, Period: time.Second / 30}

// check holds events against the film: numbered and in order, each of the
// film's pictures once, and nothing shown that is not exactly its picture.
func check(t fataler, f *film, events []event) (shown int) {
	t.Helper()
	if len(events) != len(f.times) {
		t.Fatalf("%d pictures are accounted for; the film has %d", len(events), len(f.times))
	}
	for i, e := range events {
		if e.seq != uint64(i) {
			t.Fatalf("picture %d has the number %d", i, e.seq)
		}
		if d := e.pts - f.times[i]; d.Abs() > time.Millisecond {
			t.Fatalf("picture %d is at %v; want %v", i, e.pts, f.times[i])
		}
		if e.reason != "" {
			continue
		}
		shown++
		if !bytes.Equal(e.pixels, f.pictures[f.times[i]]) {
			t.Fatalf("picture %d is shown, and is not the one of the film", i)
		}
	}
	return shown
}

func TestWholeStreamIsShownInOrder(t *testing.T) {
	f := load(t)
	if got := check(t, f, play(t, options, f.units)); got != filmFrames {
		t.Errorf("%d of %d are shown", got, filmFrames)
	}
}

// Whatever is lost or damaged, each picture is accounted for once, in order, and
// none is shown that is not whole.
func TestNothingIsShownThatIsNotWhole(t *testing.T) {
	f := load(t)
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		loss := rapid.SampledFrom([]float64{0, 0.01, 0.05, 0.3}).Draw(t, "loss")
		one := rapid.IntRange(1, filmFrames-5).Draw(t, "one") // is always lost
		headless := rapid.Bool().Draw(t, "headless")
		var units []coded.Unit
		gap := false
		for i, u := range f.units {
			// The ends stay: what is lost there is known by nobody. That the first picture
			// is damaged is known, and then no decoder says how deep the stream is.
			end := i >= len(f.units)-4
			switch r := rng.Float64(); {
			case i == one, i > 0 && !end && r < loss/2:
				gap = true
				continue
			case i == 0 && headless, i > 0 && !end && r < loss:
				u.Damaged = true
				u.Data = u.Data[:len(u.Data)/2]
			}
			u.Gap = gap
			gap = false
			units = append(units, u)
		}
		events := play(t, options, units)
		check(t, f, events)
		for i, e := range events {
			if want := model(units, f.times[i]); want != (e.reason == "") {
				t.Fatalf("picture %d at %v is shown: %v (%s); want %v", i, e.pts, !want, e.reason, want)
			}
		}
	})
}

// The first key picture did not come whole, so no decoder tells how deep the stream
// is, nor did the one after it, which is shown after some that follow. What is left
// tells: the times of what comes, and headers where more is missing.
func TestDepthIsKnownBeforeAnythingIsDecoded(t *testing.T) {
	f := load(t)
	headers := len(f.units[0].Data) / 2
	for name, tt := range map[string]struct {
		left int // bytes of the first picture
		lost []int
	}{
		"nothing is left":                  {0, []int{1}},
		"headers":                          {headers, []int{1}},
		"headers, and a B picture is lost": {headers, []int{1, 6}},
		"headers, and two P are lost":      {headers, []int{1, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			units := slices.Clone(f.units)
			units[0].Damaged, units[0].Data = true, units[0].Data[:tt.left]
			for _, i := range slices.Backward(tt.lost) {
				units[i+1].Gap = true
				units = slices.Delete(units, i, i+1)
			}
			check(t, f, play(t, options, units))
		})
	}
}

// model says whether a picture is to be shown: it came whole, and so did all
// since the last key picture that others may refer to.
func model(units []coded.Unit, at time.Duration) bool {
	sound := true
	for _, u := range units {
		if u.Gap {
			sound = false
		}
		if u.Key && !u.Damaged {
			sound = true
		}
		if u.PTS == at {
			return sound && !u.Damaged
		}
		if u.Damaged && !u.Kind.Disposable {
			sound = false
		}
	}
	return false
}

// A picture whose end is missing, though nobody said so. (Wrong bits that still
// make a picture are noticed by no decoder: the codecs have no checksums, and
// leave that to those of UDP and TCP.)
func TestDamageIsSeen(t *testing.T) {
	f := load(t)
	at := slices.IndexFunc(f.units, func(u coded.Unit) bool { return !u.Key && !u.Kind.Disposable })
	units := slices.Clone(f.units)
	units[at].Data = units[at].Data[:len(units[at].Data)/2]
	events := play(t, options, units)
	if shown := check(t, f, events); shown > filmFrames/2+at {
		t.Errorf("%d pictures are shown; the damaged one is the %dth to be decoded, and half-way is a key picture", shown, at)
	}
	if !slices.ContainsFunc(events, func(e event) bool { return e.reason == coded.Corrupt }) {
		t.Error("no picture is said to be corrupt")
	}
}

// Messages that cameras put beside their pictures, right or wrong, cost none.
func TestMessagesCostNothing(t *testing.T) {
	f := load(t)
	units := slices.Clone(f.units)
	for i := range units {
		sei := append([]byte{0, 0, 0, 1, 6, 5, 200}, bytes.Repeat([]byte{0x55}, 16)...) // says 200 bytes, has 16
		units[i].Data = append(append(sei, 0x80), units[i].Data...)
	}
	if shown := check(t, f, play(t, options, units)); shown != filmFrames {
		t.Errorf("%d of %d are shown", shown, filmFrames)
	}
}

// Pictures that nobody kept are told where they were missed.
func TestSkippedWithoutATraceAreCounted(t *testing.T) {
	f := load(t)
	units := slices.Clone(f.units)
	units[60].Skipped = 5 // a key picture
	events := play(t, options, units)
	stale := 0
	for _, e := range events {
		if e.reason == coded.Stale && e.dropped {
			stale++
		}
	}
	if len(events) != filmFrames+5 || stale != 5 {
		t.Errorf("%d pictures, %d stale; want %d and 5", len(events), stale, filmFrames+5)
	}
}

// A picture that nothing refers to may be damaged alone.
func TestDisposablePicturesTakeNoOthersAlong(t *testing.T) {
	f := load(t)
	units := slices.Clone(f.units)
	n := 0
	for i := range units {
		if units[i].Kind.Disposable {
			units[i].Damaged = true
			n++
		}
	}
	if n == 0 {
		t.Fatal("the film has no such picture")
	}
	if shown := check(t, f, play(t, options, units)); shown != filmFrames-n {
		t.Errorf("%d are shown; want %d", shown, filmFrames-n)
	}
}

func TestStalePicturesAreDropped(t *testing.T) {
	f := load(t)
	units := slices.Clone(f.units)
	now := time.Now()
	stale := 0
	for i := range units {
		units[i].Arrived = now
		if i%3 == 0 {
			units[i].Arrived = now.Add(-time.Hour)
			stale++
		}
	}
	o := options
	o.Live, o.Deadline = true, 30*time.Minute
	events := play(t, o, units)
	if shown := check(t, f, events); shown != filmFrames-stale {
		t.Errorf("%d are shown; want %d: those that are not stale, also where they refer to one that is", shown, filmFrames-stale)
	}
	for _, e := range events {
		if e.reason != "" && (e.reason != coded.Stale || !e.dropped) {
			t.Errorf("picture %d: %+v", e.seq, e)
		}
	}
}

// What was let go up to a key picture is counted, and the stream goes on there.
func TestSkippedPicturesAreCounted(t *testing.T) {
	f := load(t)
	var units []coded.Unit
	for round := range 3 {
		for _, u := range f.units {
			u.PTS += time.Duration(round) * 4 * time.Second
			if round == 1 {
				u.Skip, u.Data = true, nil
			}
			units = append(units, u)
		}
	}
	events := play(t, options, units)
	if len(events) != 3*filmFrames {
		t.Fatalf("%d pictures; want %d", len(events), 3*filmFrames)
	}
	for i, e := range events {
		if skipped := i/filmFrames == 1; skipped != (e.reason == coded.Stale) || !skipped && e.reason != "" {
			t.Errorf("picture %d: %q", i, e.reason)
		}
	}
}

func TestAnotherSessionLosesNothing(t *testing.T) {
	f := load(t)
	units := slices.Clone(f.units[:40])
	for _, u := range f.units[:40] {
		u.PTS += time.Minute
		units = append(units, u)
	}
	units[40].Restart = true
	events := play(t, options, units)
	if len(events) != 80 {
		t.Errorf("%d pictures; want 80: the minute between the sessions had none", len(events))
	}
}

// Who joins a stream in the middle of a picture, or before a key picture, has lost
// nothing; a key picture that is not whole later on is lost.
func TestJoiningLosesNothing(t *testing.T) {
	f := load(t)
	var keys []int
	for i, u := range f.units {
		if u.Key {
			keys = append(keys, i)
		}
	}
	for name, tt := range map[string]struct {
		first, damaged int // of the film's units
		incomplete     int
		shown          bool
	}{
		"in the middle of a picture":     {1, 1, 0, true},
		"in the middle of a key picture": {0, 0, 0, true},
		"and a later one is not whole":   {1, 2, 0, true},
		"and the key one is not whole":   {1, keys[1], 1, false},
	} {
		units := slices.Clone(f.units[tt.first:])
		units[0].Restart = true
		units[tt.damaged-tt.first].Damaged = true
		got := map[string]int{}
		for _, e := range play(t, options, units) {
			got[e.reason]++
		}
		if got[coded.Incomplete] != tt.incomplete || got[coded.Join] == 0 || got[""] > 0 != tt.shown {
			t.Errorf("joined %s: %v; want %d incomplete", name, got, tt.incomplete)
		}
	}
}

func TestSizesAreBounded(t *testing.T) {
	f := load(t)
	for name, o := range map[string]coded.Options{
		"side":   {Codec: msg.H264, Name: "film", MaxPixels: 1 << 22, MaxSide: 639},
		"pixels": {Codec: msg.H264, Name: "film", MaxPixels: 640*360 - 1, MaxSide: 4096},
	} {
		for _, e := range play(t, o, f.units[:20]) {
			if e.reason == "" {
				t.Errorf("%s: a picture came through", name)
				break
			}
		}
	}
}

// Any bytes, in any order and with any flags: no crash, and a whole account.
func FuzzStream(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x67\x42\x00\x0a\xf8\x41\xa2\x00\x00\x01\x68\xce\x38\x80"), uint8(0), []byte{1, 2})
	f.Add([]byte("\x00\x00\x01\x26\x01\xaf\x00\x00\x01\x02\x01\xd0"), uint8(1), []byte{7})
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), uint8(2), []byte{0})
	f.Fuzz(func(t *testing.T, data []byte, codec uint8, flags []byte) {
		codecs := []msg.Codec{msg.H264, msg.H265, msg.MJPEG, msg.PNG}
		o := coded.Options{Codec: codecs[codec%4], Name: "fuzz", MaxPixels: 1 << 18, MaxSide: 1024}
		classify := nal.NewClassifier(o.Codec)
		var units []coded.Unit
		for i, flag := range flags[:min(len(flags), 16)] {
			part := data[len(data)*i/16:]
			u := coded.Unit{Packet: msg.Packet{Codec: o.Codec, Data: part, PTS: time.Duration(flag>>4) * time.Millisecond}}
			u.Kind = classify.Classify(part)
			u.Key, u.Damaged = u.Kind.Key, flag&1 != 0
			u.Gap, u.Restart, u.Skip = flag&2 != 0, flag&4 != 0, flag&8 != 0
			units = append(units, u)
		}
		if got := len(play(t, o, units)); got < len(units) {
			t.Fatalf("%d pictures of %d are accounted for", got, len(units))
		}
	})
}
