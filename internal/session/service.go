package session

import (
	"fmt"
	"time"

	"dashline/pipeline"
	"dashline/pipeline/msg"
)

// service says how long the stages take in a deterministic run: on the rung that a
// frame ran on when the source was recorded as long as then, and on others what
// their rung is said to take.
func (g *group) service() pipeline.Service {
	recorded := map[string]map[time.Duration]*msg.FrameReport{}
	for _, f := range g.feeds {
		recorded[f.Config.Camera] = f.recordedTimes()
	}
	assumed := make([][]msg.StageTime, len(g.engine.Rungs))
	for i, r := range g.engine.Rungs {
		assumed[i] = []msg.StageTime{{Stage: pipeline.StageForward, Took: r.P50}}
	}
	return pipeline.Recorded(func(h *msg.Header, rung int) *msg.FrameReport {
		r := recorded[h.Camera][h.PTS]
		if r != nil && r.Rung != "" && len(g.rungs) > 1 && r.Rung != g.rungs[rung].name {
			return nil
		}
		return r
	}, func(_ *msg.Header, rung int) []msg.StageTime { return assumed[rung] })
}

// warnings say that a ladder is of no use, that accuracies are not, or that no rung
// makes the deadline.
func (g *group) warnings() (all []string) {
	if g.unused > 0 {
		return []string{fmt.Sprintf("ladder: with the policy every all frames run on %s, whatever it takes: give --realtime or --policy newest to keep a deadline", g.rungs[0].name)}
	}
	if g.blind != "" {
		all = append(all, g.blind)
	}
	if g.measured == nil || g.fits() >= 0 {
		return all
	}
	last := g.engine.Rungs[len(g.engine.Rungs)-1]
	return append(all, fmt.Sprintf("no rung makes the deadline of %v: %s takes %.0f ms (p99). Frames will be dropped but for a try now and then: give a longer --deadline or a smaller rung, or end the ladder with track-only",
		g.feeds[0].Config.Deadline, last.Name, ms(last.P99)))
}
