package pipeline

import (
	"slices"
	"time"

	"dashline/pipeline/msg"
)

// Service says how long each stage takes on a frame on a rung, for [Replay]. It
// must be a function of the rung and the frame's Camera, Seq and PTS alone: the
// same frame takes the same time whenever it is asked about. The stages are those of a
// [msg.FrameReport]; one that is not listed takes no time, one that is listed
// twice takes the first. StageLanesForward is a part of StageLanes, and
// StageWait and StageAdmission are not asked for: they follow from the rest.
// Times below 0 count as 0, times above an hour as an hour.
type Service func(h *msg.Header, rung int) []msg.StageTime

// The longest time that one stage can take in a replay: a recording is hostile,
// and virtual time must not overflow.
const maxService = time.Hour

// told is what a service said of one stage.
func told(times []msg.StageTime, stage string) time.Duration {
	for i := range times {
		if times[i].Stage == stage {
			return min(max(times[i].Took, 0), maxService)
		}
	}
	return 0
}

// Fixed takes the same times for every frame and rung.
func Fixed(times ...msg.StageTime) Service {
	times = slices.Clone(times)
	return func(*msg.Header, int) []msg.StageTime { return times }
}

// Recorded takes the times of the reports that an earlier run published; report
// returns that of a frame on a rung, nil where there is none. A frame
// that was not worked on then (it was dropped, or failed before its stages ran)
// takes what otherwise says.
func Recorded(report func(h *msg.Header, rung int) *msg.FrameReport, otherwise Service) Service {
	return func(h *msg.Header, rung int) []msg.StageTime {
		r := report(h, rung)
		if r == nil || r.Outcome != msg.OnTime && r.Outcome != msg.Late {
			return otherwise(h, rung)
		}
		return r.Stages
	}
}
