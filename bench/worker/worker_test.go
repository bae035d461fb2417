package worker

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"dashline/bench/load"
	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// serve is a worker in this process.
type serve struct {
	t     *testing.T
	in    io.WriteCloser
	dec   *json.Decoder
	ended chan error
}

func start(t *testing.T) *serve {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	s := &serve{t: t, in: inW, dec: json.NewDecoder(outR), ended: make(chan error, 1)}
	go func() {
		err := Serve(t.Context(), inR, outW)
		outW.Close()
		inR.Close()
		s.ended <- err
	}()
	t.Cleanup(func() { inW.Close() })
	return s
}

func (s *serve) ask(o Order) (a Answer) {
	s.t.Helper()
	if err := json.NewEncoder(s.in).Encode(o); err != nil {
		s.t.Fatal(err)
	}
	if err := s.dec.Decode(&a); err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *serve) open(o Open) *Opened {
	s.t.Helper()
	a := s.ask(Order{Open: &o})
	if a.Opened == nil {
		s.t.Fatalf("not opened: %s", a.Error)
	}
	return a.Opened
}

// quick is a configuration that takes little time. There is no such server as it names:
// a worker tells a server of its own alone.
func quick() string {
	return "source: " + testkit.Root() + "/testdata/drives/cut-in.mp4\ndetect: {network: dashline-tiny, threads: 1}\nlanes: {enabled: false}\nmeasure: 0s\nnats: {url: 'nats://127.0.0.1:1'}\n"
}

var evenly = load.Plan{Scenario: load.SingleStream, Rate: 200}

// TestBlocks runs blocks through a real pipeline, in open and closed loop, and
// sees that every frame of each has its outcome, its due time and its stages.
func TestBlocks(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := start(t)
		o := s.open(Open{Protocol: Protocol, Config: quick(), Closed: closed})
		if !slices.Equal(o.Cameras, []string{"front"}) || o.Width != 640 || o.FPS <= 0 || o.Memory <= 0 {
			t.Errorf("opened as %+v", o)
		}
		for range 2 {
			b := s.ask(Order{Block: &Block{Plan: evenly, Frames: 20}}).Block
			if b == nil || len(b.Frames) != 20 {
				t.Fatalf("closed %v: got %+v", closed, b)
			}
			if b.CPU <= 0 || b.Wall <= 0 || b.Allocs == 0 {
				t.Errorf("used nothing: %+v", b)
			}
			published := 0
			for _, f := range b.Frames {
				if f.Outcome != string(msg.OnTime) && f.Outcome != string(msg.Late) {
					continue
				}
				published++
				if forward := f.Stages[slices.Index(b.Stages, pipeline.StageForward)]; !(forward > 0 && f.Work >= forward && f.Age >= f.Work) {
					t.Errorf("age %v, work %v, forward %v", f.Age, f.Work, forward)
				}
			}
			if published == 0 || closed && published != 20 {
				t.Errorf("closed %v: %d of 20 were published", closed, published)
			}
		}
		e := s.ask(Order{End: &struct{}{}}).Ended
		if e == nil || e.Produced != 40 || e.Peak < o.Memory || len(e.Networks) != 1 || e.Bytes == 0 {
			t.Errorf("ended as %+v", e)
		}
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
	}
}

// TestFramesCountFromTheirDueTime stalls a pipeline: the frames that were due
// meanwhile are as old as that.
func TestFramesCountFromTheirDueTime(t *testing.T) {
	s := start(t)
	const stall = 300 * time.Millisecond
	s.open(Open{Protocol: Protocol, Config: quick(), Faults: []Fault{{Stall: stall, Every: 10}}})
	b := s.ask(Order{Block: &Block{Plan: load.Plan{Scenario: load.SingleStream, Rate: 20}, Frames: 20}}).Block
	if b == nil {
		t.Fatal("no block")
	}
	oldest := 0.0
	for _, f := range b.Frames {
		oldest = max(oldest, f.Age)
	}
	if oldest < millis(stall) {
		t.Errorf("the oldest of %d frames was %v ms old, and there was a stall of %v", len(b.Frames), oldest, stall)
	}
}

// TestFaultsAlloc holds blocks with a fault against blocks without.
func TestFaultsAlloc(t *testing.T) {
	block := func(faults ...Fault) *Frames {
		s := start(t)
		s.open(Open{Protocol: Protocol, Config: quick(), Closed: true, Faults: faults})
		s.ask(Order{Block: &Block{Plan: evenly, Frames: 10, Silent: true}})
		return s.ask(Order{Block: &Block{Plan: evenly, Frames: 30, Silent: true}}).Block
	}
	plain, littered, slow := block(), block(Fault{Allocs: 100}), block(Fault{Stage: pipeline.StageForward, Percent: 400})
	if more := (float64(littered.Allocs) - float64(plain.Allocs)) / 30; more < 90 || more > 110 {
		t.Errorf("100 allocations more a frame are counted as %v", more)
	}
	if ratio := middle(slow, pipeline.StageForward) / middle(plain, pipeline.StageForward); ratio < 2 {
		t.Errorf("a forward that takes five times as long is seen as %v times", ratio)
	}
}

func middle(b *Frames, stage string) float64 {
	at := slices.Index(b.Stages, stage)
	var all []float64
	for _, f := range b.Frames {
		all = append(all, f.Stages[at])
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// TestRefusals sends what cannot be followed: it is said, and the worker ends.
func TestRefusals(t *testing.T) {
	open := Order{Open: &Open{Protocol: Protocol, Config: quick()}}
	tests := []struct {
		name   string
		orders []any
		want   string
		usage  bool
	}{
		{"no order", []any{struct{}{}}, "one of open, block, accuracy and end", false},
		{"not JSON", []any{"open"}, "cannot be read", false},
		{"block before open", []any{Order{Block: &Block{Plan: evenly, Frames: 1}}}, "open comes first", false},
		{"open twice", []any{open, open}, "a pipeline is open", false},
		{"another protocol", []any{Order{Open: &Open{Protocol: 99}}}, "protocol 99 is asked for", false},
		{"unknown key", []any{Order{Open: &Open{Protocol: Protocol, Config: "sauce: x"}}}, "sauce", true},
		{"no network", []any{Order{Open: &Open{Protocol: Protocol, Config: "detect: {network: nobody}"}}}, "nobody", true},
		{"no frames", []any{open, Order{Block: &Block{Plan: evenly}}}, "a block of 0 frames", false},
		{"too many", []any{open, Order{Block: &Block{Plan: evenly, Frames: MaxBlock + 1}}}, "a block of 100001 frames", false},
		{"no rate", []any{open, Order{Block: &Block{Frames: 1}}}, "scenario", false},
		{"no truth", []any{Order{Accuracy: &Accuracy{Protocol: Protocol, Config: "source: /dev/null"}}}, "no truth", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var in, out bytes.Buffer
			for _, o := range tt.orders {
				if err := json.NewEncoder(&in).Encode(o); err != nil {
					t.Fatal(err)
				}
			}
			err := Serve(t.Context(), &in, &out)
			if err == nil {
				t.Fatal("it is no error")
			}
			var a Answer
			for dec := json.NewDecoder(&out); dec.More(); {
				a = Answer{}
				if err := dec.Decode(&a); err != nil {
					t.Fatal(err)
				}
			}
			if !strings.Contains(a.Error, tt.want) || a.Usage != tt.usage {
				t.Errorf("answered %+v, want %q in it", a, tt.want)
			}
		})
	}
}

func TestParseFault(t *testing.T) {
	tests := []struct {
		text string
		want Fault
	}{
		{"forward:5%", Fault{Stage: "forward", Percent: 5}},
		{"decode:0.5%", Fault{Stage: "decode", Percent: .5}},
		{"alloc:3", Fault{Allocs: 3}},
		{"stall:10ms/1000", Fault{Stall: 10 * time.Millisecond, Every: 1000}},
		{"freeze:1s/60s", Fault{Freeze: time.Second, Period: time.Minute}},
	}
	for _, tt := range tests {
		if got, err := ParseFault(tt.text); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.text, got, err)
		}
	}
	for _, text := range []string{"", "forward", "forward:5", "forward:-5%", "forward:NaN%", "track:5%", "alloc:0", "alloc:x", "stall:10ms", "stall:10/5", "stall:1s/0", "freeze:1s", "freeze:2s/1s"} {
		if f, err := ParseFault(text); err == nil {
			t.Errorf("%q is taken for %+v", text, f)
		}
	}
}

// blank finds nothing, at once.
type blank struct{ pipeline.Detector }

func (blank) Detect(*frame.Frame, []msg.Detection) ([]msg.Detection, pipeline.Timing, error) {
	return nil, pipeline.Timing{}, nil
}

// Short processes stall as often as a long one: a gate's have fewer frames than lie
// between two stalls.
func TestShortProcessesStallToo(t *testing.T) {
	const processes, frames, every = 1000, 50, 500
	stalls := 0
	for range processes {
		d := withFaults(blank{}, []Fault{{Stall: time.Nanosecond, Every: every}})
		for range frames {
			_, took, err := d.Detect(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if took.Forward > 0 {
				stalls++
			}
		}
	}
	// 100 are due; their number has a standard deviation of 9.5.
	if stalls < 40 || stalls > 160 {
		t.Errorf("%d stalls in %d frames, one in %d is due", stalls, processes*frames, every)
	}
}

// A worker of another build may answer anything.
func TestAnswersAreChecked(t *testing.T) {
	good := func() *Frames {
		return &Frames{Stages: []string{"forward"}, Frames: []Frame{{Outcome: "on_time", Stages: []float64{1}}, {Outcome: "dropped"}}}
	}
	if err := good().Check(2); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Frames){
		"of 2 frames it answered 1": func(f *Frames) { f.Frames = f.Frames[:1] },
		"2 stages of 1":             func(f *Frames) { f.Frames[0].Stages = []float64{1, 2} },
		"of camera -1":              func(f *Frames) { f.Frames[1].Camera = -1 },
		`a stage "\x1b[2J"`:         func(f *Frames) { f.Stages[0] = "\x1b[2J" },
		"times of 1000 stages":      func(f *Frames) { f.Stages = make([]string, 1000) },
	} {
		f := good()
		spoil(f)
		if err := f.Check(2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
