package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/schedule"
)

// Measured is what the rungs of an engine took on this machine.
type Measured struct {
	Rungs []schedule.Rung // with their accuracies as they were
	Runs  []int           // of each
	// InOrder is the faster way to have lanes; Beside and After are the medians of
	// the largest rung with lanes beside detection and after it. Both are 0 where
	// the choice was not open.
	InOrder       bool
	Beside, After time.Duration
}

// leastRuns is how often each rung runs at least, whatever the budget, after once
// to warm up.
const leastRuns = 3

// Measure times every rung of the first crew as frames will use it: warm, with its
// lanes, its threads, and whatever else goes on. picture fills a frame as the
// source would. The rungs take turns in random order, so that what the machine
// does meanwhile hits all alike, until about the budget is spent or ctx ends; each
// runs a few times at least. With free the layout of lanes is measured first, and
// the faster one is used for the rest. Nothing else may use the crew meanwhile.
func Measure(ctx context.Context, e Engine, free bool, budget time.Duration, picture func(*frame.Frame) error) (m Measured, err error) {
	now := e.Now
	if now == nil {
		start := time.Now()
		now = func() time.Duration { return time.Since(start) }
	}
	pool := frame.NewPool(1)
	defer func() { err = errors.Join(err, pool.Close(context.WithoutCancel(ctx))) }()
	lease, ok := pool.Acquire()
	if !ok {
		return m, errors.New("measure: no frame") // a pool of one has one
	}
	defer func() { lease.Release() }()
	if err := picture(lease.Frame); err != nil {
		return m, fmt.Errorf("measure: %w", err)
	}
	t := &timer{now: now, frame: lease.Frame, crew: e.Crews[0], random: rand.New(rand.NewPCG(1, 1))}
	m.InOrder = t.crew.InOrder
	if free = free && t.crew.Lanes != nil; free {
		if err := t.layout(ctx, &m, budget/4); err != nil {
			return m, err
		}
		budget -= budget / 4
	}
	t.crew.InOrder = m.InOrder
	took, alone, err := t.rungs(ctx, budget, len(e.Rungs))
	if err != nil {
		return m, err
	}
	for i, r := range e.Rungs {
		m.Rungs = append(m.Rungs, schedule.Rung{Accuracy: r.Accuracy})
		m.Runs = append(m.Runs, len(took[i]))
		if len(took[i]) > 0 {
			m.Rungs[i].P50, m.Rungs[i].P99 = quantile(took[i], .5), quantile(took[i], .99)
			m.Rungs[i].Detect = quantile(alone[i], .5)
		}
	}
	return m, nil
}

// timer is the state of one Measure.
type timer struct {
	now    func() time.Duration
	frame  *frame.Frame
	crew   Crew
	random *rand.Rand
}

// layout finds the faster way to have lanes, on the largest rung.
func (t *timer) layout(ctx context.Context, m *Measured, budget time.Duration) error {
	var took [2][]time.Duration
	err := t.turns(ctx, budget, 2, func(i int) error {
		t.crew.InOrder = i == 1
		return t.with(func(s *station) error {
			d, err := t.once(s, 0)
			took[i] = append(took[i], d)
			return err
		})
	})
	if err != nil {
		return err
	}
	m.Beside, m.After = quantile(took[0][1:], .5), quantile(took[1][1:], .5)
	m.InOrder = m.After < m.Beside
	return nil
}

// rungs times each rung with lanes, and its detection alone. Track only has no
// times.
func (t *timer) rungs(ctx context.Context, budget time.Duration, n int) (took, alone [][]time.Duration, err error) {
	took, alone = make([][]time.Duration, n), make([][]time.Duration, n)
	err = t.with(func(s *station) error {
		return t.turns(ctx, budget, n, func(i int) error {
			if s.Detectors[i] == nil {
				return nil
			}
			d, err := t.once(s, i)
			if err != nil {
				return err
			}
			took[i] = append(took[i], d)
			begin := t.now()
			if err := s.canary(t.frame, i); err != nil {
				return err
			}
			alone[i] = append(alone[i], t.now()-begin)
			return nil
		})
	})
	for i := range took { // the first runs warm up
		if len(took[i]) > 0 {
			took[i], alone[i] = took[i][1:], alone[i][1:]
		}
	}
	return took, alone, err
}

// with gives do a station of the crew.
func (t *timer) with(do func(*station) error) error {
	s := &station{Crew: t.crew, clock: wall(t.now)}
	s.start(t.now)
	defer s.end()
	return do(s)
}

func (t *timer) once(s *station, rung int) (time.Duration, error) {
	begin := t.now()
	found := s.sense(t.frame, rung, true, nil)
	return t.now() - begin, found.err
}

// turns calls do for each of n by turns in random order, until the budget is spent.
func (t *timer) turns(ctx context.Context, budget time.Duration, n int, do func(int) error) error {
	begin := t.now()
	for round := 0; round <= leastRuns || t.now()-begin < budget; round++ {
		for _, i := range t.random.Perm(n) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// quantile of times, which it sorts: the one that at least so large a share is
// not above.
func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)]
}
