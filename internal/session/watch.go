package session

import (
	"fmt"
	"sync"
	"time"

	"dashline/pipeline/msg"
)

// stateEvery is how often the state of a live camera is published at least, so
// that a listener that comes late need not wait for a change.
const (
	stateEvery = 3 * time.Second
	stateTick  = time.Second // how often that is looked at
)

// watch passes the state of one live camera on.
type watch struct {
	camera string

	mu     sync.Mutex
	tell   func(c msg.CameraState, changed bool) // nil while nobody listens; must not wait
	newest msg.CameraState
	told   time.Time // zero before the first
	ended  bool      // with the run: the newest is the last of it
}

// set is what the source calls. It may be called at any time until the source is
// closed, also before anybody listens; after end it does nothing.
func (w *watch) set(c msg.CameraState) {
	c.Camera, c.Detail = w.camera, clean(c.Detail)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	changed := c.Status != w.newest.Status || c.Detail != w.newest.Detail
	w.newest = c
	w.pass(changed, time.Now())
}

// repeat tells the newest state again when it was last told too long ago.
func (w *watch) repeat(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newest.Status != "" && now.Sub(w.told) >= stateEvery {
		w.pass(false, now)
	}
}

// pass tells the newest state. The caller holds mu, so that states are told in
// their order.
func (w *watch) pass(changed bool, now time.Time) {
	if w.tell != nil {
		w.tell(w.newest, changed)
		w.told = now
	}
}

func (w *watch) listen(tell func(c msg.CameraState, changed bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell = tell
}

// end keeps the newest state as it is: that a camera is closed is none of a run.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell, w.ended = nil, true
}

// state is the newest, and whether there is any: a file has none.
func (w *watch) state() (c msg.CameraState, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest, w.newest.Status != ""
}

// watch publishes the states of the cameras until stop is called, after which
// nothing more is.
func (s *Session) watch() (stop func()) {
	for _, f := range s.Feeds {
		f.state.listen(func(c msg.CameraState, changed bool) {
			s.publisher.Camera(&c)
			if s.recorder != nil {
				s.recorder.Camera(&c)
			}
			if s.metrics != nil {
				s.metrics.Camera(&c)
			}
			if !changed {
				return
			}
			select {
			case s.news <- stateLine(&c):
			default: // nobody reads them
			}
		})
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(stateTick)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				for _, f := range s.Feeds {
					f.state.repeat(now)
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		for _, f := range s.Feeds {
			f.state.end()
		}
	}
}

// stateLine says how a camera is doing:
// "front: stalled, no picture for 1.2 s, connecting again (udp)".
func stateLine(c *msg.CameraState) string {
	line := fmt.Sprintf("%s: %s", c.Camera, c.Status)
	if c.Detail != "" {
		line += ", " + c.Detail
	}
	if c.Transport != "" {
		line += " (" + c.Transport + ")"
	}
	return line
}
