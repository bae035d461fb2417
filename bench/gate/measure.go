package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"dashline/bench/load"
	"dashline/bench/worker"
)

// Options say what is measured, and how.
type Options struct {
	Base, Head Binary
	Config     string         // text of a configuration file, for both
	Faults     []worker.Fault // put into the head on purpose
	Time       time.Duration  // for all of it
	Rounds     int            // processes of each side, one after the other; 0: by Time
	Every      int            // which pictures the accuracy is of; 0: it is not measured
	Perf       *Perf          // counts instructions; nil: they are not counted
	Stall      time.Duration  // how long a process is asleep for that stalls
	Seed       uint64         // of the order
	Progress   func(string)   // called with what is done now; nil: not

	least int           // quadruples of a round, even where the time is over
	slack time.Duration // that it may take longer; 0: the constant
}

// Binary is a program to be measured.
type Binary struct {
	Name string // for people
	Path string
}

// What a run's time is spent on.
const (
	// blockTime is about what a block of the loud pairs takes, at least a frame. By
	// measurement: single frames of 35 ms had less noise for the same time than blocks
	// of two or four.
	blockTime = 40 * time.Millisecond
	// silentEvery is how often a quadruple publishes nothing. What a frame allocates
	// then is known to half an object of about 100 blocks. For times they count as all
	// others do: publishing takes under 1 % of a frame.
	silentEvery = 3
	warmup      = 3 // frames at least
	warmupTime  = 150 * time.Millisecond
	// roundTime is what one process of each side has. Few processes make intervals
	// wide, however long they run, and many spend the time on starting: a second, and
	// longer where networks are large.
	roundTime   = 2500 * time.Millisecond
	leastRounds = 4
	mostRounds  = 64
	// slack is by how much a run may take longer than its time, for builds that are
	// slow to start: one that hangs is not waited for.
	slack = 5 * time.Minute
)

// Measure runs both builds by turns. The error is why a build could not be measured;
// an [*worker.OrderError] with Usage is in what was asked for.
func Measure(ctx context.Context, o Options) (*Evidence, error) {
	end := time.Now().Add(o.Time)
	if o.slack == 0 {
		o.slack = slack
	}
	most := o.Time + o.slack
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("there was no answer when the run had taken %v: does it hang?", most))
	defer cancel()
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	settled := o.Rounds > 0
	if !settled {
		o.Rounds = min(max(int(o.Time/roundTime), leastRounds), mostRounds)
	}
	e := &Evidence{Base: Side{Name: o.Base.Name}, Head: Side{Name: o.Head.Name}, Delays: true, Watched: true}
	if o.Every > 0 {
		o.Progress("accuracy")
		if err := bothRight(ctx, o, e); err != nil {
			return nil, err
		}
	}
	random := rand.New(rand.NewPCG(o.Seed, 0x6761_7465))
	for i := 0; i < o.Rounds; i++ {
		until := time.Now().Add(time.Until(end) / time.Duration(o.Rounds-i))
		starting, err := round(ctx, o, e, i, until, random)
		if err != nil {
			return nil, err
		}
		if i == 0 && !settled {
			// No more than half of the time should go into starting.
			fit := 1 + int(time.Until(end)/(2*starting))
			o.Rounds = min(max(fit, leastRounds), o.Rounds)
		}
	}
	if !e.Delays {
		e.Notes = append(e.Notes, "the kernel does not say how long threads waited for a processor, so times are taken as they are")
	}
	if !e.Watched {
		e.Notes = append(e.Notes, "the system does not say whether a process is asleep, so stalls are not counted")
	}
	return e, nil
}

// bothRight asks both sides how right their detectors are, at the same time: what
// else runs does not change the answers.
func bothRight(ctx context.Context, o Options, e *Evidence) error {
	var wg sync.WaitGroup
	var errs [2]error
	for i, b := range []Binary{o.Base, o.Head} {
		side := []*Side{&e.Base, &e.Head}[i]
		wg.Go(func() {
			p, err := worker.Start(ctx, label(i, b), b.Path)
			if err != nil {
				errs[i] = err
				return
			}
			defer p.Close()
			a, err := p.Ask(worker.Order{Accuracy: &worker.Accuracy{Protocol: worker.Protocol, Config: o.Config, Every: o.Every}})
			side.Right, errs[i] = a.Right, strange(err)
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

func label(side int, b Binary) string { return []string{"base", "head"}[side] + " (" + b.Name + ")" }

// strange adds what to do to the error of a build that does not understand.
func strange(err error) error {
	order, ok := errors.AsType[*worker.OrderError](err)
	switch {
	case err == nil, ok && !strings.Contains(order.Text, "protocol"):
		return err
	case ok:
		return fmt.Errorf("%w: rebuild the older of the two, or take a base that is nearer", err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("%w: is it a build of this program, and new enough to have dashline bench gate? A newer base may do", err)
}

// pair is a worker of each side.
type pair struct {
	workers [2]*worker.Process
	perf    [2]*counting // nil: not counted
	counted [2]int       // frames since it counts
	loud    [2]int       // frames that could be published
	stall   time.Duration
	waits   bool
	watched bool
}

// round measures one process of each side until a time. starting is how long it took
// until something was measured.
func round(ctx context.Context, o Options, e *Evidence, number int, until time.Time, random *rand.Rand) (starting time.Duration, err error) {
	begun := time.Now()
	o.Progress(fmt.Sprintf("round %d of %d: starting", number+1, o.Rounds))
	p := &pair{stall: o.Stall, waits: true, watched: true}
	defer p.close()
	first := random.IntN(2)
	if err = p.open(ctx, o, e, first); err != nil {
		return 0, err
	}
	frame, err := p.warm(first)
	if err != nil {
		return 0, err
	}
	p.counted = [2]int{} // perf begins here; what is published counts from the start
	o.Progress(fmt.Sprintf("round %d of %d: %.3g ms a frame", number+1, o.Rounds, frame.Seconds()*1e3))
	if o.Perf != nil {
		for i, w := range p.workers {
			if p.perf[i], err = o.Perf.attach(ctx, w.PID()); err != nil {
				return 0, err
			}
		}
	}
	starting = time.Since(begun)
	each := framesIn(blockTime, frame, 1)
	for turn := 1; turn <= max(1, o.least) || time.Now().Before(until); turn++ {
		q, err := p.turns(random, each, len(e.Quadruples)%silentEvery == silentEvery-1)
		if err != nil {
			return 0, err
		}
		q.Round = number
		e.Quadruples = append(e.Quadruples, q)
	}
	r, err := p.end()
	if err != nil {
		return 0, err
	}
	e.Rounds = append(e.Rounds, r)
	e.Delays, e.Watched = e.Delays && p.waits, e.Watched && p.watched
	return starting, nil
}

// framesIn is how many frames fit into a time, at least so many.
func framesIn(t, frame time.Duration, least int) int {
	const most = 1000
	return min(max(int(math.Round(float64(t)/float64(max(frame, 1)))), least), most)
}

func (p *pair) close() {
	for _, c := range p.perf {
		if c != nil {
			c.close()
		}
	}
	for _, w := range p.workers {
		if w != nil {
			w.Close()
		}
	}
}

// open makes both pipelines ready, at the same time.
func (p *pair) open(ctx context.Context, o Options, e *Evidence, first int) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	var errs [2]error
	for _, i := range []int{first, 1 - first} {
		b := []Binary{o.Base, o.Head}[i]
		w, err := worker.Start(ctx, label(i, b), b.Path)
		if err != nil {
			return fmt.Errorf("%w: is it a program?", err)
		}
		p.workers[i] = w
		open := &worker.Open{Protocol: worker.Protocol, Config: o.Config, Closed: true}
		side := &e.Base
		if i == 1 {
			open.Faults, side = o.Faults, &e.Head
		}
		wg.Go(func() {
			a, err := w.Ask(worker.Order{Open: open})
			if err == nil && a.Opened != nil {
				side.Version = a.Opened.Version
			}
			errs[i] = strange(err)
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// warm runs what is made lazily, and returns what a frame takes then.
func (p *pair) warm(first int) (frame time.Duration, err error) {
	for _, i := range []int{first, 1 - first} {
		b, err := p.block(i, warmup, false)
		if err != nil {
			return 0, err
		}
		frame += time.Duration(b.Work/2*1e6) * time.Nanosecond
	}
	if more := framesIn(warmupTime, frame, 1) - warmup; more > 0 {
		for _, i := range []int{first, 1 - first} {
			if _, err := p.block(i, more, false); err != nil {
				return 0, err
			}
		}
	}
	return frame, nil
}

// turns lets each side run two blocks: base head head base, or the reverse.
func (p *pair) turns(random *rand.Rand, frames int, silent bool) (q Quadruple, err error) {
	q.Silent = silent
	first := random.IntN(2)
	for _, side := range []int{first, 1 - first, 1 - first, first} {
		b, err := p.block(side, frames, silent)
		if err != nil {
			return Quadruple{}, err
		}
		if side == 0 {
			q.Base = append(q.Base, b)
		} else {
			q.Head = append(q.Head, b)
		}
	}
	return q, nil
}

// block runs frames through one side.
func (p *pair) block(side, frames int, silent bool) (Block, error) {
	w := p.workers[side]
	before, ok := waited(w.PID())
	var wg sync.WaitGroup
	var slept time.Duration
	var seen bool
	done := make(chan struct{})
	begun := time.Now()
	wg.Go(func() { slept, seen = watchSleep(w.PID(), p.stall, done) })
	a, err := w.Ask(worker.Order{Block: &worker.Block{
		Plan: load.Plan{Scenario: load.SingleStream, Rate: 30}, Frames: frames, Silent: silent,
	}})
	took := time.Since(begun)
	close(done)
	wg.Wait()
	if err != nil {
		return Block{}, err
	}
	p.counted[side] += frames
	if !silent {
		p.loud[side] += frames
	}
	after, still := waited(w.PID())
	p.waits, p.watched = p.waits && ok && still, p.watched && seen
	if a.Block == nil {
		return Block{}, fmt.Errorf("%s: it answered no frames", w.Name)
	}
	if err := a.Block.Check(frames); err != nil {
		return Block{}, fmt.Errorf("%s: %w", w.Name, err)
	}
	b := reduce(a.Block, max(0, (after-before).Seconds()*1e3))
	// It also sleeps before it has the order and after it has answered.
	outside := took - time.Duration(a.Block.Wall*1e6)
	b.Stalled = slept-max(0, outside) >= p.stall
	return b, nil
}

// end ends both workers and takes their accounts.
func (p *pair) end() (Round, error) {
	var sides [2]Process
	for i, w := range p.workers {
		if p.perf[i] != nil {
			n, err := p.perf[i].stop()
			if err != nil {
				return Round{}, err
			}
			sides[i].Instructions = n / float64(p.counted[i])
		}
		a, err := w.Ask(worker.Order{End: &struct{}{}})
		if err != nil {
			return Round{}, err
		}
		if a.Ended == nil {
			return Round{}, fmt.Errorf("%s: it gave no account", w.Name)
		}
		sides[i].Peak = float64(a.Ended.Peak)
		sides[i].Messages = float64(a.Ended.Bytes) / float64(p.loud[i])
	}
	return Round{Base: sides[0], Head: sides[1]}, nil
}
