package sensors

import (
	"io"
	"testing"
	"time"
)

// A file is cut off when both frames and their time are missing. A recording of
// a varying rate has fewer frames than its length at the nominal rate would
// hold, and all of its time.
func TestEndTellsCutOffFromVaryingRate(t *testing.T) {
	tests := []struct {
		name     string
		declared int
		read     uint64
		last     time.Duration
		cut      bool
	}{
		{"whole", 250, 250, 9960 * time.Millisecond, false},
		{"estimated a little high", 250, 246, 9800 * time.Millisecond, false},
		{"unknown length", 0, 10, 360 * time.Millisecond, false},
		{"half the rate, all the time", 250, 125, 9920 * time.Millisecond, false},
		{"half the time", 250, 125, 4960 * time.Millisecond, true},
		{"nothing", 250, 0, 0, true},
		{"nothing of unknown length", 0, 0, 0, true},
	}
	for _, tt := range tests {
		v := &video{info: Info{Frames: tt.declared, FPS: 25}, seq: tt.read, last: tt.last}
		if err := v.end(); (err != io.EOF) != tt.cut {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
