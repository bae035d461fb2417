// Package ordered spreads work over goroutines and keeps its order.
//
// Invariants:
//   - Map owns every goroutine that it starts; none is left when it returns.
//   - No more than twice as many values as workers are between the producer and
//     the user.
//   - The first error, in the order of the values, or the end of the context ends
//     everything.
package ordered

import (
	"context"
	"sync"
)

// Map calls work for each value that produce yields, on several goroutines at a
// time, and use for each result on the caller's own, in the order of the values.
// produce runs on a goroutine of its own and stops when yield returns false.
// Errors of produce count after those of the values that it yielded.
func Map[T, R any](ctx context.Context, workers int, produce func(yield func(T) bool) error, work func(T) (R, error), use func(R) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	type result struct {
		value R
		err   error
	}
	type job struct {
		value T
		done  chan result // holds one
	}
	jobs := make(chan job)
	order := make(chan job, max(1, workers)) // those at work, first come first
	var produced error                       // read when order is closed

	wg.Go(func() {
		defer close(order)
		defer close(jobs)
		produced = produce(func(v T) bool {
			j := job{v, make(chan result, 1)}
			for _, to := range []chan<- job{order, jobs} {
				select {
				case to <- j:
				case <-ctx.Done():
					return false
				}
			}
			return true
		})
	})
	for range max(1, workers) {
		wg.Go(func() {
			for j := range jobs {
				value, err := work(j.value)
				j.done <- result{value, err}
			}
		})
	}
	for j := range order {
		select {
		case r := <-j.done:
			if r.err != nil {
				return r.err
			}
			if err := use(r.value); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return produced
}
