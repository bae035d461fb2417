package worker

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// Fault is something wrong that is put into a pipeline on purpose: a bench that
// does not find it finds nothing. One of the parts is set.
type Fault struct {
	// Stage is preprocess, forward or decode of detection, made slower by Percent of
	// its own time, with the processor busy.
	Stage   string  `json:"stage,omitempty"`
	Percent float64 `json:"percent,omitempty"`
	// Allocs are objects more on the heap for each frame.
	Allocs int `json:"allocs,omitempty"`
	// Stall is waited at every Every-th frame, the first after any number up to that:
	// processes that live for less stall as often.
	Stall time.Duration `json:"stall,omitempty"`
	Every int           `json:"every,omitempty"`
	// Freeze is waited once in each Period, from that on after the start.
	Freeze time.Duration `json:"freeze,omitempty"`
	Period time.Duration `json:"period,omitempty"`
}

// ParseFault reads forward:5% (or preprocess, decode), alloc:N, stall:10ms/1000 (once
// in so many frames) or freeze:1s/60s (once in so much time).
func ParseFault(text string) (f Fault, err error) {
	kind, value, _ := strings.Cut(text, ":")
	wrong := fmt.Errorf("fault %q: none of forward:5%%, preprocess:5%%, decode:5%%, alloc:1, stall:10ms/1000, freeze:1s/60s", text)
	switch kind {
	case pipeline.StageForward, pipeline.StagePreprocess, pipeline.StageDecode:
		number, ok := strings.CutSuffix(value, "%")
		f.Stage = kind
		if f.Percent, err = strconv.ParseFloat(number, 64); err != nil || !ok || !(f.Percent > 0 && f.Percent <= 10000) {
			return Fault{}, wrong
		}
	case "alloc":
		if f.Allocs, err = strconv.Atoi(value); err != nil || f.Allocs < 1 || f.Allocs > 1e6 {
			return Fault{}, wrong
		}
	case "stall":
		took, every, _ := strings.Cut(value, "/")
		if f.Stall, err = time.ParseDuration(took); err != nil || f.Stall <= 0 {
			return Fault{}, wrong
		}
		if f.Every, err = strconv.Atoi(every); err != nil || f.Every < 1 {
			return Fault{}, wrong
		}
	case "freeze":
		took, period, _ := strings.Cut(value, "/")
		if f.Freeze, err = time.ParseDuration(took); err != nil || f.Freeze <= 0 {
			return Fault{}, wrong
		}
		if f.Period, err = time.ParseDuration(period); err != nil || f.Period <= f.Freeze {
			return Fault{}, wrong
		}
	default:
		return Fault{}, wrong
	}
	return f, nil
}

// faulty is a detector with faults. Like any it works for one goroutine.
type faulty struct {
	pipeline.Detector
	faults []Fault
	frames int       // from a random one on
	frozen time.Time // when the last freeze began, or the first frame
	litter []*[64]byte
}

func withFaults(d pipeline.Detector, faults []Fault) *faulty {
	return &faulty{Detector: d, faults: faults, frames: rand.IntN(math.MaxInt32)}
}

// Detect is that of the detector, with what the faults add.
func (d *faulty) Detect(f *frame.Frame, dst []msg.Detection) ([]msg.Detection, pipeline.Timing, error) {
	dst, t, err := d.Detector.Detect(f, dst)
	if err != nil {
		return dst, t, err
	}
	d.frames++
	for i := range d.faults {
		d.add(&d.faults[i], &t)
	}
	return dst, t, nil
}

func (d *faulty) add(f *Fault, t *pipeline.Timing) {
	switch {
	case f.Stage == pipeline.StageForward:
		slow(&t.Forward, f.Percent)
	case f.Stage == pipeline.StagePreprocess:
		slow(&t.Preprocess, f.Percent)
	case f.Stage == pipeline.StageDecode:
		slow(&t.Decode, f.Percent)
	case f.Allocs > 0:
		d.litter = d.litter[:0]
		for range f.Allocs {
			d.litter = append(d.litter, new([64]byte))
		}
	case f.Stall > 0 && d.frames%f.Every == 0:
		time.Sleep(f.Stall)
		t.Forward += f.Stall
	case f.Freeze > 0:
		now := time.Now()
		if d.frozen.IsZero() {
			d.frozen = now
		}
		if now.Sub(d.frozen) >= f.Period {
			d.frozen = now
			time.Sleep(f.Freeze)
			t.Forward += f.Freeze
		}
	}
}

// slow keeps this thread's processor busy for a share of what a stage took.
func slow(took *time.Duration, percent float64) {
	more := time.Duration(float64(*took) * percent / 100)
	for began := time.Now(); time.Since(began) < more; {
	}
	*took += more
}
