package session

import (
	"context"
	"io"
	"testing"
	"time"

	"dashline/internal/config"
	"dashline/pipeline/msg"
	"dashline/sensors"
)

// A run may end before its bar is full: stopped, by --duration, or because a
// file has fewer frames than it declares. Progress must end then too.
func TestTheBarEndsWithTheRun(t *testing.T) {
	for _, frames := range []int{0, 5, 221} {
		f := newFeed(config.Default())
		f.Source = sensors.Info{Frames: frames}
		s := &Session{Feeds: []*Feed{f}}
		for range 5 {
			f.Account.Produced()
			f.Account.Frame(&msg.FrameReport{Outcome: msg.OnTime})
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		ended := make(chan struct{})
		go func() {
			s.bar(ctx, io.Discard)
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("the bar of %d frames does not end", frames)
		}
	}
}
