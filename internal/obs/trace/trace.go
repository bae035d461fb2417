// Package trace writes what became of frames as a trace that Perfetto and
// chrome://tracing open: a process for each camera, a track for each stage, an
// arrow from stage to stage for each frame. The format is the JSON array of the
// Trace Event Format (Google, 2016).
//
// Invariants:
//   - Nothing on the frame path waits for the file. Reports go into a bounded
//     queue; what does not fit is counted.
//   - Memory does not grow with the length of the run.
//   - The file grows by whole events. Cut off anywhere, it lacks the closing
//     bracket alone, which the format does not ask for.
//   - Spans on one track do not overlap. Those of frames that are worked on side
//     by side get further tracks of their stage.
package trace

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"dashline/internal/obs/timeline"
	"dashline/pipeline/msg"
)

const (
	queueSize  = 1024 // reports
	writeAt    = 64 << 10
	writeEvery = time.Second
)

// Writer writes one trace. Frame may be called from any goroutine and waits for
// nothing.
type Writer struct {
	queue chan *msg.FrameReport
	quit  chan struct{}
	ended chan struct{}
	once  sync.Once
	lost  atomic.Uint64

	// of the goroutine that writes
	file   io.WriteCloser
	events events
	err    error
}

// Create begins a trace in a file, in the place of one that is there. inOrder
// says that lanes run after detection and not beside it. End it with Close.
func Create(path string, inOrder bool) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return New(f, inOrder), nil
}

// New is [Create] on anything that is written to. Close closes it.
func New(file io.WriteCloser, inOrder bool) *Writer {
	w := &Writer{
		queue: make(chan *msg.FrameReport, queueSize),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
		file:  file,
		events: events{
			placer:  timeline.Placer{InOrder: inOrder},
			cameras: map[string]*camera{},
		},
	}
	go w.run()
	return w
}

// Frame takes a report, which must not change any more.
func (w *Writer) Frame(r *msg.FrameReport) {
	select {
	case w.queue <- r:
	default:
		w.lost.Add(1)
	}
}

// Lost counts the reports that came faster than they could be written.
func (w *Writer) Lost() uint64 { return w.lost.Load() }

// Close writes what there is, ends the file and closes it. It returns the first
// error of writing. Call it when no more frames come.
func (w *Writer) Close() error {
	w.once.Do(func() { close(w.quit) })
	<-w.ended
	return w.err
}

func (w *Writer) run() {
	defer close(w.ended)
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-w.queue:
			w.add(r)
		case <-tick.C:
			w.write()
		case <-w.quit:
			w.finish()
			return
		}
	}
}

func (w *Writer) add(r *msg.FrameReport) {
	w.events.frame(r)
	if len(w.events.out) >= writeAt {
		w.write()
	}
}

func (w *Writer) finish() {
	for {
		select {
		case r := <-w.queue:
			w.add(r)
			continue
		default:
		}
		break
	}
	w.events.end()
	w.write()
	if err := w.file.Close(); w.err == nil && err != nil {
		w.err = fmt.Errorf("trace: %w", err)
	}
}

// write writes the events that are whole, at once. After an error it writes
// nothing more.
func (w *Writer) write() {
	if w.err == nil && len(w.events.out) > 0 {
		if _, err := w.file.Write(w.events.out); err != nil {
			w.err = fmt.Errorf("trace: %w", err)
		}
	}
	w.events.out = w.events.out[:0]
}
