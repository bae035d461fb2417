package session

import (
	"errors"
	"fmt"
	"io"

	"dashline/internal/misses"
	"dashline/internal/obs"
	"dashline/internal/obs/trace"
	"dashline/pipeline"
)

// keepers are what keeps a run's reports beside bus and recording.
type keepers struct {
	trace  *trace.Writer  // nil: none is written
	misses *misses.Keeper // nil: none are kept
}

// KeptSummary says what was kept for those who look at a run later.
type KeptSummary struct {
	Trace     string `json:"trace,omitempty"`      // path
	TraceLost uint64 `json:"trace_lost,omitempty"` // reports that came faster than they could be written
	Misses    string `json:"misses,omitempty"`     // folder of the bundles
	Bundles   int    `json:"bundles,omitempty"`    // that were written, also those that were replaced by later ones
	Left      int    `json:"left,omitempty"`       // that found no room
	Lost      uint64 `json:"lost,omitempty"`       // reports that came faster than they could be looked at
	Error     string `json:"error,omitempty"`
}

// openKeepers opens what the configuration asks for.
func (s *Session) openKeepers() (err error) {
	if s.Config.Trace != "" {
		inOrder := s.groups[0].engine.Crews[0].InOrder
		if s.keepers.trace, err = trace.Create(s.Config.Trace, inOrder); err != nil {
			return err
		}
	}
	if m := s.Config.Misses; m.Dir != "" {
		s.keepers.misses = misses.New(misses.Options{Dir: m.Dir, Most: m.Max, Bytes: int64(m.Megabytes) * 1e6})
	}
	return nil
}

// observers are told of every frame of every camera.
func (s *Session) observers() (all []pipeline.Observer) {
	if s.metrics != nil {
		all = append(all, s.metrics)
	}
	if s.keepers.trace != nil {
		all = append(all, s.keepers.trace)
	}
	if s.keepers.misses != nil {
		all = append(all, s.keepers.misses)
	}
	if s.probe.Observer != nil {
		all = append(all, s.probe.Observer)
	}
	return all
}

// finishKeepers writes what is left, when no more frames come. It is no error of
// the run where that fails; the summary says so.
func (s *Session) finishKeepers() {
	if s.keepers == (keepers{}) {
		return
	}
	k := &KeptSummary{}
	var errs []error
	if t := s.keepers.trace; t != nil {
		errs = append(errs, t.Close())
		k.Trace, k.TraceLost = s.Config.Trace, t.Lost()
	}
	if m := s.keepers.misses; m != nil {
		stats, err := m.Close()
		errs = append(errs, err)
		k.Misses, k.Bundles, k.Left, k.Lost = s.Config.Misses.Dir, stats.Written, stats.Left, stats.Lost
	}
	if err := errors.Join(errs...); err != nil {
		k.Error = clean(err.Error())
	}
	s.kept, s.keepers = k, keepers{}
}

func (k *KeptSummary) print(w io.Writer) {
	if k.Trace != "" {
		fmt.Fprintf(w, "  %s  %s: open it with ui.perfetto.dev\n", pad("trace", 7), k.Trace)
	}
	if k.Bundles > 0 {
		fmt.Fprintf(w, "  %s  %s in %s; see one with: dashline explain FILE\n", pad("misses", 7), plural(k.Bundles, "bundle"), k.Misses)
	}
	if k.Error != "" {
		fmt.Fprintf(w, "  %s  %s\n", pad("", 7), k.Error)
	}
}

// health is what /healthz and /readyz say of the session.
func (s *Session) health() *obs.Health {
	h := obs.NewHealth(obs.Patience)
	for _, f := range s.Feeds {
		h.Watch(f.Config.Camera, f.Account)
	}
	return h
}
