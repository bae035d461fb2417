package session

import (
	"context"
	"io"
	"strings"
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
		f := newFeed(config.Default(), 1)
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

// The state of a camera is a line above the bars.
func TestTheBarSaysHowCamerasDo(t *testing.T) {
	s := &Session{Feeds: []*Feed{newFeed(config.Default(), 1), newFeed(config.Default(), 1)}, news: make(chan string)}
	ctx, cancel := context.WithCancel(context.Background())
	var out lockedBuffer
	ended := make(chan struct{})
	go func() {
		s.bar(ctx, &out)
		close(ended)
	}()
	s.news <- "front: stalled, no picture for 1.2 s (udp)"
	cancel()
	<-ended
	if !strings.Contains(out.String(), "front: stalled, no picture for 1.2 s (udp)\n") {
		t.Errorf("shown %q", &out)
	}
}
