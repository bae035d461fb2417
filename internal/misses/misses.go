// Package misses keeps what was known around each miss: a bundle, one JSON file,
// of the frames before and after it, with what the machine did meanwhile.
//
// A miss is a frame that was late, failed, or was dropped for its deadline. What
// is dropped for a newer frame is the normal course of a live run.
//
// Invariants:
//   - Nothing on the frame path waits. Reports go into a bounded queue; what does
//     not fit is counted.
//   - Misses with fewer than [Around] reports between them share a bundle, up to
//     a bound.
//   - The files are bounded in number and bytes. Half of the room is for the first
//     bundles, which tell how trouble began and are never replaced; the other half
//     is for the latest, which tell how it is now, and there the oldest makes room.
//   - A file is there whole or not at all.
package misses

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dashline/pipeline/msg"
)

// Around is how many reports are kept before and after a miss.
const Around = 30

const (
	queueSize = 256
	// A bundle ends after so many reports, however many misses follow.
	longest = 10 * Around
	// The state of the process is read so often at most.
	sampleEvery = time.Second
)

// Options say where bundles go, and how much.
type Options struct {
	// Dir is the folder; it is made with the first bundle.
	Dir string
	// Most is how many bundles there are at most, 0 is 20; Bytes how large they
	// are together, 0 is 8 MiB.
	Most  int
	Bytes int64
	// Now is the wall clock; nil takes the real one.
	Now func() time.Time
}

// Keeper watches reports and writes bundles. Frame may be called from any
// goroutine and waits for nothing.
type Keeper struct {
	o     Options
	queue chan arrival
	quit  chan struct{}
	ended chan struct{}
	once  sync.Once
	lost  atomic.Uint64

	// of the goroutine that writes
	ring    []*msg.FrameReport // the latest, at most Around
	samples []sample           // the latest, oldest first
	open    *open
	kept    []file // of the second half, oldest first
	first   []file
	bytes   int64
	written int
	dropped int
	err     error
}

// arrival is a report and when it came.
type arrival struct {
	report *msg.FrameReport
	at     time.Time
}

// open is a bundle that waits for what comes after its misses.
type open struct {
	reports []*msg.FrameReport
	misses  []Frame
	known   time.Time // when the first miss was
	before  sample
	left    int // reports to come
}

type file struct {
	path string
	size int64
}

// Stats says what was kept.
type Stats struct {
	Written int    // bundles, also those that were replaced
	Left    int    // bundles that found no room, or could not be written
	Lost    uint64 // reports that came faster than they could be looked at
}

// New starts to watch. End it with Close.
func New(o Options) *Keeper {
	if o.Most <= 0 {
		o.Most = 20
	}
	if o.Bytes <= 0 {
		o.Bytes = 8 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keeper{o: o, queue: make(chan arrival, queueSize), quit: make(chan struct{}), ended: make(chan struct{})}
	k.samples = append(k.samples, take(o.Now()))
	go k.run()
	return k
}

// Frame takes a report, which must not change any more.
func (k *Keeper) Frame(r *msg.FrameReport) {
	select {
	case k.queue <- arrival{r, k.o.Now()}:
	default:
		k.lost.Add(1)
	}
}

// Lost counts the reports that came faster than they could be looked at.
func (k *Keeper) Lost() uint64 { return k.lost.Load() }

// Close writes the bundle that is open, with what there is, and waits for it. The
// error is the first of writing. Call it when no more frames come.
func (k *Keeper) Close() (Stats, error) {
	k.once.Do(func() { close(k.quit) })
	<-k.ended
	return Stats{k.written, k.dropped, k.Lost()}, k.err
}

func (k *Keeper) run() {
	defer close(k.ended)
	for {
		select {
		case a := <-k.queue:
			k.take(a)
			continue
		case <-k.quit:
		}
		break
	}
	for {
		select {
		case a := <-k.queue:
			k.take(a)
			continue
		default:
		}
		break
	}
	k.end()
}

// IsMiss says whether a frame is one.
func IsMiss(r *msg.FrameReport) bool {
	return r.Outcome == msg.Late || r.Outcome == msg.Failed || r.Outcome == msg.Dropped && r.Reason == "deadline"
}

func (k *Keeper) take(a arrival) {
	if last := k.samples[len(k.samples)-1]; a.at.Sub(last.at) >= sampleEvery {
		if len(k.samples) == 4 {
			k.samples = append(k.samples[:0], k.samples[1:]...)
		}
		k.samples = append(k.samples, take(a.at))
	}
	if IsMiss(a.report) {
		k.miss(a)
	}
	if k.open != nil {
		k.open.reports = append(k.open.reports, a.report)
		if k.open.left--; k.open.left <= 0 || len(k.open.reports) >= longest {
			k.end()
		}
	}
	if len(k.ring) == Around {
		k.ring = append(k.ring[:0], k.ring[1:]...)
	}
	k.ring = append(k.ring, a.report)
}

// miss opens a bundle, or lets the open one go on.
func (k *Keeper) miss(a arrival) {
	if k.open == nil {
		k.open = &open{
			reports: append(make([]*msg.FrameReport, 0, 2*Around+1), k.ring...),
			known:   a.at,
			before:  k.samples[0],
		}
	}
	k.open.misses = append(k.open.misses, Frame{short(a.report.Camera), a.report.Seq})
	k.open.left = Around + 1 // itself and those after it
}

// end writes the open bundle.
func (k *Keeper) end() {
	o := k.open
	if o == nil {
		return
	}
	k.open = nil
	now := k.o.Now()
	b := &Bundle{
		Format: Format, Written: now.UTC(), Misses: o.misses,
		Machine: machine(o.before, take(now), o.known),
	}
	rungs := map[string]string{}
	for _, r := range o.reports {
		b.Reports = append(b.Reports, fromReport(r))
		if was := rungs[r.Camera]; r.Rung != "" {
			if was != "" && was != r.Rung {
				b.Switches = append(b.Switches, Switch{Frame{short(r.Camera), r.Seq}, short(was), short(r.Rung)})
			}
			rungs[r.Camera] = r.Rung
		}
	}
	if err := k.write(b, o.known); err != nil {
		k.dropped++
		if k.err == nil && !errors.Is(err, errNoRoom) {
			k.err = fmt.Errorf("miss bundle: %w", err)
		}
	}
}

var errNoRoom = errors.New("there is no room for it")

func (k *Keeper) write(b *Bundle, known time.Time) error {
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	size := int64(len(text))
	// The first bundles take half of the room at most, so that there is some for
	// the latest.
	asFirst := len(k.kept) == 0 && len(k.first) < (k.o.Most+1)/2 && k.bytes+size <= k.o.Bytes/2
	if !asFirst {
		if err := k.makeRoom(size); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(k.o.Dir, 0o755); err != nil {
		return err
	}
	k.written++
	m := b.Misses[0]
	name := fmt.Sprintf("miss-%s-%04d-%s-%d.json", known.UTC().Format("20060102T150405"), k.written, fileName(m.Camera), m.Frame)
	path := filepath.Join(k.o.Dir, name)
	if err := writeWhole(path, text); err != nil {
		k.written--
		return err
	}
	k.bytes += size
	if asFirst {
		k.first = append(k.first, file{path, size})
	} else {
		k.kept = append(k.kept, file{path, size})
	}
	return nil
}

// makeRoom removes the oldest bundles of the second half until one more fits.
func (k *Keeper) makeRoom(size int64) error {
	for len(k.first)+len(k.kept)+1 > k.o.Most || k.bytes+size > k.o.Bytes {
		if len(k.kept) == 0 {
			return errNoRoom
		}
		old := k.kept[0]
		if err := os.Remove(old.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		k.kept, k.bytes = k.kept[1:], k.bytes-old.size
	}
	return nil
}

// writeWhole writes a file that nobody sees half of.
func writeWhole(path string, text []byte) error {
	half := path + ".part"
	if err := os.WriteFile(half, text, 0o644); err != nil {
		_ = os.Remove(half) // as far as it is there
		return err
	}
	if err := os.Rename(half, path); err != nil {
		_ = os.Remove(half) // as far as it is there
		return err
	}
	return nil
}

// fileName makes a camera's name one that any file may have. Those that are
// configured are such names already.
func fileName(camera string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, camera[:min(len(camera), 64)])
}
