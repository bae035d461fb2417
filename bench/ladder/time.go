package ladder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/infer"
	"dashline/infer/engine"
	"dashline/model/catalog"
	"dashline/pipeline/msg"
	"dashline/sensors"
)

// contestant is a candidate on one engine, open.
type contestant struct {
	candidate int // index
	engine    string
	det       *detect.Detector
	// times are from picture to detections, a list a round.
	times [][]time.Duration
	// resident is the memory that the network takes, bytes; 0: not known. unweighed
	// says why it could not be measured.
	resident  int64
	unweighed error
}

func openAll(all []Candidate, engines []string, threads int) (open []*contestant, refused map[string]error, err error) {
	refused = map[string]error{}
	for i, c := range all {
		d, err := catalog.Resolve(c.Network)
		if err != nil {
			return open, refused, err
		}
		for _, name := range c.on(engines) {
			net, err := engine.Open(&d, name, infer.Options{Threads: threads})
			if err != nil { // for example fp16 on an engine without it: no rung, and said
				refused[c.Name+" on "+name] = err
				continue
			}
			det, err := detect.New(net, &d, detect.Options{})
			if err != nil {
				return open, refused, errors.Join(err, net.Close())
			}
			open = append(open, &contestant{candidate: i, engine: name, det: det})
			if c.Baseline {
				break // one is enough
			}
		}
	}
	if len(open) == 0 || open[0].candidate != 0 {
		return open, refused, fmt.Errorf("no engine here runs network %s, which the others are held against: %w", all[0].Name, errors.Join(inOrder(refused)...))
	}
	return open, refused, nil
}

// inOrder are the errors in the order of their names.
func inOrder(refused map[string]error) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		errs = append(errs, fmt.Errorf("%s: %w", name, refused[name]))
	}
	return errs
}

// race runs all contestants on the same pictures, by turns and round after
// round, so that whatever else the machine does is the same for all.
func race(ctx context.Context, all []*contestant, pictures []gocv.Mat, rounds int, seed uint64, progress func(done, total int)) error {
	var items []msg.Detection
	turn := func(c *contestant) ([]time.Duration, error) {
		times := make([]time.Duration, len(pictures))
		for i, p := range pictures {
			start := time.Now()
			var err error
			if items, _, err = c.det.Detect(p, items[:0]); err != nil {
				return nil, err
			}
			times[i] = time.Since(start)
		}
		return times, nil
	}
	for round, order := range orders(len(all), rounds, seed) {
		for k, i := range order {
			c := all[i]
			if err := ctx.Err(); err != nil {
				return err
			}
			// The first picture only brings its weights back into the caches.
			if _, _, err := c.det.Detect(pictures[0], items[:0]); err != nil {
				return err
			}
			times, err := turn(c)
			if err != nil {
				return err
			}
			c.times = append(c.times, times)
			if progress != nil {
				progress(round*len(all)+k+1, rounds*len(all))
			}
		}
	}
	return nil
}

// orders are those in which n contestants run, one for each round: drawn, so that
// none always runs after the same.
func orders(n, rounds int, seed uint64) [][]int {
	random := rand.New(rand.NewPCG(seed, 1))
	out := make([][]int, rounds)
	for i := range out {
		out[i] = random.Perm(n)
	}
	return out
}

// quantile is the q-quantile of all rounds, by the nearest rank.
func (c *contestant) quantile(q float64) time.Duration {
	all := slices.Concat(c.times...)
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

// surelyFaster says whether a's median time is below b's in 97.5 % of draws of rounds. Rounds are drawn
// for both together: a disturbance of the machine hits both.
func surelyFaster(a, b *contestant, seed uint64) bool {
	const draws = 1000
	random := rand.New(rand.NewPCG(seed, 0))
	middle := func(c *contestant, rounds []int) time.Duration {
		var all []time.Duration
		for _, r := range rounds {
			all = append(all, c.times[r]...)
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	rounds := make([]int, len(a.times))
	slower := 0
	for range draws {
		for i := range rounds {
			rounds[i] = random.IntN(len(rounds))
		}
		if middle(a, rounds) >= middle(b, rounds) {
			slower++
		}
	}
	return slower <= draws*25/1000
}

// stills are up to n pictures of sources, as they are, spread evenly. The
// caller closes them.
func stills(ctx context.Context, paths []string, n int) (pictures []gocv.Mat, err error) {
	defer func() {
		if err != nil {
			closeAll(pictures)
			pictures = nil
		}
	}()
	for i, path := range paths {
		share := (n - len(pictures)) / (len(paths) - i)
		pictures, err = still(ctx, path, share, pictures)
		if err != nil {
			return pictures, fmt.Errorf("pictures %s: %w", path, err)
		}
	}
	if len(pictures) == 0 {
		return nil, errors.New("no pictures to measure on: give a folder of images or a drive")
	}
	return pictures, nil
}

func still(ctx context.Context, path string, n int, into []gocv.Mat) (_ []gocv.Mat, err error) {
	s, err := sensors.OpenPictures(ctx, path)
	if err != nil {
		return into, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for f, err := range sensors.Spread(ctx, s, n) {
		if err != nil {
			return into, err
		}
		into = append(into, f.Image.Clone())
	}
	return into, nil
}

func closeAll(pictures []gocv.Mat) {
	for i := range pictures {
		_ = pictures[i].Close()
	}
}
