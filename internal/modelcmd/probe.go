package modelcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"dashline/infer"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/model"
	"dashline/model/onnx"
)

// request is what a probe is to run.
type request struct {
	Engine, Name, Format, Graph, Weights, What string
	Width, Height, Threads                     int
	MemoryOnly                                 bool // few forwards, and no times of layers
}

// answer is what it found.
type answer struct {
	Engine, Version, What  string
	Threads                int
	Load, First            time.Duration
	Forwards               []time.Duration // sorted
	Before, Resident, Peak int64           // bytes: anonymous before and added, resident added
	Steps                  []infer.Step
}

// Probe runs what standard input asks for and answers on standard output. It is
// to be alone in its process: it measures that.
func Probe(ctx context.Context, in io.Reader, out io.Writer) error {
	var q request
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return fmt.Errorf("no question: %w: this command is for `dashline model info --measure`", err)
	}
	a, err := q.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(a)
}

// run measures. An engine's libraries, threads and tables are there before the
// first look at the memory, because a small network has run.
func (q request) run(ctx context.Context) (*answer, error) {
	warm, err := q.warm()
	if err != nil {
		return nil, err
	}
	defer warm.Close()
	before, err := settled()
	if err != nil {
		return nil, err
	}
	const resetPeak = "5"
	// Where that is not allowed the peak is one of the whole process, which is
	// next to nothing before.
	_ = os.WriteFile("/proc/self/clear_refs", []byte(resetPeak), 0)
	start := time.Now()
	n, err := q.open()
	if err != nil {
		return nil, err
	}
	info := n.Info()
	a := &answer{Engine: info.Engine, Version: info.Version, Threads: info.Threads, What: q.What,
		Load: time.Since(start) - info.First, First: info.First, Before: before.anonymous}
	enough := 2 * time.Second
	if q.MemoryOnly {
		enough = 0
	}
	if a.Forwards, err = forwards(ctx, n, enough); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	after, err := settled()
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	a.Resident, a.Peak = after.anonymous-before.anonymous, after.peak-before.resident
	if err := n.Close(); err != nil || q.MemoryOnly {
		return a, err
	}
	a.Steps, err = q.profile(min(len(a.Forwards), 20))
	return a, err
}

// forwards runs until there is enough to say how long one takes, and at least as
// often as engines need to have all memory that they will ever need.
func forwards(ctx context.Context, n infer.Network, enough time.Duration) ([]time.Duration, error) {
	const least, most = 5, 50
	var all []time.Duration
	var sum time.Duration
	for len(all) < least || len(all) < most && sum < enough {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := n.Forward(); err != nil {
			return nil, err
		}
		all = append(all, time.Since(start))
		sum += all[len(all)-1]
	}
	slices.Sort(all)
	return all, nil
}

func (q request) files() (graph, weights []byte, err error) {
	if graph, err = os.ReadFile(q.Graph); err != nil || q.Weights == "" {
		return graph, nil, err
	}
	weights, err = os.ReadFile(q.Weights)
	return graph, weights, err
}

func (q request) open() (infer.Network, error) {
	graph, weights, err := q.files()
	if err != nil {
		return nil, err
	}
	if q.Engine == ORT {
		return ort.Open(ort.Model{Name: q.Name, Graph: graph, Width: q.Width, Height: q.Height}, infer.Options{Threads: q.Threads})
	}
	return opencv.Open(q.opencv(graph, weights), infer.Options{Threads: q.Threads})
}

func (q request) opencv(graph, weights []byte) opencv.Model {
	return opencv.Model{Name: q.Name, Format: q.Format, Graph: graph, Weights: weights, Width: q.Width, Height: q.Height}
}

func (q request) profile(forwards int) ([]infer.Step, error) {
	graph, weights, err := q.files()
	if err != nil {
		return nil, err
	}
	if q.Engine == ORT {
		return ort.Profile(ort.Model{Name: q.Name, Graph: graph, Width: q.Width, Height: q.Height}, infer.Options{Threads: q.Threads}, forwards)
	}
	return opencv.Profile(q.opencv(graph, weights), infer.Options{Threads: q.Threads}, forwards)
}

// warm opens a network of one convolution and runs it.
func (q request) warm() (infer.Network, error) {
	const side = 16
	g := &model.Graph{Name: "warm", Outputs: []int{1}, Layers: []model.Layer{
		{Name: "input", Op: &model.Input{Shape: model.Shape{1, 3, side, side}}},
		{Name: "conv", From: []int{0}, Op: &model.Conv{Filters: 16, Groups: 1, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1},
			Weight: make([]float32, 48)}}}}
	if err := g.Infer(); err != nil {
		return nil, err
	}
	var file bytes.Buffer
	if err := onnx.Write(&file, g, onnx.Options{}); err != nil {
		return nil, err
	}
	var n infer.Network
	var err error
	if q.Engine == ORT {
		n, err = ort.Open(ort.Model{Name: g.Name, Graph: file.Bytes(), Width: side, Height: side}, infer.Options{Threads: q.Threads})
	} else {
		n, err = opencv.Open(opencv.Model{Name: g.Name, Format: "onnx", Graph: file.Bytes(), Width: side, Height: side}, infer.Options{Threads: q.Threads})
	}
	if err != nil {
		return nil, err
	}
	_, err = n.Forward()
	return n, err
}

// memory is what the kernel says of this process, in bytes.
type memory struct{ resident, anonymous, peak int64 }

// settled is the memory after what is not needed was given back.
func settled() (memory, error) {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return memory{}, fmt.Errorf("memory is measured on Linux only: %w", err)
	}
	return parseStatus(string(status))
}

func parseStatus(status string) (memory, error) {
	var m memory
	fields := map[string]*int64{"VmRSS": &m.resident, "RssAnon": &m.anonymous, "VmHWM": &m.peak}
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		to, wanted := fields[key]
		if !wanted {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return m, fmt.Errorf("/proc/self/status: %q: %w", line, err)
		}
		*to = kib << 10
	}
	if m.anonymous == 0 || m.peak == 0 {
		return m, errors.New("/proc/self/status has no RssAnon or VmHWM: Linux 4.5 or newer is needed")
	}
	return m, nil
}
