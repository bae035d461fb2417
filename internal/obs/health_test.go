package obs_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline/msg"
)

// hand is a clock that is moved by hand.
type hand struct {
	mu sync.Mutex
	t  time.Time
}

func (h *hand) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.t
}

func (h *hand) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.t = h.t.Add(d)
}

// endpoint serves the health of a run with the cameras front and left.
type endpoint struct {
	*testing.T
	hand
	health      *obs.Health
	front, left *obs.Account
	address     string
}

func serve(t *testing.T) *endpoint {
	e := &endpoint{T: t, hand: hand{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, health: obs.NewHealth(10 * time.Second)}
	e.front, e.left = obs.NewAccountBy(e.now), obs.NewAccountBy(e.now)
	m, err := obs.Serve(obs.Options{Address: "127.0.0.1:0", Bus: func() obs.BusCounts { return obs.BusCounts{} }, Health: e.health})
	if err != nil {
		t.Fatal(err)
	}
	e.address = "http://" + m.Address()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// says checks what a page answers: 200 and "ok", or 503 and the reasons.
func (e *endpoint) says(page string, reasons ...string) {
	e.Helper()
	res, err := http.Get(e.address + page)
	if err != nil {
		e.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		e.Fatal(err)
	}
	code, want := http.StatusOK, "ok\n"
	if len(reasons) > 0 {
		code, want = http.StatusServiceUnavailable, strings.Join(reasons, "\n")+"\n"
	}
	if res.StatusCode != code || string(body) != want {
		e.Errorf("%s: %d %q, want %d %q", page, res.StatusCode, body, code, want)
	}
}

func TestReady(t *testing.T) {
	e := serve(t)
	e.says("/readyz", "no camera yet")
	e.says("/healthz")
	e.health.Expect("network large")
	e.health.Expect("network lanes")
	e.health.Watch("front", e.front)
	e.health.Watch("left", e.left)
	e.says("/readyz", "network large: not ready yet", "network lanes: not ready yet", "front: no frame yet", "left: no frame yet")
	e.health.Ready("network large")
	e.health.Ready("network large") // once more does no harm
	e.front.Produced()
	e.says("/readyz", "network lanes: not ready yet", "left: no frame yet")
	e.health.Ready("network lanes")
	e.left.Produced()
	e.says("/readyz")
	e.pass(time.Hour) // what was ready stays so
	e.says("/readyz")
}

func TestHealthy(t *testing.T) {
	onTime := &msg.FrameReport{Outcome: msg.OnTime}
	newer := &msg.FrameReport{Outcome: msg.Dropped, Stage: "admission", Reason: "newer"}
	deadline := &msg.FrameReport{Outcome: msg.Dropped, Stage: "admission", Reason: "deadline"}
	corrupt := &msg.FrameReport{Outcome: msg.Failed, Stage: "source", Reason: "corrupt"}
	failed := &msg.FrameReport{Outcome: msg.Failed, Stage: "detect", Reason: "panic"}
	const stuck = "front: its frames have been without an answer for 11s"
	for _, tt := range []struct {
		name string
		do   func(e *endpoint)
		want []string
	}{
		{"a source that gives nothing", func(e *endpoint) { e.pass(time.Hour) }, nil},
		{"a source that has ended", func(e *endpoint) { e.front.Produced(); e.front.Frame(onTime); e.pass(time.Hour) }, nil},
		{"a frame in time", func(e *endpoint) { e.front.Produced(); e.pass(10 * time.Second) }, nil},
		{"a frame that hangs", func(e *endpoint) { e.front.Produced(); e.pass(11 * time.Second) }, []string{stuck}},
		{"a frame that hangs while others are dropped for newer ones", func(e *endpoint) {
			e.front.Produced()
			for range 11 {
				e.front.Produced()
				e.pass(time.Second)
				e.front.Frame(newer)
			}
		}, []string{stuck}},
		{"nothing but frames that the source loses", func(e *endpoint) {
			for range 20 {
				e.front.Produced()
				e.pass(time.Second)
				e.front.Frame(corrupt)
			}
			e.pass(time.Hour)
		}, nil},
		{"a frame that hangs while the source loses others", func(e *endpoint) {
			e.front.Produced()
			for range 11 {
				e.front.Produced()
				e.pass(time.Second)
				e.front.Frame(corrupt)
			}
		}, []string{stuck}},
		{"frames that are all given up", func(e *endpoint) {
			e.front.Produced()
			for range 20 {
				e.front.Produced()
				e.pass(time.Second)
				e.front.Frame(deadline)
			}
		}, nil},
		{"frames that all fail", func(e *endpoint) {
			e.front.Produced()
			for range 20 {
				e.front.Produced()
				e.pass(time.Second)
				e.front.Frame(failed)
			}
		}, nil},
		{"a source that comes back after a pause", func(e *endpoint) {
			e.front.Produced()
			e.front.Frame(onTime)
			e.pass(time.Hour)
			e.front.Produced()
			e.pass(time.Second)
		}, nil},
		{"one that went on", func(e *endpoint) { e.front.Produced(); e.pass(time.Minute); e.front.Frame(onTime) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := serve(t)
			e.health.Watch("front", e.front)
			e.health.Watch("left", e.left)
			e.left.Produced() // and all is well with it
			e.left.Frame(onTime)
			tt.do(e)
			e.says("/healthz", tt.want...)
		})
	}
}
