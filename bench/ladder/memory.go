package ladder

import (
	"context"
	"errors"
	"fmt"
)

// weigh measures what each contestant's network adds to a process of its own. It is
// done before anything is timed, for the other process works, too.
func weigh(ctx context.Context, all []Candidate, open []*contestant, o Options) error {
	if o.Resident == nil {
		return nil
	}
	for i, c := range open {
		o.Progress("memory", i, len(open))
		c.resident, c.unweighed = o.Resident(ctx, all[c.candidate].Network, c.engine)
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.unweighed == nil && c.resident <= 0 {
			c.unweighed = errors.New("none was seen")
		}
		if c.unweighed != nil {
			c.resident = 0
		}
	}
	o.Progress("memory", len(open), len(open))
	return nil
}

// MB is a number of bytes in millions; - where it is 0, which is not known.
func MB(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(bytes)/1e6)
}
