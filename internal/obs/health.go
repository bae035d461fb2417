package obs

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Patience is how long a camera's frames may be without an answer before a run is
// taken to hang: longer than any network that makes sense takes for one.
const Patience = 10 * time.Second

// Health says whether a run makes progress, and whether it is ready. Its methods
// may be called from any goroutine.
//
// A run makes progress while each camera that gives frames has them answered. A
// camera that gives none is not the run's fault; its state says so. It is ready
// when all that it expects is there and each camera has given its first frame;
// what was ready stays so.
type Health struct {
	patience time.Duration

	mu      sync.Mutex
	cameras []watched
	missing []string // in the order in which it was expected
}

type watched struct {
	name    string
	account *Account
}

// NewHealth is that of a run that has begun to open what it needs.
func NewHealth(patience time.Duration) *Health { return &Health{patience: patience} }

// Watch looks after a camera and the account of its frames.
func (h *Health) Watch(camera string, a *Account) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cameras = append(h.cameras, watched{camera, a})
}

// Expect says that the run is not ready before what is named is, in words such as
// "network yolov3".
func (h *Health) Expect(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missing = append(h.missing, what)
}

// Ready says that what was expected is there, for example that a network is warm.
func (h *Health) Ready(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, m := range h.missing {
		if m == what {
			h.missing = append(h.missing[:i], h.missing[i+1:]...)
			return
		}
	}
}

// Stuck says in words what makes no progress; empty where all does.
func (h *Health) Stuck() (reasons []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.cameras {
		if d := c.account.Owed(); d > h.patience {
			reasons = append(reasons, fmt.Sprintf("%s: its frames have been without an answer for %v", c.name, d.Round(time.Second)))
		}
	}
	return reasons
}

// Missing says in words what the run waits for; empty where it is ready.
func (h *Health) Missing() (reasons []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.missing {
		reasons = append(reasons, m+": not ready yet")
	}
	for _, c := range h.cameras {
		if produced, _, _, _, _ := c.account.Counts(); produced == 0 {
			reasons = append(reasons, c.name+": no frame yet")
		}
	}
	if len(h.cameras) == 0 {
		reasons = append(reasons, "no camera yet")
	}
	return reasons
}

func (h *Health) serveHealth(w http.ResponseWriter, _ *http.Request) { answer(w, h.Stuck()) }
func (h *Health) serveReady(w http.ResponseWriter, _ *http.Request)  { answer(w, h.Missing()) }

func answer(w http.ResponseWriter, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(reasons, "\n"))
		return
	}
	fmt.Fprintln(w, "ok")
}
