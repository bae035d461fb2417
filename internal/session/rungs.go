package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"dashline/internal/config"
	"dashline/internal/netfile"
	"dashline/internal/regular"
	"dashline/model/ladder"
	"dashline/pipeline/schedule"
)

// rung is a step of the ladder before its network is opened.
type rung struct {
	name    string
	network string // as detect.network is given; empty: track only
	engine  string // "": that of the configuration
	facts   schedule.Rung
}

// rungsOf says what the ladder of a configuration is. It has one rung at least.
func rungsOf(cfg *config.Config) ([]rung, error) {
	items := cfg.Ladder
	if len(items) == 0 {
		items = []string{cfg.Detect.Network}
	}
	var all []rung
	for _, item := range items {
		if item == config.TrackOnly {
			all = append(all, rung{name: config.TrackOnly})
			continue
		}
		made, ok, err := fromFile(item)
		if err != nil {
			return nil, &ConfigError{fmt.Errorf("ladder: %w", err)}
		}
		if !ok {
			made = []rung{{name: nameOf(item), network: item}}
		}
		all = append(all, made...)
	}
	return all, comparable(all)
}

// comparable forgets accuracies unless every network has one, and refuses names
// that stand twice.
func comparable(all []rung) error {
	known := true
	names := map[string]bool{}
	for _, r := range all {
		if names[r.name] {
			return &ConfigError{fmt.Errorf("ladder: %s stands there twice: leave one out", r.name)}
		}
		names[r.name] = true
		known = known && (r.network == "" || r.facts.Accuracy > 0)
	}
	if !known {
		for i := range all {
			all[i].facts.Accuracy = 0
		}
	}
	return nil
}

// nameOf is what a rung is called: the name of its network, or of its file.
func nameOf(item string) string {
	name := filepath.Base(item)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// fromFile gives the rungs of a file that `dashline model ladder` wrote; not ok
// for anything else, such as the description of a network.
func fromFile(path string) (all []rung, ok bool, err error) {
	if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" {
		return nil, false, nil
	}
	is, err := isLadder(path)
	if err != nil || !is {
		return nil, false, err
	}
	l, err := ladder.Load(path)
	if err != nil {
		return nil, false, err
	}
	for _, r := range l.Rungs {
		all = append(all, rung{
			name: r.Name, network: filepath.Join(filepath.Dir(path), filepath.FromSlash(r.Network)), engine: r.Engine,
			facts: schedule.Rung{P50: fromMS(r.P50MS), P99: fromMS(r.P99MS), Detect: fromMS(r.P50MS), Accuracy: r.Accuracy},
		})
	}
	return all, true, nil
}

// isLadder says whether a YAML file has rungs.
func isLadder(path string) (bool, error) {
	f, err := regular.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return false, err
	}
	return bytes.HasPrefix(text, []byte("rungs:")) || bytes.Contains(text, []byte("\nrungs:")), nil
}

func fromMS(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// assume gives the rungs times without a clock: those of the ladder's file, and
// where there are none, service for the first and for others as much less as they
// have fewer operations.
func assume(all []rung, service time.Duration) error {
	first := 0.0
	for i := range all {
		r := &all[i]
		if r.network == "" || r.facts.P50 > 0 {
			continue
		}
		share := 1.0
		if len(all) > 1 {
			macs, err := operations(r.network)
			if err != nil {
				return fmt.Errorf("ladder: how long rung %s takes is not known: %w", r.name, err)
			}
			if first == 0 {
				first = macs
			}
			share = macs / first
		}
		d := max(time.Duration(float64(service)*share), 1)
		r.facts.P50, r.facts.P99, r.facts.Detect = d, d, d
	}
	return nil
}

func operations(network string) (float64, error) {
	n, err := netfile.Load(network, true)
	if err != nil {
		return 0, err
	}
	macs := n.Graph.Profile().Total.MACs
	if macs <= 0 {
		return 0, errors.New("it has no operations")
	}
	return float64(macs), nil
}
