package record

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/pipeline/msg"
	"dashline/pipeline/record/container"
)

// disk is a file that can be slow or full.
type disk struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	room int           // bytes that fit; negative for any number
	gate chan struct{} // a write waits for it, where there is one
}

var errFull = errors.New("no space left")

func (d *disk) Write(p []byte) (int, error) {
	if d.gate != nil {
		<-d.gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room >= 0 && d.buf.Len()+len(p) > d.room {
		n, _ := d.buf.Write(p[:d.room-d.buf.Len()])
		return n, errFull
	}
	return d.buf.Write(p)
}

func (d *disk) Close() error { return nil }

func (d *disk) bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.buf.Bytes())
}

func on(t testing.TB, d *disk, o Options) *Recorder {
	t.Helper()
	o.Vehicle = "car"
	o, err := o.filled()
	if err != nil {
		t.Fatal(err)
	}
	r, err := start("drive.mcap", d, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, b []byte) *Reader {
	t.Helper()
	f, err := container.New(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What does not fit into the queue is counted, each value once, and those who
// give values do not wait for the disk.
func TestOverflow(t *testing.T) {
	d := &disk{room: -1}
	r := on(t, d, Options{MaxMessages: 100, MaxBytes: 1 << 20, ChunkBytes: 4 << 10})
	d.gate = make(chan struct{}) // from here on the disk does not answer
	const n = 600
	testkit.Promptly(t, func() { front.feed(r, 0, n) })
	s := r.Stats()
	if s.Total().Waiting > 100+100 || s.Total().Dropped == 0 {
		t.Errorf("of %+v at most 100 may wait, but for those in the open chunk", s.Total())
	}
	close(d.gate)
	finish(t, r)
	s = r.Stats()
	offered := map[Kind]uint64{KindPackets: n, KindFrames: n, KindDetections: n - n/10, KindTracks: n - n/10, KindLanes: n - n/10, KindPlan: n - n/10, KindCalibration: 1, KindCamera: 0}
	got := read(t, d.bytes())
	in := got.Info()
	for k, c := range s.Kinds {
		if c.Offered != offered[k] {
			t.Errorf("%s: %d offered, %d were", k, c.Offered, offered[k])
		}
		if in.Dropped[k] != c.Dropped {
			t.Errorf("%s: the file says %d dropped, the recorder %d", k, in.Dropped[k], c.Dropped)
		}
		for _, topic := range in.Topics {
			if topic.Topic == "dashline.car.front."+string(k) && topic.Messages != c.Written {
				t.Errorf("%s: %d are in the file, the recorder says %d", k, topic.Messages, c.Written)
			}
		}
	}
	if !strings.Contains(s.LastDrop, "full") && !strings.Contains(s.LastDrop, "key frame") {
		t.Errorf("last drop: %q", s.LastDrop)
	}
	// No packet that refers to one that was dropped.
	it, err := got.Packets("front", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var p Packet
	last := -1
	for it.Next(&p) == nil {
		i := int(p.PTS / period)
		if i != last+1 && !p.Key {
			t.Errorf("packet %d, not a key frame, comes after packet %d", i, last)
		}
		last = i
	}
}

// After a packet that was dropped, those that may refer to it are dropped too.
func TestGapEndsAtKeyFrame(t *testing.T) {
	d := &disk{room: -1}
	r := on(t, d, Options{})
	give := func(i int, key bool) (taken bool) {
		before := r.Stats().Kinds[KindPackets].Dropped
		p := msg.Packet{Codec: msg.H264, Data: []byte{0, 0, 0, 1}, PTS: front.pts(i), Key: key}
		if i == 2 {
			p.Data = make([]byte, MaxPacket+1)
		}
		r.Packet("front", &p)
		return r.Stats().Kinds[KindPackets].Dropped == before
	}
	for i, tt := range []struct{ key, taken bool }{{true, true}, {false, true}, {false, false}, {false, false}, {false, false}, {true, true}, {false, true}} {
		if got := give(i, tt.key); got != tt.taken {
			t.Errorf("packet %d: taken %t", i, got)
		}
	}
	r.Packet("rear", &msg.Packet{Codec: msg.H264, Data: []byte{1}})
	finish(t, r)
	if c := r.Stats().Kinds[KindPackets]; c.Written != 5 || c.Dropped != 3 {
		t.Errorf("packets: %+v", c)
	}
}

// Wherever the disk is full, the recording ends, all is accounted for, and what
// was written opens up to the last whole chunk.
func TestFullAnywhere(t *testing.T) {
	d := &disk{room: -1}
	r := on(t, d, Options{ChunkBytes: 4 << 10, Compression: None})
	front.feed(r, 0, 40)
	finish(t, r)
	total := len(d.bytes())
	cut := 0
	for room := 700; room < total; room += 1 + total/80 {
		d := &disk{room: room}
		told := 0
		r := on(t, d, Options{ChunkBytes: 4 << 10, Compression: None, Notice: func(err error) { told++ }})
		front.feed(r, 0, 40)
		err := r.Close(context.Background())
		s := r.Stats()
		if !errors.Is(err, errFull) || !errors.Is(s.Err, errFull) || told != 1 {
			t.Fatalf("room for %d of %d: %v, %v, told %d times", room, total, err, s.Err, told)
		}
		settled(t, s)
		if again := r.Close(context.Background()); again != err {
			t.Errorf("closed again: %v", again)
		}
		got := read(t, d.bytes())
		if got.file.Cut == "" {
			t.Errorf("room for %d of %d: the file says that it is whole", room, total)
		}
		for _, topic := range got.Info().Topics {
			for k, c := range s.Kinds {
				if topic.Topic == "dashline.car.front."+string(k) && topic.Messages < c.Written {
					t.Errorf("room for %d: %d %s are in the file, the recorder says %d", room, topic.Messages, k, c.Written)
				}
			}
		}
		if got.Info().Chunks > 0 {
			cut++
		}
	}
	if cut < 30 {
		t.Errorf("only %d files had chunks", cut)
	}
}

// Close does not wait longer than it may for a disk that is slow, and says what
// is missing; the file is whole.
func TestCloseIsBounded(t *testing.T) {
	d := &disk{room: -1}
	r := on(t, d, Options{ChunkBytes: 4 << 10})
	d.gate = make(chan struct{})
	front.feed(r, 0, 100)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := make(chan error)
	go func() { done <- r.Close(ctx) }()
	for stop := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		abandoned := r.abandon
		r.mu.Unlock()
		if abandoned {
			break
		}
		if time.Now().After(stop) {
			t.Fatal("the end of the context changed nothing")
		}
	}
	close(d.gate)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "could not be written") {
		t.Errorf("closed: %v", err)
	}
	settled(t, r.Stats())
	got := read(t, d.bytes())
	if in := got.Info(); in.Cut != "" || len(in.Problems) > 0 {
		t.Errorf("info: %+v", in)
	}
	front.feed(r, 100, 101)
	if s := r.Stats(); s.LastDrop == "" || s.Total().Waiting != 0 {
		t.Errorf("after Close: %+v", s)
	}
}

func TestRefused(t *testing.T) {
	d := &disk{room: -1}
	r := on(t, d, Options{})
	good := front.packet(0)
	for _, tt := range []struct {
		name, why string
		give      func()
	}{
		{"name of a camera", "cannot be in a subject", func() { r.Packet("a b", &good) }},
		{"codec", "no codec", func() { r.Packet("front", &msg.Packet{Codec: "mpeg2", Data: []byte{1}}) }},
		{"large packet", "more than", func() { r.Packet("front", &msg.Packet{Codec: msg.MJPEG, Data: make([]byte, MaxPacket+1)}) }},
		{"outcome", "no outcome", func() { r.Frame(&msg.FrameReport{Header: msg.Header{Camera: "front"}, Outcome: "odd"}) }},
		{"calibration", "width", func() { c := front.calibration(); c.Width = 0; r.Calibration("front", c) }},
	} {
		before := r.Stats().Total().Dropped
		tt.give()
		for stop := time.Now().Add(30 * time.Second); r.Stats().Total().Dropped == before; time.Sleep(time.Millisecond) {
			if time.Now().After(stop) {
				t.Fatalf("%s: taken", tt.name)
			}
		}
		if s := r.Stats(); s.Total().Dropped != before+1 || !strings.Contains(s.LastDrop, tt.why) {
			t.Errorf("%s: %d dropped: %s", tt.name, s.Total().Dropped-before, s.LastDrop)
		}
	}
	finish(t, r)
	if in := read(t, d.bytes()).Info(); in.Dropped[KindPackets] != 3 {
		t.Errorf("the file says that %v were dropped", in.Dropped)
	}
}

func TestOptions(t *testing.T) {
	for _, bad := range []Options{{}, {Vehicle: "a.b"}, {Vehicle: "a", Compression: "gzip"}, {Vehicle: "a", ChunkBytes: 1}, {Vehicle: "a", MaxMessages: -1}, {Vehicle: "a", MaxBytes: 1 << 40}} {
		if _, err := Create(t.TempDir()+"/a.mcap", bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	_, path := create(t, Options{})
	if _, err := Create(path, Options{Vehicle: "car"}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("an existing file: %v", err)
	}
	r, err := Create(path, Options{Vehicle: "car", Overwrite: true})
	if err != nil {
		t.Fatal(err)
	}
	finish(t, r)
}

// What the writer adds at the end of a chunk is not logged after what waits, and
// is written before it.
func TestLogTimesDoNotFallUnderLoad(t *testing.T) {
	r := &Recorder{start: time.Now(), wake: make(chan struct{}, 1), o: Options{MaxMessages: 9, MaxBytes: 1 << 20}}
	r.Frame(front.frame(0))
	r.Frame(front.frame(1))
	if first := r.queue[0].at; r.due() != first || r.queue[1].at < first {
		t.Errorf("due at %d; what waits is of %d", r.due(), first)
	}
	r.queue = nil
	at := r.due()
	r.Frame(front.frame(2))
	if r.queue[0].at < at {
		t.Errorf("%d comes after %d", r.queue[0].at, at)
	}
}
