package sensors_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dashline/internal/avdec"
	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors"
)

// tapped reads a source to its end and returns the times of its frames and its
// packets.
func tapped(t *testing.T, path string, start, end time.Duration) (frames []time.Duration, packets []msg.Packet) {
	t.Helper()
	s, err := sensors.Open(t.Context(), path, sensors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := sensors.Record(s, func(p *msg.Packet) {
		kept := *p
		kept.Data = slices.Clone(p.Data)
		packets = append(packets, kept)
	})
	if err != nil {
		t.Fatal(err, s.Close())
	}
	defer r.Close()
	s = r
	if start > 0 || end > 0 {
		s = sensors.Between(r, start, end)
	}
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		_ = pool.Close(context.Background())
	}()
	for {
		err := s.Next(context.Background(), lease.Frame)
		if _, lost := errors.AsType[*pipeline.FrameError](err); err == io.EOF {
			return frames, packets
		} else if err != nil && !lost {
			t.Fatal(err)
		}
		frames = append(frames, lease.PTS)
	}
}

func times(packets []msg.Packet) (all []time.Duration) {
	for _, p := range packets {
		all = append(all, p.PTS)
	}
	slices.Sort(all)
	return all
}

var cutIn = filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4")

// The packets of a whole video are its frames'; those of a range begin with the
// key picture before it and have each of its frames.
func TestRecordsThePacketsOfItsFrames(t *testing.T) {
	whole, all := tapped(t, cutIn, 0, 0)
	if got := times(all); !slices.Equal(got, whole) {
		t.Fatalf("%d frames and %d packets, or at other times", len(whole), len(got))
	}
	var keys []time.Duration
	for _, p := range all {
		if p.Key {
			keys = append(keys, p.PTS)
		}
	}
	if len(keys) < 2 {
		t.Fatal("the video has one key picture")
	}
	const s = time.Second
	for _, r := range [][2]time.Duration{{2 * s, 2500 * time.Millisecond}, {0, s}, {5 * s / 2, 0}, {keys[1], keys[1] + s/2}, {keys[1] - 1, keys[1] + s/2}} {
		frames, packets := tapped(t, cutIn, r[0], r[1])
		key := keys[0]
		for _, k := range keys {
			if k <= r[0] {
				key = k
			}
		}
		if len(frames) == 0 || !packets[0].Key || packets[0].PTS != key {
			t.Errorf("%v: %d frames, and packets from %v; want them from %v", r, len(frames), packets[0].PTS, key)
		}
		got := times(packets)
		for _, at := range frames {
			if _, there := slices.BinarySearch(got, at); !there {
				t.Errorf("%v: the packet of the frame at %v is missing", r, at)
			}
		}
		if last := frames[len(frames)-1]; got[len(got)-1] > last+s/2 {
			t.Errorf("%v: packets up to %v, frames up to %v", r, got[len(got)-1], last)
		}
	}
}

// Raw H.264 has no times: its pictures are recorded, and none is left out.
func TestRecordsPicturesWherePacketsHaveNoTimes(t *testing.T) {
	p, err := avdec.OpenPackets(cutIn)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	raw := filepath.Join(t.TempDir(), "raw.h264")
	f, err := os.Create(raw)
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		packet, err := p.Next()
		if err == nil {
			_, err = f.Write(packet.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	frames, packets := tapped(t, raw, 0, 0)
	if len(frames) < 38 || !slices.Equal(times(packets), frames) || packets[0].Codec != msg.MJPEG {
		t.Errorf("%d frames and %d packets", len(frames), len(packets))
	}
}

// One packet that makes no sense is one that is missing, and the rest is there.
func TestRecordsBeyondABadPacket(t *testing.T) {
	_, all := tapped(t, cutIn, 0, 0)
	file, err := os.ReadFile(cutIn)
	if err != nil {
		t.Fatal(err)
	}
	const bad = 40
	at := bytes.Index(file, all[bad].Data[4:]) - 4 // the container has its length there
	if all[bad].Key || at < 0 {
		t.Fatal("the packet is not in the file as it should be")
	}
	copy(file[at:], "\x7f\xff\xff\xff")
	path := filepath.Join(t.TempDir(), "bad.mp4")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	_, packets := tapped(t, path, 0, 0)
	if len(packets) != len(all)-1 {
		t.Fatalf("%d packets of %d", len(packets), len(all))
	}
	for i, p := range packets {
		if p.Gap != (i == bad) {
			t.Errorf("packet %d: gap %v", i, p.Gap)
		}
	}
}
