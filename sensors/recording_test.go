package sensors_test

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
	"dashline/sensors"
)

// smallJPEG is a small picture.
func smallJPEG(t testing.TB) []byte {
	t.Helper()
	m := gocv.NewMatWithSize(48, 64, gocv.MatTypeCV8UC3)
	defer m.Close()
	b, err := gocv.IMEncode(gocv.JPEGFileExt, m)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	return slices.Clone(b.GetBytes())
}

// recordedAs writes a recording of these packets.
func recordedAs(t testing.TB, packets []msg.Packet) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive.mcap")
	r, err := record.Create(path, record.Options{Vehicle: "car"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range packets {
		r.Packet("front", &packets[i])
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return path
}

// arrivals are packets 10 ms apart that arrived at these times; below 0 it is not
// known.
func arrivals(t testing.TB, at ...time.Duration) string {
	data := smallJPEG(t)
	day := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	var all []msg.Packet
	for i, d := range at {
		p := msg.Packet{Codec: msg.MJPEG, Data: data, Key: true, PTS: time.Duration(i) * 10 * time.Millisecond}
		if d >= 0 {
			p.Arrived = day.Add(d)
		}
		all = append(all, p)
	}
	return recordedAs(t, all)
}

// A recording says of each frame when it arrived, as far as is known and the
// clock that told it was sound.
func TestRecordingTellsArrivals(t *testing.T) {
	const ms, hour = time.Millisecond, time.Hour
	for _, tt := range []struct {
		name     string
		at, want []time.Duration
	}{
		{"as they came", []time.Duration{7 * ms, 17 * ms, 47 * ms, 47 * ms, 48 * ms}, []time.Duration{1, 10 * ms, 40 * ms, 40 * ms, 41 * ms}},
		{"not known", []time.Duration{-1, -1, -1}, []time.Duration{0, 0, 0}},
		{"of some", []time.Duration{5 * ms, -1, 27 * ms}, []time.Duration{1, 0, 22 * ms}},
		{"all at once", []time.Duration{0, 0, 0}, []time.Duration{1, 1, 1}},
		{"a clock that runs back a little", []time.Duration{100 * ms, 110 * ms, 105 * ms, 140 * ms}, []time.Duration{1, 10 * ms, 10 * ms, 40 * ms}},
		{"a clock that is set", []time.Duration{2 * hour, 2*hour + 10*ms, 20 * ms, 30 * ms, 5 * hour, 5*hour + 12*ms}, []time.Duration{1, 10 * ms, 20 * ms, 30 * ms, 40 * ms, 52 * ms}},
	} {
		s := open(t, arrivals(t, tt.at...))
		pool := frame.NewPool(1)
		lease, _ := pool.Acquire()
		var got []time.Duration
		for {
			lease.Header = msg.Header{}
			err := s.Next(context.Background(), lease.Frame)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, lease.Arrived)
		}
		lease.Release()
		_ = pool.Close(context.Background())
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, got, tt.want)
		}
	}
}

// A recording is paced as its packets came: not before they did.
func TestPacedAsRecorded(t *testing.T) {
	const ms = time.Millisecond
	at := []time.Duration{0, 10 * ms, 250 * ms, 250 * ms, 250 * ms}
	s := sensors.Paced(open(t, arrivals(t, at...)))
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	start := time.Now()
	for i := range at {
		if err := s.Next(context.Background(), lease.Frame); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < at[i]-ms {
			t.Errorf("frame %d came after %v; want %v", i, d, at[i])
		}
	}
	lease.Release()
	_ = pool.Close(context.Background())
}

// The frames of a range have the numbers that they have when all is read, also
// behind pictures that were lost.
func TestRangesOfARecordingKeepNumbers(t *testing.T) {
	_, all := tapped(t, cutIn, 0, 0)
	lose := func(lost ...int) string {
		var packets []msg.Packet
		gap := false
		for i, p := range all[:120] {
			if slices.Contains(lost, i) {
				gap = true
				continue
			}
			p.Gap, gap = gap, false
			packets = append(packets, p)
		}
		return recordedAs(t, packets)
	}
	const ms = time.Millisecond
	for name, path := range map[string]string{"whole": lose(), "one lost": lose(20), "many lost": lose(7, 8, 9, 30, 31, 45), "before the key": lose(59, 58)} {
		whole := picturesOf(t, open(t, path))
		if name != "whole" && !slices.ContainsFunc(whole, func(p picture) bool { return p.lost }) {
			t.Errorf("%s: nothing was lost", name)
		}
		for _, start := range []time.Duration{ms, 1000 * ms, 2000 * ms, 2500 * ms, 3500 * ms} {
			var want []picture
			for _, p := range whole {
				if p.pts >= start {
					want = append(want, p)
				}
			}
			got := picturesOf(t, sensors.Between(open(t, path), start, 0))
			if len(got) == 0 || !slices.Equal(got, want) {
				t.Errorf("%s, from %v: %d frames from %+v; want %d from %+v", name, start, len(got), got[0], len(want), want[0])
			}
		}
	}
}
