package sensors

import (
	"time"

	"dashline/pipeline/msg"
)

// maxAstray bounds how far the arrival of a picture can be from its presentation
// time. Beyond it a clock was set.
const maxAstray = 10 * time.Second

// arrivals tells when the packets of a recording arrived, counted as their PTS
// are. The clock that told it then may have been set meanwhile, and the file may
// hold anything: what it tells never falls and stays near the PTS.
type arrivals struct {
	begun  bool
	base   time.Time // arrival of what arrived at 0
	latest time.Duration
}

// at is when p arrived, more than 0; 0 where that is not known.
func (a *arrivals) at(p *msg.Packet) time.Duration {
	if p.Arrived.IsZero() {
		return 0
	}
	astray := p.Arrived.Sub(a.base) - p.PTS
	if !a.begun || astray < -maxAstray || astray > maxAstray {
		a.begun, a.base = true, p.Arrived.Add(-max(p.PTS, a.latest))
	}
	a.latest = max(a.latest, p.Arrived.Sub(a.base), 1)
	return a.latest
}
