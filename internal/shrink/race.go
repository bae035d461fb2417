package shrink

import (
	"context"
	"errors"
	"slices"
	"time"

	"dashline/infer"
)

// Race is the median time of a forward of each of several ONNX files, taken by
// turns, so that whatever else the machine does is the same for all.
func (t Timer) Race(ctx context.Context, files ...[]byte) (medians []time.Duration, err error) {
	nets := make([]infer.Network, len(files))
	times := make([][]time.Duration, len(files))
	for i, file := range files {
		if nets[i], err = t.open(file); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, nets[i].Close()) }()
	}
	const forwards = 30
	for range forwards {
		for i, net := range nets {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			start := time.Now()
			if _, err := net.Forward(); err != nil {
				return nil, err
			}
			times[i] = append(times[i], time.Since(start))
		}
	}
	for _, each := range times {
		slices.Sort(each)
		medians = append(medians, each[len(each)/2])
	}
	return medians, nil
}
