package quantize

import (
	"context"
	"runtime"
	"sync"

	"dashline/model/exec"
)

// each calls f for 0 to n-1, on as many goroutines as there are processors, each
// with a Scratch of its own. It ends with the error of the least i that it saw one of.
func each(ctx context.Context, n int, f func(i int, s *exec.Scratch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, n)
	next := make(chan int)
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		group.Go(func() {
			var s exec.Scratch
			for i := range next {
				if errs[i] = f(i, &s); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
