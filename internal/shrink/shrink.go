// Package shrink prunes a network's files: it runs model/prune, goes on where an
// earlier run was stopped, and writes what comes out with its description.
//
// Invariants:
//   - The same network, pictures and options give the same files, stopped and
//     resumed or not, where nothing is timed: not with Latency, nor with a Cost
//     that was measured.
//   - A network is written whole or not at all.
package shrink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math"
	"os"
	"strings"
	"time"

	"dashline/internal/netfile"
	"dashline/internal/regular"
	"dashline/model"
	"dashline/model/prune"
)

// Options say how.
type Options struct {
	prune.Options
	// Base is the path that files are written as, without ending. Where there are
	// several shares "-SHARE" is added, in percent.
	Base string
	// Latency, where not 0, is the time that the result may take by Time; shares
	// are not needed then.
	Latency time.Duration
	Time    func(ctx context.Context, g *model.Graph) (time.Duration, error)
}

// Made is a network that was written.
type Made struct {
	Network   string      `json:"network"` // path of its description
	Removed   float64     `json:"removed"` // of the cost
	MACs      int64       `json:"macs"`
	Loss      float64     `json:"loss"`
	Groups    []prune.Cut `json:"groups"`
	LatencyMS float64     `json:"latency_ms,omitempty"`
}

// Run prunes n and writes each network as soon as it is there. Where a target
// cannot be reached the error wraps [prune.ErrTarget] and comes with what can.
func Run(ctx context.Context, n *netfile.Net, images [][]float32, o Options) ([]Made, error) {
	var took time.Duration
	if o.Latency > 0 {
		fastest := time.Duration(math.MaxInt64)
		o.Enough = func(ctx context.Context, g *model.Graph) (bool, error) {
			var err error
			if took, err = o.Time(ctx, g); err != nil {
				return false, err
			}
			fastest = min(fastest, took)
			return took <= o.Latency, nil
		}
		made, err := run(ctx, n, images, o, &took)
		if errors.Is(err, prune.ErrTarget) {
			err = fmt.Errorf("%w: the fastest took %v, %v was asked for", err, fastest.Round(time.Microsecond), o.Latency)
		}
		return made, err
	}
	return run(ctx, n, images, o, &took)
}

// run prunes. took is the time of the network that was looked at last; 0: not known.
func run(ctx context.Context, n *netfile.Net, images [][]float32, o Options, took *time.Duration) ([]Made, error) {
	of, err := fingerprint(n, images, o)
	if err != nil {
		return nil, err
	}
	for i, share := range o.Remove {
		if i > 0 && suffix(share) == suffix(o.Remove[i-1]) {
			return nil, fmt.Errorf("shares %g and %g to remove would have one name: give them a tenth of a percent apart", o.Remove[i-1], share)
		}
	}
	s := state{Of: of}
	file := o.Base + ".pruning"
	if old, ok := load(file, s.Of); ok {
		s.Keep, s.Made = old.Keep, old.Made
		o.Resume, o.Done = old.keep(), len(old.Made)
	}
	full, err := macs(n.Graph)
	if err != nil {
		return nil, err
	}
	o.Checkpoint = func(keep prune.Keep) error {
		s.set(keep)
		return s.save(file)
	}
	o.Found = func(share int, r prune.Result) error {
		base := o.Base
		if len(o.Remove) > 1 {
			base += suffix(o.Remove[share])
		}
		m, err := write(n, base, r, full)
		if err != nil {
			return err
		}
		m.LatencyMS = took.Seconds() * 1e3
		s.Made = append(s.Made, m)
		return s.save(file)
	}
	_, err = prune.Shrink(ctx, n.Graph, images, o.Options)
	if err == nil {
		err = clean(file)
	}
	return s.Made, err
}

// suffix is what a share adds to the names of its files, in percent.
func suffix(share float64) string { return fmt.Sprintf("-%g", math.Round(1000*share)/10) }

func clean(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// write writes a network of which full multiply-accumulates were whole.
func write(n *netfile.Net, base string, r prune.Result, full int64) (Made, error) {
	m := Made{Removed: r.Removed, Loss: r.Loss, Groups: r.Groups}
	var err error
	if m.MACs, err = macs(r.Graph); err != nil {
		return m, err
	}
	m.Network, err = n.SaveDarknet(base, r.Graph, fmt.Sprintf("%s with %.0f %% of its operations removed", n.Described.Name, 100*(1-float64(m.MACs)/float64(full))))
	return m, err
}

func macs(g *model.Graph) (int64, error) {
	s, err := prune.Analyze(g)
	if err != nil {
		return 0, err
	}
	return s.Macs(s.All().Counts()), nil
}

// state is what is kept of a run that was stopped.
type state struct {
	Of   string   `json:"of"`   // network, pictures and options
	Keep []string `json:"keep"` // of each group, 1 for each unit that stays
	Made []Made   `json:"made,omitempty"`
}

func (s *state) set(keep prune.Keep) {
	s.Keep = make([]string, len(keep))
	for i, units := range keep {
		var b strings.Builder
		for _, stays := range units {
			b.WriteByte(map[bool]byte{false: '0', true: '1'}[stays])
		}
		s.Keep[i] = b.String()
	}
}

func (s *state) keep() prune.Keep {
	out := make(prune.Keep, len(s.Keep))
	for i, units := range s.Keep {
		for _, c := range units {
			out[i] = append(out[i], c == '1')
		}
	}
	return out
}

func (s *state) save(file string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return netfile.Replace(file, data)
}

// load is the state of a run with the same arguments; any other is of no use.
func load(file, of string) (state, bool) {
	var s state
	f, err := regular.Open(file)
	if err != nil {
		return s, false
	}
	defer f.Close()
	const most = 16 << 20
	info, err := f.Stat()
	if err != nil || info.Size() > most {
		return s, false
	}
	err = json.NewDecoder(f).Decode(&s)
	return s, err == nil && s.Of == of && len(s.Keep) > 0
}

// version of what is done with a question: a run that a program with another one
// left is not gone on with.
const version = 2

// fingerprint tells runs apart whose results may differ for other reasons than
// times.
func fingerprint(n *netfile.Net, images [][]float32, o Options) (string, error) {
	if n.Darknet == nil {
		return "", errors.New("only darknet networks can be pruned: give the .cfg and .weights that this one was made of")
	}
	h := sha256.New()
	if err := n.Darknet.Write(h, h); err != nil {
		return "", err
	}
	for _, x := range images {
		floats(h, x)
	}
	fmt.Fprintln(h, version, o.Remove, o.Latency, o.Criterion, o.Allocation, o.Cost != nil, o.Plain, o.Multiple, o.Places, o.Step, o.Seed)
	return hex.EncodeToString(h.Sum(nil)), nil
}

func floats(h hash.Hash, v []float32) {
	buf := make([]byte, 0, 4096)
	for i, x := range v {
		b := math.Float32bits(x)
		buf = append(buf, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
		if len(buf) == cap(buf) || i == len(v)-1 {
			h.Write(buf)
			buf = buf[:0]
		}
	}
}
