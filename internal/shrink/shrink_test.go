package shrink

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"dashline/internal/netfile"
	"dashline/internal/testkit/tinynet"
	"dashline/model"
	"dashline/model/darknet"
	"dashline/model/prune"
)

func detector(t *testing.T) *netfile.Net {
	t.Helper()
	n, err := netfile.Detector(tinynet.Detector(t, "net", 1))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func options(base string, shares ...float64) Options {
	return Options{Base: base, Options: prune.Options{Remove: shares, Multiple: 4, Places: 10, Step: .15}}
}

func file(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func operations(t *testing.T, g *model.Graph) int64 {
	t.Helper()
	s, err := prune.Analyze(g)
	if err != nil {
		t.Fatal(err)
	}
	return s.Macs(s.All().Counts())
}

// Each share is a network of its own, described, as small as it is said to be.
func TestRun(t *testing.T) {
	n := detector(t)
	base := filepath.Join(t.TempDir(), "small")
	made, err := Run(t.Context(), n, tinynet.Inputs(8), options(base, .2, .405))
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 2 || made[0].Network != base+"-20.yaml" || made[1].Network != base+"-40.5.yaml" {
		t.Fatalf("%+v", made)
	}
	for i, m := range made {
		small, err := netfile.Detector(m.Network)
		if err != nil {
			t.Fatal(err)
		}
		got := operations(t, small.Graph)
		if d := 1 - float64(got)/float64(operations(t, n.Graph)); got != m.MACs || d < []float64{.2, .405}[i] || m.LatencyMS != 0 || len(m.Groups) == 0 {
			t.Errorf("%d multiply-accumulates, %.3f less; %+v", got, d, m)
		}
	}
	if _, err := os.Stat(base + ".pruning"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file to go on with is left: %v", err)
	}
	one := filepath.Join(t.TempDir(), "one")
	if made, err = Run(t.Context(), n, tinynet.Inputs(8), options(one, .2)); err != nil || len(made) != 1 || made[0].Network != one+".yaml" {
		t.Errorf("%+v, %v", made, err)
	}
}

// A run that was stopped anywhere goes on to the same files as one that was not.
func TestRunGoesOnNumerics(t *testing.T) {
	n, pictures := detector(t), tinynet.Inputs(5)
	whole := filepath.Join(t.TempDir(), "small")
	want, err := Run(t.Context(), n, pictures, options(whole, .15, .4))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	count := options(filepath.Join(t.TempDir(), "small"), .15, .4)
	count.Progress = func(string, int, int) { total++ }
	if _, err := Run(t.Context(), n, pictures, count); err != nil {
		t.Fatal(err)
	}
	stopped := 0
	for at := total / 5; at < total; at += total / 5 {
		base := filepath.Join(t.TempDir(), "small")
		ctx, cancel := context.WithCancel(t.Context())
		o, done := options(base, .15, .4), 0
		o.Progress = func(string, int, int) {
			if done++; done == at {
				cancel()
			}
		}
		if _, err := Run(ctx, n, pictures, o); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at %d of %d: %v", at, total, err)
		}
		cancel()
		if _, err := os.Stat(base + ".pruning"); err == nil {
			stopped++
		}
		o.Progress, done = func(string, int, int) { done++ }, 0
		got, err := Run(t.Context(), n, pictures, o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if got[i].Network = strings.Replace(got[i].Network, base, whole, 1); !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("stopped at %d of %d: %+v, without %+v", at, total, got[i], want[i])
			}
		}
		for _, name := range []string{"-15.weights", "-40.weights", "-15.cfg", "-40.cfg", "-40.yaml"} {
			if len(got) != 2 || !bytes.Equal(file(t, base+name), file(t, whole+name)) {
				t.Errorf("stopped at %d of %d: %d networks, another %s", at, total, len(got), name)
			}
		}
	}
	if stopped < 2 {
		t.Errorf("only %d runs had something to go on with", stopped)
	}
}

// One that was stopped between a step and its result, too.
func TestRunGoesOnBeforeAResult(t *testing.T) {
	n, pictures := detector(t), tinynet.Inputs(6)
	base := filepath.Join(t.TempDir(), "small")
	o := options(base, .2)
	o.Step = 1
	blocked := base + ".cfg"
	if err := os.Mkdir(blocked, 0o755); err != nil { // nothing can take its place
		t.Fatal(err)
	}
	if made, err := Run(t.Context(), n, pictures, o); err == nil || len(made) > 0 {
		t.Fatalf("%+v, %v", made, err)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	made, err := Run(t.Context(), n, pictures, o)
	if err != nil || len(made) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := netfile.Detector(made[0].Network); err != nil {
		t.Error(err)
	}
}

// What a run of other arguments left is not gone on with, nor what is damaged.
func TestRunIgnoresOtherRunsNumerics(t *testing.T) {
	n, pictures := detector(t), tinynet.Inputs(6)
	base := filepath.Join(t.TempDir(), "small")
	want, err := Run(t.Context(), n, pictures, options(base, .2))
	if err != nil {
		t.Fatal(err)
	}
	weights := file(t, base+".weights")
	s, err := prune.Analyze(n.Graph)
	if err != nil {
		t.Fatal(err)
	}
	other := state{Of: print(t, n, pictures, options(base, .3))}
	other.set(s.All())
	other.Made = []Made{{Network: "elsewhere"}}
	if err := other.save(base + ".pruning"); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"", "{", `{"of":"x","keep":["1"]}`, string(file(t, base+".pruning"))} {
		if err := os.WriteFile(base+".pruning", []byte(left), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Run(t.Context(), n, pictures, options(base, .2))
		if err != nil || !reflect.DeepEqual(got, want) || !bytes.Equal(file(t, base+".weights"), weights) {
			t.Errorf("with %.20q before it: %+v, %v", left, got, err)
		}
	}
}

func print(t *testing.T, n *netfile.Net, pictures [][]float32, o Options) string {
	f, err := fingerprint(n, pictures, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// All that a result depends on tells runs apart.
func TestFingerprint(t *testing.T) {
	n, pictures := detector(t), tinynet.Inputs(6)
	first := print(t, n, pictures, options("a", .2))
	if print(t, n, pictures, options("b", .2)) != first {
		t.Error("where files go makes a difference")
	}
	// changed is the network with something else about its second layer.
	changed := func(change func(*model.Conv)) *netfile.Net {
		other := *n
		other.Graph = n.Graph.Clone()
		change(other.Graph.Layers[1].Op.(*model.Conv))
		var err error
		if other.Darknet, err = darknet.New(other.Graph); err != nil {
			t.Fatal(err)
		}
		return &other
	}
	others := map[string]string{
		"weights":    print(t, changed(func(c *model.Conv) { c.Weight[0]++ }), pictures, options("a", .2)),
		"activation": print(t, changed(func(c *model.Conv) { c.Act = model.Act{Kind: model.Mish} }), pictures, options("a", .2)),
		"pictures":   print(t, n, tinynet.Inputs(5), options("a", .2)),
	}
	for name, change := range map[string]func(*Options){
		"share":      func(o *Options) { o.Remove[0] = .21 },
		"cost":       func(o *Options) { o.Cost = func(*prune.Structure, []int) float64 { return 1 } },
		"latency":    func(o *Options) { o.Latency = time.Second },
		"criterion":  func(o *Options) { o.Criterion = prune.Magnitude },
		"allocation": func(o *Options) { o.Allocation = prune.Uniform },
		"plain":      func(o *Options) { o.Plain = true },
		"multiple":   func(o *Options) { o.Multiple = 2 },
		"places":     func(o *Options) { o.Places = 7 },
		"step":       func(o *Options) { o.Step = .3 },
		"seed":       func(o *Options) { o.Seed = 9 },
	} {
		o := options("a", .2)
		change(&o)
		others[name] = print(t, n, pictures, o)
	}
	seen := map[string]string{first: "nothing"}
	for name, f := range others {
		if seen[f] != "" {
			t.Errorf("%s and %s make no difference", name, seen[f])
		}
		seen[f] = name
	}
}

// clock is a machine on which a network takes a millisecond for so many
// multiply-accumulates.
func clock(t *testing.T, per int64) func(context.Context, *model.Graph) (time.Duration, error) {
	return func(_ context.Context, g *model.Graph) (time.Duration, error) {
		return time.Duration(float64(operations(t, g)) / float64(per) * float64(time.Millisecond)), nil
	}
}

// A time is reached and said, or it is said what can be reached.
func TestRunForLatency(t *testing.T) {
	n := detector(t)
	per := operations(t, n.Graph) / 100 // 100 ms as it is
	o := options(filepath.Join(t.TempDir(), "small"))
	o.Latency, o.Time = 70*time.Millisecond, clock(t, per)
	made, err := Run(t.Context(), n, tinynet.Inputs(6), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 || made[0].LatencyMS > 70 || made[0].LatencyMS < 50 || made[0].Removed < .3 {
		t.Errorf("%+v", made)
	}
	o = options(filepath.Join(t.TempDir(), "small"))
	o.Latency, o.Time, o.Multiple, o.Step = time.Microsecond, clock(t, per), 8, .5
	if made, err = Run(t.Context(), n, tinynet.Inputs(6), o); !errors.Is(err, prune.ErrTarget) || !strings.Contains(err.Error(), "1µs was asked for") || len(made) > 0 {
		t.Errorf("%+v, %v", made, err)
	}
	broken := errors.New("no clock")
	o.Time = func(context.Context, *model.Graph) (time.Duration, error) { return 0, broken }
	if _, err = Run(t.Context(), n, tinynet.Inputs(6), o); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Where a share cannot be reached those before it are there.
func TestRunTarget(t *testing.T) {
	o := options(filepath.Join(t.TempDir(), "small"), .2, .999)
	o.Step = .5
	made, err := Run(t.Context(), detector(t), tinynet.Inputs(6), o)
	if !errors.Is(err, prune.ErrTarget) || len(made) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := netfile.Detector(made[0].Network); err != nil {
		t.Error(err)
	}
}

// The costs of cuts are those that were measured, and add up.
func TestCosts(t *testing.T) {
	g := detector(t).Graph
	s, err := prune.Analyze(g)
	if err != nil {
		t.Fatal(err)
	}
	// A filter of the wide layer costs a millisecond, all else 7 together.
	const wide = 2
	measure := func(_ context.Context, g *model.Graph) (time.Duration, error) {
		return time.Duration(7+g.Layers[wide].Shape.Channels()) * time.Millisecond, nil
	}
	cost, err := Costs(t.Context(), g, measure, func(string, int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	counts := s.All().Counts()
	if c := cost(s, counts); c < 38.999 || c > 39.001 {
		t.Errorf("the whole network takes %g ms, not 39", c)
	}
	for i := range counts {
		counts[i] = max(1, counts[i]/4)
	}
	if c := cost(s, counts); c < 14.999 || c > 15.001 {
		t.Errorf("with a quarter of all units %g ms, not 15", c)
	}
	broken := errors.New("no clock")
	_, err = Costs(t.Context(), g, func(context.Context, *model.Graph) (time.Duration, error) { return 0, broken }, func(string, int, int) {})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// What would be written to one file, or cannot be written at all, is refused before
// anything is computed.
func TestRunRefuses(t *testing.T) {
	n := detector(t)
	elsewhere := *n
	elsewhere.Darknet = nil
	for want, run := range map[string]func() error{
		"a tenth of a percent apart": func() error {
			_, err := Run(t.Context(), n, tinynet.Inputs(6), options(filepath.Join(t.TempDir(), "a"), .3001, .3004))
			return err
		},
		"only darknet": func() error {
			_, err := Run(t.Context(), &elsewhere, tinynet.Inputs(6), options(filepath.Join(t.TempDir(), "a"), .3))
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}
