package stream

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"dashline/pipeline/msg"
)

// sim is a camera with a clock of its own and a network that delays.
type sim struct {
	clock   *Clock
	rng     *rand.Rand
	start   time.Time
	offset  time.Duration // of the camera's clock
	ppm     float64
	transit time.Duration // of the fastest packet
	jitter  time.Duration
}

func newSim() *sim {
	return &sim{clock: NewClock(90000), rng: rand.New(rand.NewPCG(1, 2)), start: time.Now(), transit: 3 * time.Millisecond, jitter: 8 * time.Millisecond}
}

// at gives what the clock says of the picture taken at a time, and the truth.
func (s *sim) at(d time.Duration) (c Capture, camera time.Time, age time.Duration) {
	rtp := int64(float64(d)*(1+s.ppm/1e6)*90000/float64(time.Second)) + 12345
	age = s.transit + time.Duration(s.rng.Int64N(int64(s.jitter)))
	if s.rng.IntN(20) == 0 {
		age = s.transit // now and then nothing is in the way
	}
	return s.clock.Picture(rtp, s.start.Add(d+age)), s.time(d), age
}

func (s *sim) time(d time.Duration) time.Time {
	return s.start.Round(0).Add(s.offset + time.Duration(float64(d)*(1+s.ppm/1e6)))
}

func (s *sim) report(d time.Duration) {
	s.clock.Report(int64(float64(d)*(1+s.ppm/1e6)*90000/float64(time.Second))+12345, s.time(d), s.start.Add(d+s.transit))
}

func TestCaptureWithoutReports(t *testing.T) {
	s := newSim()
	s.ppm = 80
	for i := range 3000 {
		d := time.Duration(i) * time.Second / 30
		c, _, age := s.at(d)
		if c.Clock != msg.ArrivalClock || c.Lag < 0 {
			t.Fatalf("%+v", c)
		}
		// Right but for the shortest transit, once the fastest packet is known.
		if want := age - s.transit; i > 200 && (c.Lag-want).Abs() > 2*time.Millisecond {
			t.Fatalf("at %v the picture is said to be %v old; it is %v beyond the shortest transit", d, c.Lag, want)
		}
		if taken := s.start.Add(d); i > 200 && c.At.Sub(taken) > s.transit+2*time.Millisecond {
			t.Fatalf("taken at %v, is said to be taken at %v", taken, c.At)
		}
	}
}

func TestCaptureBySenderReports(t *testing.T) {
	for _, tt := range []struct {
		name   string
		offset time.Duration
		synced bool
	}{
		{"a clock set like ours", 0, true},
		{"an hour ahead", time.Hour, false},
		{"at its epoch", -50 * 365 * 24 * time.Hour, false},
	} {
		s := newSim()
		s.offset = tt.offset
		for i := range 600 {
			d := time.Duration(i) * time.Second / 30
			c, taken, age := s.at(d)
			if i%30 == 0 {
				s.report(d)
			}
			if i == 0 {
				continue
			}
			if c.Clock != msg.SenderClock || (c.At.Sub(taken)).Abs() > 50*time.Microsecond {
				t.Fatalf("%s: taken at %v by the camera; the clock says %v (%s)", tt.name, taken, c.At, c.Clock)
			}
			want := age
			if !tt.synced {
				want -= s.transit
			}
			if i > 100 && (c.Lag-want).Abs() > time.Millisecond {
				t.Fatalf("%s: the picture is %v old; want %v", tt.name, c.Lag, want)
			}
			if c.Lag < 0 {
				t.Fatalf("%s: a lag of %v", tt.name, c.Lag)
			}
		}
		if got := s.clock.Offset() - tt.offset; got.Abs() > s.transit+time.Millisecond {
			t.Errorf("%s: an offset of %v", tt.name, s.clock.Offset())
		}
	}
}

func TestDriftAndSteps(t *testing.T) {
	s := newSim()
	s.offset, s.ppm = -3*time.Second, 150
	run := func(from, to int) {
		for i := from; i < to; i++ {
			d := time.Duration(i) * time.Second / 30
			if c, _, _ := s.at(d); c.Lag < 0 {
				t.Fatalf("a lag of %v", c.Lag)
			}
			if i%60 == 0 {
				s.report(d)
			}
		}
	}
	run(0, 30*120)
	if got := s.clock.Drift(); math.Abs(got-s.ppm) > 40 || s.clock.Steps() != 0 {
		t.Errorf("a drift of %.0f ppm with %d steps; want %.0f and none", got, s.clock.Steps(), s.ppm)
	}
	s.offset += 2 * time.Second
	run(30*120, 30*125)
	if s.clock.Steps() != 1 {
		t.Errorf("%d steps; want 1", s.clock.Steps())
	}
}

func TestNTPTime(t *testing.T) {
	for _, want := range []time.Time{
		time.Unix(0, 0), time.Date(2026, 11, 24, 21, 0, 0, 123456789, time.UTC), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		seconds := uint64(want.Unix()+2208988800) & math.MaxUint32
		v := seconds<<32 | uint64(want.Nanosecond())<<32/uint64(time.Second)
		if got := NTPTime(v); got.Sub(want).Abs() > time.Nanosecond*2 {
			t.Errorf("%v is read as %v", want, got.UTC())
		}
	}
}
