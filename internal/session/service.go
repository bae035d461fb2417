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

// warning says that a ladder is of no use, or that no rung makes the deadline;
// empty: all is well, or it is not known.
func (g *group) warning() string {
	if g.unused > 0 {
		return fmt.Sprintf("ladder: with the policy every all frames run on %s, whatever it takes: give --realtime or --policy newest to keep a deadline", g.rungs[0].name)
	}
	if g.measured == nil || g.fits() >= 0 {
		return ""
	}
	last := g.engine.Rungs[len(g.engine.Rungs)-1]
	return fmt.Sprintf("no rung makes the deadline of %v: %s takes %.0f ms (p99). Frames will be dropped but for a try now and then: give a longer --deadline or a smaller rung, or end the ladder with track-only",
		g.feeds[0].Config.Deadline, last.Name, ms(last.P99))
}
