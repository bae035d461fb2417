package sensors

import (
	"testing"
	"time"
)

// Without a wait of its own it comes from the deadline, and is never none.
func TestReorderIsTakenFromTheDeadline(t *testing.T) {
	for _, tt := range []struct{ reorder, deadline, want time.Duration }{
		{0, 100 * time.Millisecond, 25 * time.Millisecond},
		{0, time.Hour, 50 * time.Millisecond},
		{0, 0, 50 * time.Millisecond},
		{70 * time.Millisecond, 100 * time.Millisecond, 70 * time.Millisecond},
	} {
		o := Options{Deadline: tt.deadline, RTSP: RTSPOptions{Reorder: tt.reorder}}
		if got := reorder(o); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
