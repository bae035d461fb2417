package session

import "dashline/pipeline"

// Probe stands between a session and its parts, for programs that measure it. Nil
// parts are left as they are.
type Probe struct {
	// Source is put around the source of each camera; who runs the session closes
	// what was inside.
	Source func(camera string, inner pipeline.Source) pipeline.Source
	// Detector is put around each detector, also one that is opened again.
	Detector func(inner pipeline.Detector) pipeline.Detector
	// Publisher is put before the bus.
	Publisher func(inner pipeline.Publisher) pipeline.Publisher
	// Observer is told of every frame after all others.
	Observer pipeline.Observer
}

// Instrument puts a probe in its place. It is called once, before Run.
func (s *Session) Instrument(p Probe) {
	s.probe = p
	for _, f := range s.Feeds {
		f.probe = p.Source
	}
	for _, g := range s.groups {
		g.probe = p.Detector
		for _, crew := range g.engine.Crews {
			g.instrument(crew)
		}
	}
}

// instrument puts the probe around the detectors of a crew.
func (g *group) instrument(crew pipeline.Crew) {
	if g.probe == nil {
		return
	}
	for i, d := range crew.Detectors {
		if d != nil {
			crew.Detectors[i] = g.probe(d)
		}
	}
}
