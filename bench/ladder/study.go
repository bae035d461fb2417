// Package ladder measures networks of one task at several sizes and precisions,
// each on each engine, and says which of them are worth having: model/ladder's
// rungs.
//
// Invariants:
//   - All are timed in one run, by turns on the same pictures, so that the
//     machine's moods are the same for all. A rung stays only if it is faster
//     than the one before it beyond chance.
//   - Times are from picture to detections: what a frame's deadline pays for.
//   - Accuracy is of the validation data, which nothing was chosen on; without
//     labels it is agreement with the first candidate, and said to be.
//   - Memory is measured in a process for each, before anything is timed. Where it
//     could not be, it is not known and the study has the reason; it is never 0.
//   - What an engine cannot run is in the study with its reason. Accuracy is
//     measured on the last engine that runs a candidate, as engines differ by
//     rounding only.
//   - Baselines are measured like all others and are never rungs; nothing is left
//     out for one.
package ladder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"dashline/bench/accuracy"
	"dashline/detect/ap"
	"dashline/infer"
	"dashline/internal/doctor"
	"dashline/model/catalog"
	"dashline/model/ladder"
)

// Candidate is a network to measure.
type Candidate struct {
	Name    string // unique, a few words: "pruned-50-int8"
	Network string // path of its description, below Options.Dir
	How     string // it was made, in words
	// Size as model.Profile counts it.
	Parameters, FileBytes, MACs int64
	Zipped                      int64 // bytes of the file after gzip; 0: not known
	// Baseline: it is there to compare with. To keep its part of a study small it
	// is timed on one engine only, the last of Options.Engines that runs it.
	Baseline bool
}

// Options say how to measure.
type Options struct {
	Network  string   // name of what the candidates were made of; "": that of the first one
	Dir      string   // where the ladder's file will be: descriptions are below it
	Engines  []string // "opencv", "ort"
	Threads  int      // of each engine; 0: one per core
	Deadline time.Duration
	Pictures []string // sources of the pictures to time on
	Validate []string // data to measure accuracy on
	Every    int      // takes every Nth frame of a validation drive
	Labelled bool     // Validate has labels; else agreement with the first candidate is measured
	Stills   int      // pictures timed in a turn; 0: 8
	Rounds   int      // turns of each; 0: 15
	Seed     uint64
	Progress func(what string, done, total int)
	// Resident, where not nil, measures the memory in bytes that a network, by the path
	// of its description, adds to a process of its own while an engine runs it. It is
	// called for one at a time. An error leaves that one's memory unknown.
	Resident func(ctx context.Context, network, engine string) (int64, error)
}

func (o Options) defaults() Options {
	if len(o.Engines) == 0 {
		o.Engines = []string{"opencv", "ort"}
	}
	if o.Threads == 0 {
		o.Threads = min(runtime.GOMAXPROCS(0), infer.MaxThreads)
	}
	if o.Stills == 0 {
		o.Stills = 8
	}
	if o.Rounds == 0 {
		o.Rounds = 15
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	return o
}

// Row is one candidate on one engine.
type Row struct {
	ladder.Rung
	Candidate string `json:"candidate"`
	How       string `json:"how"`
	// Ratio is the median time over that of the first row: the first candidate on
	// the first engine that runs it.
	Ratio float64 `json:"ratio"`
	// Agreement is the AP50 that Found.Agree measures against the first candidate.
	Agreement float64 `json:"agreement"`
	Zipped    int64   `json:"zipped_bytes,omitempty"` // of the file after gzip; 0: not known
	Kept      bool    `json:"kept"`
	Over      string  `json:"over,omitempty"` // the rung that makes this one useless
}

// Study is what came of it.
type Study struct {
	Ladder    ladder.Ladder     `json:"ladder"`
	Rows      []Row             `json:"rows"` // in the order of the candidates
	Baselines []Baseline        `json:"baselines,omitempty"`
	Refused   map[string]string `json:"refused,omitempty"`
	Unweighed map[string]string `json:"memory_not_measured,omitempty"` // why, by the row's name
	Largest   string            `json:"largest,omitempty"`             // the rung that makes the deadline
}

// Run measures all candidates. The first is the network that the others were
// made of.
func Run(ctx context.Context, all []Candidate, o Options) (study *Study, err error) {
	o = o.defaults()
	if len(all) == 0 || all[0].Baseline {
		return nil, errors.New("no networks to measure: the first is what the others are held against, and no baseline")
	}
	pictures, err := stills(ctx, o.Pictures, o.Stills)
	if err != nil {
		return nil, err
	}
	defer closeAll(pictures)
	open, refused, err := openAll(all, o.Engines, o.Threads)
	defer func() {
		for _, c := range open {
			err = errors.Join(err, c.det.Close())
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := weigh(ctx, all, open, o); err != nil {
		return nil, err
	}
	worth, err := judge(ctx, all, open, o)
	if err != nil {
		return nil, err
	}
	err = race(ctx, open, pictures, o.Rounds, o.Seed, func(done, total int) { o.Progress("timing", done, total) })
	if err != nil {
		return nil, err
	}
	return conclude(all, worth, open, refused, o)
}

// labelled is what a ladder's accuracies are where the data has labels.
const labelled = "ap50"

// value is how right a candidate is.
type value struct {
	accuracy  float64
	interval  ap.Interval
	agreement float64
}

// judge measures the accuracy of each candidate that is open, on its last engine.
func judge(ctx context.Context, all []Candidate, open []*contestant, o Options) ([]value, error) {
	engines := map[int]string{}
	for _, c := range open {
		engines[c.candidate] = c.engine
	}
	worth := make([]value, len(all))
	b := ap.Bootstrap{Resamples: 500, Seed: o.Seed}
	var first *accuracy.Found
	for i, c := range all {
		engine, runs := engines[i]
		if !runs {
			continue
		}
		found, err := accuracy.Detect(ctx, accuracy.Options{
			Network: c.Network, Engine: engine, Data: o.Validate, Every: o.Every, Plain: !o.Labelled,
			Progress: func(done, total int) { o.Progress("accuracy of "+c.Name, done, total) },
		})
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = found
		}
		agree, err := found.Agree(first, b)
		if err != nil {
			return nil, err
		}
		v := value{agree.AP50, agree.AP50Interval, agree.AP50}
		if o.Labelled {
			r, err := found.Report(b)
			if err != nil {
				return nil, err
			}
			if r.AP50 < 0 {
				return nil, fmt.Errorf("validation data %s: its labels have no object of a class that network %s knows: give data whose labels do, or measure agreement on it (--unlabelled)",
					strings.Join(o.Validate, ", "), c.Name)
			}
			v.accuracy, v.interval = r.AP50, r.AP50Interval
		}
		worth[i] = v
	}
	return worth, nil
}

func conclude(all []Candidate, worth []value, open []*contestant, refused map[string]error, o Options) (*Study, error) {
	s := &Study{Refused: map[string]string{}, Unweighed: map[string]string{}}
	for name, err := range refused {
		s.Refused[name] = err.Error()
	}
	base := open[0].quantile(.5)
	by := map[string]*contestant{}
	var rungs []ladder.Rung
	for _, c := range open {
		from, v := all[c.candidate], worth[c.candidate]
		path, err := filepath.Rel(o.Dir, from.Network)
		if err != nil {
			return nil, fmt.Errorf("network %s: %w", from.Name, err)
		}
		r := ladder.Rung{
			Name: from.Name + "-" + c.engine, Network: filepath.ToSlash(path), Engine: c.engine,
			P50MS: ladder.MS(c.quantile(.5).Round(time.Microsecond)), P99MS: ladder.MS(c.quantile(.99).Round(time.Microsecond)), Accuracy: v.accuracy,
			Parameters: from.Parameters, FileBytes: from.FileBytes, MACs: from.MACs, Resident: c.resident,
		}
		if c.unweighed != nil {
			s.Unweighed[r.Name] = c.unweighed.Error()
		}
		if v.interval.Known {
			r.Interval = []float64{v.interval.Low, v.interval.High}
		}
		row := Row{Rung: r, Candidate: from.Name, How: from.How, Ratio: float64(c.quantile(.5)) / float64(base), Agreement: v.agreement, Zipped: from.Zipped}
		if from.Baseline {
			s.Baselines = append(s.Baselines, held(row, c, open, all[0].Name, o.Seed))
			continue
		}
		by[r.Name] = c
		rungs = append(rungs, r)
		s.Rows = append(s.Rows, row)
	}
	kept, why := ladder.Climb(rungs, func(a, b *ladder.Rung) bool { return surelyFaster(by[a.Name], by[b.Name], o.Seed) })
	for i := range s.Rows {
		r := &s.Rows[i]
		r.Over = why[r.Name]
		r.Kept = r.Over == ""
	}
	measure := "agreement50"
	if o.Labelled {
		measure = labelled
	}
	s.Ladder = ladder.Ladder{Network: cmp.Or(o.Network, all[0].Name), DeadlineMS: ladder.MS(o.Deadline), Machine: doctor.ReadMachine().String(), Threads: o.Threads, Accuracy: measure, Data: catalog.DataName(o.Validate, max(o.Every, 1)), Rungs: kept}
	if o.Deadline > 0 {
		if r := s.Ladder.Largest(s.Ladder.DeadlineMS); r != nil {
			s.Largest = r.Name
		}
	}
	return s, s.Ladder.Validate()
}
