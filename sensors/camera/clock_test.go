package camera

import (
	"testing"
	"time"
)

func TestClockDriftsAndGoesBack(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	c := newClock(start)
	check := func(at, media time.Duration) {
		t.Helper()
		if got := c.read(start.Add(at)); (got - media).Abs() > time.Microsecond {
			t.Errorf("at %v it reads %v; want %v", at, got, media)
		}
		if got := c.when(media).Sub(start); (got - at).Abs() > time.Microsecond {
			t.Errorf("it reads %v at %v; want %v", media, got, at)
		}
	}
	check(10*time.Second, 10*time.Second)
	c.drift(start.Add(10*time.Second), 1000)
	check(10*time.Second, 10*time.Second)
	check(20*time.Second, 20*time.Second+10*time.Millisecond)
	c.drift(start.Add(20*time.Second), 0)
	check(30*time.Second, 30*time.Second+10*time.Millisecond)
	if got := c.day(time.Minute); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("its time of day after a minute is %v", got)
	}
}

func TestTicksWrapAndNeverStumble(t *testing.T) {
	if got := ticks(time.Second); got != 90000 {
		t.Errorf("a second has %d ticks", got)
	}
	day := 24 * time.Hour
	if d := ticks(day+time.Second/30) - ticks(day); d != 3000 {
		t.Errorf("a frame after a day is %d ticks later; want 3000", d)
	}
	if got := ticks(14 * time.Hour); got >= 1<<32-1 || uint64(got) != 14*3600*90000%(1<<32) {
		t.Errorf("14 hours are %d ticks", got)
	}
}

func TestNTP(t *testing.T) {
	got := ntp(time.Date(1900, 1, 2, 0, 0, 0, 500_000_000, time.UTC))
	if got != 86400<<32|1<<31 {
		t.Errorf("a day and half a second after 1900 is %x", got)
	}
}
