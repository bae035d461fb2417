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
	"dashline/model/catalog"
	"dashline/model/ladder"
	"dashline/pipeline/schedule"
)

// rung is a step of the ladder before its network is opened.
type rung struct {
	name    string
	network string // as detect.network is given; empty: track only
	engine  string // "": that of the configuration
	facts   schedule.Rung
	data    string // what facts.Accuracy was measured on, in words
}

// rungsOf says what the ladder of a configuration is. It has one rung at least. The
// warning, unless empty, says why its accuracies are of no use.
func rungsOf(cfg *config.Config) (all []rung, warning string, err error) {
	items := cfg.Ladder
	if len(items) == 0 {
		items = []string{cfg.Detect.Network}
	}
	for _, item := range items {
		if item == config.TrackOnly {
			all = append(all, rung{name: config.TrackOnly})
			continue
		}
		made, ok, err := fromFile(item)
		if err != nil {
			return nil, "", &ConfigError{fmt.Errorf("ladder: %w", err)}
		}
		if !ok {
			made = []rung{ofNetwork(item)}
		}
		all = append(all, made...)
	}
	if err := distinct(all); err != nil {
		return nil, "", err
	}
	return all, comparable(all), nil
}

// ofNetwork is the rung of a network by name or description. One that is not known is
// said to be when it is opened.
func ofNetwork(item string) rung {
	r := rung{name: nameOf(item), network: item}
	n, err := catalog.Resolve(item)
	if _, missing := errors.AsType[*catalog.MissingError](err); err == nil || missing {
		r.facts.Accuracy, r.data = n.Accuracy.AP50, n.Accuracy.Data
	}
	return r
}

// OnRungs returns a configuration for each network of a ladder, which detects with
// that one; the same where there is none.
func OnRungs(cfg config.Config) ([]config.Config, error) {
	if len(cfg.Ladder) == 0 {
		return []config.Config{cfg}, nil
	}
	rungs, _, err := rungsOf(&cfg)
	if err != nil {
		return nil, err
	}
	var all []config.Config
	for _, r := range rungs {
		if r.network == "" {
			continue
		}
		one := cfg
		one.Ladder = nil
		one.Detect.Network = r.network
		if r.engine != "" && one.Detect.Engine == "auto" {
			one.Detect.Engine = r.engine
		}
		all = append(all, one)
	}
	return all, nil
}

// distinct refuses names that stand twice.
func distinct(all []rung) error {
	names := map[string]bool{}
	for _, r := range all {
		if names[r.name] {
			return &ConfigError{fmt.Errorf("ladder: %s stands there twice: leave one out", r.name)}
		}
		names[r.name] = true
	}
	return nil
}

// comparable forgets accuracies unless every network has one, of the same data, and
// says so where some had: then the ladder's order is all that is known.
func comparable(all []rung) (warning string) {
	var known, unknown []string // what each network was measured on; networks without
	data := map[string]bool{}
	for _, r := range all {
		switch {
		case r.network == "":
		case r.facts.Accuracy > 0:
			data[r.data] = true
			known = append(known, r.name+": "+r.data)
		default:
			unknown = append(unknown, r.name)
		}
	}
	if len(unknown) == 0 && len(data) < 2 {
		return ""
	}
	for i := range all {
		all[i].facts.Accuracy = 0
	}
	switch {
	case len(known) == 0:
		return ""
	case len(unknown) > 0:
		return "ladder: the largest rung that fits is taken, for the accuracy of " + strings.Join(unknown, ", ") + " is not known (accuracy in its description)"
	}
	return "ladder: the largest rung that fits is taken, for accuracies on different data cannot be compared (" + strings.Join(known, "; ") + ")"
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
	data := path // where nothing else is said, its rungs can be compared with each other
	if l.Accuracy == "ap50" && l.Data != "" {
		data = l.Data
	}
	for _, r := range l.Rungs {
		all = append(all, rung{
			name: r.Name, network: filepath.Join(filepath.Dir(path), filepath.FromSlash(r.Network)), engine: r.Engine,
			facts: schedule.Rung{P50: fromMS(r.P50MS), P99: fromMS(r.P99MS), Detect: fromMS(r.P50MS), Accuracy: r.Accuracy},
			data:  data,
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
