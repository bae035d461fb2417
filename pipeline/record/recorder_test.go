package record

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dashline/pipeline/msg"
)

// The recorder writes its own account while others offer values: log times do not
// fall for it.
func TestLogTimesDoNotFallForTheAccount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy.mcap")
	r, err := Create(path, Options{Vehicle: "car"})
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(2500 * time.Millisecond) // two accounts, and the last
	var busy sync.WaitGroup
	for range 2 {
		busy.Go(func() {
			for time.Now().Before(end) {
				r.Camera(&msg.CameraState{Camera: "front", Status: msg.CameraStreaming})
			}
		})
	}
	busy.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	problems, err := Check(path, nil)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %d problems: %q", err, len(problems), problems[:min(3, len(problems))])
	}
}
