package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"dashline/model/catalog"
)

// Rungs are the rungs of a ladder from the largest to the smallest, at most
// [MaxRungs]: names of networks, paths of descriptions, or the path of one file
// of package model/ladder. The last may be [TrackOnly], after at least one other.
type Rungs []string

// TrackOnly is the rung on which no network runs: tracks are carried on.
const TrackOnly = "track-only"

// MaxRungs bounds the rungs of a ladder.
const MaxRungs = 32

// UnmarshalText reads rungs with commas between, and an empty text as none. A path
// with a comma in it can only be an item of a list.
func (r *Rungs) UnmarshalText(text []byte) error {
	*r = nil
	if len(text) == 0 {
		return nil
	}
	for _, item := range strings.SplitN(string(text), ",", MaxRungs+1) { // one too many is seen as such
		*r = append(*r, strings.TrimSpace(item))
	}
	return nil
}

// Decode is called by kong with the text of one flag, or with the list of a file.
func (r *Rungs) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("RUNG,...")
	if err != nil {
		return err
	}
	if list, ok := token.Value.(Rungs); ok {
		*r = list
		return nil
	}
	var more Rungs
	if err := more.UnmarshalText([]byte(token.String())); err != nil {
		return err
	}
	*r = append(*r, more...)
	return nil
}

func (c *Config) validateLadder() error {
	if len(c.Ladder) == 0 {
		return nil
	}
	if len(c.Ladder) > MaxRungs {
		return fmt.Errorf("ladder: there are more than %d rungs, which is the limit", MaxRungs)
	}
	var errs []error
	if c.Detect.Network != Default().Detect.Network {
		errs = append(errs, fmt.Errorf("detect.network, ladder: both are set: leave detect.network out, or put %.64q into the ladder", c.Detect.Network))
	}
	if c.Ladder[0] == TrackOnly && len(c.Ladder) == 1 {
		errs = append(errs, errors.New("ladder: track-only carries on what a network has found: put one before it"))
	}
	first := map[string]int{}
	for i, rung := range c.Ladder {
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("ladder[%d]: %s", i, fmt.Sprintf(format, args...)))
		}
		same := rung
		if catalog.IsPath(rung) {
			same = filepath.Clean(rung)
		}
		at, twice := first[same]
		first[same] = i
		switch {
		case strings.TrimSpace(rung) == "":
			wrong("is empty: name a network")
		case rung == TrackOnly && i < len(c.Ladder)-1:
			wrong("track-only is the last rung, if it is one: put it behind the others")
		case twice:
			wrong("%.64q is ladder[%d] too: leave one out", rung, at)
		}
	}
	return errors.Join(errs...)
}
