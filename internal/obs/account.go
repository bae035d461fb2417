// Package obs counts and times what the pipeline does: the account of frames,
// and the same figures as Prometheus metrics.
//
// Invariant: produced = on_time + late + dropped + failed once a run has ended;
// [Snapshot.Check] says so or names the difference.
package obs

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"dashline/pipeline/msg"
)

// Account is the running account of frames. Its methods may be called from any
// goroutine and allocate nothing once every stage and reason has been seen.
type Account struct {
	mu       sync.Mutex
	produced uint64
	outcomes map[msg.Outcome]uint64
	causes   map[Cause]*cause
	age      *hdrhistogram.Histogram
	stages   []stage
	rungs    []RungCount
	rung     string // of the latest frame that was begun
	switches uint64
	canaries uint64
	started  time.Time
	last     time.Time
	closed   uint64    // frames that have an outcome
	owing    time.Time // since when a frame has been owed its outcome, or the last was given
	now      func() time.Time
}

// Cause says why a frame was dropped or failed.
type Cause struct {
	Outcome msg.Outcome
	Stage   string
	Reason  string
}

// cause counts the frames of a Cause; detail is the first one's.
type cause struct {
	frames uint64
	detail string
}

type stage struct {
	name string
	took *hdrhistogram.Histogram
}

// Times are recorded in microseconds up to ten minutes with three significant digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)
}

// NewAccount starts an empty account.
func NewAccount() *Account { return NewAccountBy(time.Now) }

// NewAccountBy is [NewAccount] with a clock of the caller's own, which is asked
// from any goroutine.
func NewAccountBy(now func() time.Time) *Account {
	return &Account{
		now:      now,
		outcomes: make(map[msg.Outcome]uint64),
		causes:   make(map[Cause]*cause),
		age:      newHistogram(),
	}
}

// Produced counts a frame that the source produced. Call it before Frame.
func (a *Account) Produced() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.produced == 0 {
		a.started = now
	}
	if a.produced == a.closed {
		a.owing = now
	}
	a.produced++
}

// Frame closes the account of one frame.
func (a *Account) Frame(r *msg.FrameReport) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outcomes[r.Outcome]++
	a.closed++
	a.last = a.now()
	if atWork(r) {
		a.owing = a.last
	}
	a.ran(r)
	if r.Outcome == msg.Dropped || r.Outcome == msg.Failed {
		a.lost(r)
		return
	}
	record(a.age, r.Age)
	for _, s := range r.Stages {
		record(a.histogram(s.Stage), s.Took)
	}
}

// atWork says that an outcome shows that somebody works on frames. What is lost
// at the source and what makes place for a newer frame has an outcome also while
// all work hangs.
func atWork(r *msg.FrameReport) bool {
	switch r.Outcome {
	case msg.Dropped:
		return r.Reason == "deadline" // decided by who works
	case msg.Failed:
		return r.Stage != "source"
	}
	return true
}

// Owed says for how long frames have been there without that one was answered, or
// given up for its deadline: a run that hangs shows in this, however many frames
// it drops meanwhile. It is 0 while no frame is on its way.
func (a *Account) Owed() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.produced <= a.closed {
		return 0
	}
	return max(0, a.now().Sub(a.owing))
}

// ran takes note of what a frame ran on.
func (a *Account) ran(r *msg.FrameReport) {
	if r.Canary != "" {
		a.canaries++
	}
	if r.Rung == "" {
		return
	}
	if a.rung != "" && a.rung != r.Rung {
		a.switches++
	}
	a.rung = r.Rung
	a.on(r.Rung).Frames++
}

func (a *Account) on(rung string) *RungCount {
	for i := range a.rungs {
		if a.rungs[i].Rung == rung {
			return &a.rungs[i]
		}
	}
	a.rungs = append(a.rungs, RungCount{Rung: rung})
	return &a.rungs[len(a.rungs)-1]
}

func (a *Account) lost(r *msg.FrameReport) {
	key := Cause{r.Outcome, r.Stage, r.Reason}
	c := a.causes[key]
	if c == nil {
		c = &cause{detail: r.Detail}
		a.causes[key] = c
	}
	c.frames++
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	us := max(1, min(int64(d/time.Microsecond), h.HighestTrackableValue()))
	_ = h.RecordValue(us) // in range by the line above
}

func (a *Account) histogram(name string) *hdrhistogram.Histogram {
	for _, s := range a.stages {
		if s.name == name {
			return s.took
		}
	}
	h := newHistogram()
	a.stages = append(a.stages, stage{name, h})
	return h
}

// Quantiles of a set of times.
type Quantiles struct {
	Count                         int64
	Mean, P50, P99, P999, Maximum time.Duration
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	at := func(p float64) time.Duration { return time.Duration(h.ValueAtPercentile(p)) * time.Microsecond }
	return Quantiles{
		Count: h.TotalCount(),
		Mean:  time.Duration(h.Mean() * float64(time.Microsecond)),
		P50:   at(50), P99: at(99), P999: at(99.9),
		Maximum: time.Duration(h.Max()) * time.Microsecond,
	}
}

// CauseCount is how many frames were lost for one cause.
type CauseCount struct {
	Cause
	Frames uint64
	Detail string // the first frame's error
}

// StageQuantiles are the times of one stage over the frames that finished.
type StageQuantiles struct {
	Stage string
	Quantiles
}

// RungCount is how many frames were begun on a rung of the ladder.
type RungCount struct {
	Rung   string
	Frames uint64
}

// Snapshot is the account at one moment.
type Snapshot struct {
	Produced, OnTime, Late, Dropped, Failed uint64
	Causes                                  []CauseCount // most frames first
	Age                                     Quantiles    // of on_time and late frames
	Stages                                  []StageQuantiles
	// Rungs are those that frames were begun on, in the order in which they first
	// were; Switches is how often it was another than for the frame before it, and
	// Canaries how often one was tried.
	Rungs              []RungCount
	Switches, Canaries uint64
	// Elapsed is from the first frame to the last outcome.
	Elapsed time.Duration
}

// Finished is the number of frames that were published.
func (s Snapshot) Finished() uint64 { return s.OnTime + s.Late }

// Rate is finished frames per second over Elapsed, 0 where that is unknown.
func (s Snapshot) Rate() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Finished()) / s.Elapsed.Seconds()
}

// Check returns an error unless every produced frame has exactly one outcome.
func (s Snapshot) Check() error {
	sum := s.OnTime + s.Late + s.Dropped + s.Failed
	if sum == s.Produced {
		return nil
	}
	return fmt.Errorf("frame account does not close: %d produced, but %d on time + %d late + %d dropped + %d failed = %d (this is a bug)",
		s.Produced, s.OnTime, s.Late, s.Dropped, s.Failed, sum)
}

// Snapshot copies the account.
func (a *Account) Snapshot() Snapshot {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Snapshot{
		Produced: a.produced,
		OnTime:   a.outcomes[msg.OnTime],
		Late:     a.outcomes[msg.Late],
		Dropped:  a.outcomes[msg.Dropped],
		Failed:   a.outcomes[msg.Failed],
		Age:      quantiles(a.age),
		Elapsed:  a.last.Sub(a.started),
	}
	s.Rungs, s.Switches, s.Canaries = slices.Clone(a.rungs), a.switches, a.canaries
	for key, c := range a.causes {
		s.Causes = append(s.Causes, CauseCount{key, c.frames, c.detail})
	}
	slices.SortFunc(s.Causes, func(x, y CauseCount) int {
		return cmp.Or(cmp.Compare(y.Frames, x.Frames), cmp.Compare(x.Stage, y.Stage), cmp.Compare(x.Reason, y.Reason))
	})
	for _, st := range a.stages {
		s.Stages = append(s.Stages, StageQuantiles{st.name, quantiles(st.took)})
	}
	return s
}

// Sum is the account of several cameras together. Elapsed is from the first frame
// of any to the last outcome of any.
func Sum(accounts ...*Account) Snapshot {
	all := NewAccount()
	for _, a := range accounts {
		all.add(a)
	}
	return all.Snapshot()
}

// add merges b into a, which nobody else has.
func (a *Account) add(b *Account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.produced == 0 {
		return
	}
	if a.produced == 0 || b.started.Before(a.started) {
		a.started = b.started
	}
	if b.last.After(a.last) {
		a.last = b.last
	}
	a.produced += b.produced
	for outcome, n := range b.outcomes {
		a.outcomes[outcome] += n
	}
	for key, c := range b.causes {
		if a.causes[key] == nil {
			a.causes[key] = &cause{detail: c.detail}
		}
		a.causes[key].frames += c.frames
	}
	for _, r := range b.rungs {
		a.on(r.Rung).Frames += r.Frames
	}
	a.switches += b.switches
	a.canaries += b.canaries
	a.age.Merge(b.age)
	for _, s := range b.stages {
		a.histogram(s.name).Merge(s.took)
	}
}

// Check is [Snapshot.Check] without the cost of a snapshot.
func (a *Account) Check() error {
	var s Snapshot
	s.Produced, s.OnTime, s.Late, s.Dropped, s.Failed = a.Counts()
	return s.Check()
}

// Counts is the cheap part of a snapshot, for a status line.
func (a *Account) Counts() (produced, onTime, late, dropped, failed uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.produced, a.outcomes[msg.OnTime], a.outcomes[msg.Late], a.outcomes[msg.Dropped], a.outcomes[msg.Failed]
}

// Pulse is what a status line shows.
type Pulse struct {
	Rate     float64 // finished frames a second since the first frame
	P50, P99 time.Duration
}

// Pulse returns the figures so far, without the cost of a whole snapshot.
func (a *Account) Pulse() Pulse {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := quantiles(a.age)
	p := Pulse{P50: q.P50, P99: q.P99}
	if d := a.last.Sub(a.started).Seconds(); d > 0 {
		p.Rate = float64(a.outcomes[msg.OnTime]+a.outcomes[msg.Late]) / d
	}
	return p
}
