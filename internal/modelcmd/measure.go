package modelcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"dashline/infer/ort"
	"dashline/internal/netfile"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/onnx"
)

// Measured is what one engine really takes to run a network, in a process of its
// own.
type Measured struct {
	Engine  string `json:"engine"`
	Version string `json:"version"`
	Threads int    `json:"threads"`
	File    string `json:"file"` // what it ran, in words

	LoadMS    float64 `json:"load_ms"`  // reading the files and building the network
	FirstMS   float64 `json:"first_ms"` // first forward
	ForwardMS float64 `json:"forward_ms"`
	MinMS     float64 `json:"forward_min_ms"`
	MaxMS     float64 `json:"forward_max_ms"`
	Forwards  int     `json:"forwards"`

	Resident int64 `json:"resident_bytes"`     // anonymous memory added, while it runs
	Peak     int64 `json:"loading_peak_bytes"` // resident memory added at most, files included
	// Predicted is that of Resident, and Ratio the one over the other.
	Predicted int64   `json:"predicted_bytes"`
	Ratio     float64 `json:"predicted_over_measured"`

	Groups []GroupTime `json:"groups"`
	Layers []LayerTime `json:"layers"`
}

// GroupTime is the time of all layers of a kind in one forward.
type GroupTime struct {
	Group string  `json:"group"`
	MS    float64 `json:"ms"`
	Share float64 `json:"share"`
}

// LayerTime is the time of one layer in one forward.
type LayerTime struct {
	Index int     `json:"index"`
	MS    float64 `json:"ms"`
}

// MeasureOptions say how.
type MeasureOptions struct {
	Program []string // that runs [Probe] on its standard input, as a command line
	Threads int      // of the engine; 0: one per core
	Log     io.Writer
	Quiet   bool
}

// NoEngineError says that an engine was left out.
type NoEngineError struct{ Err error }

func (e *NoEngineError) Error() string { return "not measured on " + ORT + ": " + e.Err.Error() }

// Measure runs the network on each engine and adds what it took to the report. A
// network without weights gets random ones. A darknet network runs on ONNX
// Runtime converted, batch normalisation folded and decoding included. Where ONNX
// Runtime is not installed the error is a [*NoEngineError] and the rest is there.
func (r *Report) Measure(ctx context.Context, n *netfile.Net, o MeasureOptions) error {
	dir, err := os.MkdirTemp("", "dashline-measure-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	jobs, err := prepare(n, dir)
	if err != nil {
		return err
	}
	find, err := layerFinder(n)
	if err != nil {
		return err
	}
	var missing error
	for k, job := range jobs {
		if _, err := ort.Library(); job.Engine == ORT && errors.Is(err, ort.ErrNoLibrary) {
			missing = &NoEngineError{err}
			continue
		}
		stop := o.slow("measuring on " + job.Engine)
		job.Threads = o.Threads
		answer, err := ask(ctx, o.Program, job)
		stop()
		if err != nil {
			return fmt.Errorf("measure on %s: %w", job.Engine, err)
		}
		r.Measured = append(r.Measured, answer.measured(n.Graph, find, r.Predicted[k]))
	}
	return missing
}

// Resident is the anonymous memory, bytes, that a network adds to a process of its own
// while an engine runs it: [Measured].Resident without all else, so in less time. The
// network has its files (d.Dir is set, as by [catalog.Resolve]).
func Resident(ctx context.Context, d *catalog.Network, engine string, o MeasureOptions) (int64, error) {
	job := request{Engine: engine, Name: d.Name, Format: d.Format, Width: d.Input.Width, Height: d.Input.Height, Threads: o.Threads, MemoryOnly: true}
	if d.Format == "darknet" {
		job.Graph, job.Weights = d.Path("config"), d.Path("weights")
	} else {
		job.Graph = d.Path("model")
	}
	answer, err := ask(ctx, o.Program, job)
	if err != nil {
		return 0, fmt.Errorf("measure memory on %s: %w", engine, err)
	}
	if answer.Resident <= 0 {
		return 0, fmt.Errorf("measure memory on %s: the process took no more with the network than without", engine)
	}
	return answer.Resident, nil
}

// prepare writes what has to be written for the engines to read.
func prepare(n *netfile.Net, dir string) ([]request, error) {
	in := n.Graph.Inputs()
	if len(in) != 1 || len(n.Graph.Layers[in[0]].Shape) != 4 || n.Graph.Layers[in[0]].Shape[1] != 3 {
		return nil, fmt.Errorf("%s reads %s: only networks that read one picture, 1x3xHxW, are run here", n.Files[0], strings.Join(values(n.Graph, in), ", "))
	}
	shape := n.Graph.Layers[in[0]].Shape
	job := request{Width: shape.Width(), Height: shape.Height(), What: "as it is"}
	job.Name, job.Format, job.Graph, job.Weights = names(n)
	if n.Darknet == nil {
		return engines(job, job), nil
	}
	g := n.Graph
	if job.Weights == "" {
		job.Weights, job.What = filepath.Join(dir, "random.weights"), "with random weights"
		if err := randomWeights(job); err != nil {
			return nil, err
		}
		random, err := netfile.LoadWith(job.Graph, netfile.Options{Weights: job.Weights, Width: job.Width, Height: job.Height})
		if err != nil {
			return nil, err
		}
		g = random.Graph
	}
	converted := job
	converted.Format, converted.Graph, converted.Weights = "onnx", filepath.Join(dir, "network.onnx"), ""
	converted.What = "converted to ONNX, batch normalisation folded"
	return engines(job, converted), convert(converted.Graph, g)
}

func engines(opencv, ort request) []request {
	opencv.Engine, ort.Engine = OpenCV, ORT
	return []request{opencv, ort}
}

func randomWeights(job request) error {
	cfg, err := os.ReadFile(job.Graph)
	if err != nil {
		return err
	}
	return write(job.Weights, func(w io.Writer) error { return darknet.WriteRandomWeights(w, cfg, 1) })
}

func convert(to string, g *model.Graph) error {
	return write(to, func(w io.Writer) error { return onnx.Write(w, g, onnx.Options{Fold: true, Decode: true}) })
}

func write(to string, f func(io.Writer) error) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(f(out), out.Close())
}

// ask runs a probe in a process of its own.
func ask(ctx context.Context, program []string, job request) (*answer, error) {
	question, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.Stdin = bytes.NewReader(question)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String()))
	}
	a := &answer{}
	if err := json.Unmarshal(out.Bytes(), a); err != nil {
		return nil, fmt.Errorf("the measuring process said %q: %w", out.String(), err)
	}
	return a, nil
}

// slow says what is being done if it takes more than a moment.
func (o MeasureOptions) slow(doing string) (stop func()) {
	const patience = 2 * time.Second
	var mu sync.Mutex
	stopped := o.Quiet || o.Log == nil
	timer := time.AfterFunc(patience, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped {
			fmt.Fprintln(o.Log, doing)
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
	}
}

func (m *Measured) print(line func(key, format string, args ...any)) {
	line("measured, "+m.Engine, "%s, %s, %d threads: forward %.1f ms (%.1f to %.1f of %d), first %.1f ms, loading %.0f ms",
		m.File, m.Version, m.Threads, m.ForwardMS, m.MinMS, m.MaxMS, m.Forwards, m.FirstMS, m.LoadMS)
	line("", "%s resident added (predicted over it: %.2f), at most %s while loading", Bytes(m.Resident), m.Ratio, Bytes(m.Peak))
	var parts []string
	for _, g := range m.Groups {
		if g.Share >= .005 {
			parts = append(parts, fmt.Sprintf("%s %.1f ms (%.0f %%)", g.Group, g.MS, 100*g.Share))
		}
	}
	line("", "%s", strings.Join(parts, ", "))
}
