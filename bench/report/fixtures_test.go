package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"dashline/bench/machine"
)

// made are made-up results: no machine measured them. Each call makes one anew.
func made() map[string]func() *Result {
	return map[string]func() *Result{
		"pass":         passing,
		"fail":         failing,
		"inconclusive": inconclusive,
		"closed":       closedLoop,
		"hostile":      hostile,
		"empty":        func() *Result { return &Result{Scenario: Scenario{Name: "single-stream", Cameras: 1}} },
	}
}

func madeMachine() machine.Facts {
	return machine.Facts{
		CPU: "AMD EPYC 7B13", Features: []string{"f16c", "fma", "avx2"}, Cores: 2, Memory: 8149412 << 10,
		Kernel: "Linux 6.1.0-18-cloud-amd64", Virtual: "QEMU", Platform: "linux/amd64", Go: "go1.26.0", Version: "v1.2.3",
	}
}

// rung makes a subject whose frames take around ms milliseconds, on a camera of 30
// frames/s and with a deadline of 100 ms; from stall on, once in 900 frames
// something takes 300 ms.
type rung struct {
	name          string
	ms            float64
	parameters    int64
	offline, lost float64 // AP50, and how much of it streaming
	engine        string
	stalls        bool
	drops         float64 // share
}

const madeFrames = 6636

func (g rung) subject(seed uint64) Subject {
	r := rand.New(rand.NewPCG(seed, 1))
	s := Subject{
		Name:       g.name,
		Networks:   []Network{{Name: g.name, Task: "detect", Engine: g.engine, Version: "4.6.0", Requested: "auto", Backend: "cpu", Threads: 2}},
		Parameters: g.parameters, FileBytes: g.parameters * 4, MACs: g.parameters * 260, FLOPs: g.parameters * 530,
		Load: 180 + g.ms*4, First: g.ms * 3.1, Warmup: 30, Loaded: 41e6 + g.parameters*5, Peak: 96e6 + g.parameters*11,
		Outcomes: Outcomes{Produced: madeFrames},
	}
	var ages, forwards, answers []float64
	waiting := 0 // frames before the next that is published, less itself
	for i := range madeFrames {
		at := float64(i) / 30
		forward := g.ms * math.Exp(.06*r.NormFloat64()+.02*math.Sin(at/7))
		if r.Float64() < .01 {
			forward *= 1.3 + r.Float64()
		}
		age := forward + 3.2*math.Exp(.2*r.NormFloat64())
		if g.stalls && i%900 > 880 {
			age += 300 - float64(i%900-880)*14
		}
		p := Point{At: at, Age: age, Outcome: "on_time"}
		switch {
		case r.Float64() < g.drops:
			p.Age, p.Outcome = 0, "dropped"
			s.Outcomes.Dropped++
		case age > 100:
			p.Outcome = "late"
			s.Outcomes.Late++
		default:
			s.Outcomes.OnTime++
		}
		if p.Outcome != "dropped" {
			ages, forwards = append(ages, age), append(forwards, forward)
			for ; waiting >= 0; waiting-- { // those that were dropped before it, too
				answers = append(answers, age+float64(waiting)*1000/30)
			}
		}
		waiting++
		s.Series = append(s.Series, p)
	}
	slices.Sort(ages)
	slices.Sort(forwards)
	s.Age, s.Forward = distribution(ages), distribution(forwards)
	slices.Sort(answers)
	s.Answer = distribution(answers)
	s.CDF = Thin(answers, 2000)
	s.Frame = distribution(ages)
	misses := s.Outcomes.Late + s.Outcomes.Dropped
	rate := float64(misses) / madeFrames
	spread := 2.6 * math.Sqrt(rate*(1-rate)/madeFrames)
	s.Misses = &Rate{misses, madeFrames, rate, max(0, rate-spread), rate + spread + 5.3/madeFrames}
	s.Throughput = 30 * (1 - g.drops)
	s.CPU = &Interval{g.ms*1.85 + 6, g.ms*1.82 + 6, g.ms*1.88 + 6}
	s.Allocations = &Interval{112, 111, 113}
	s.MessageBytes = 2310
	s.Accuracy = &Accuracy{
		Data:      "unseen.mp4",
		Offline:   &Interval{g.offline, g.offline - .021, g.offline + .02},
		Streaming: &Interval{g.offline - g.lost, g.offline - g.lost - .024, g.offline - g.lost + .022},
	}
	for _, x := range []struct {
		name  string
		share float64
	}{{"wait", .4}, {"preprocess", 1.1}, {"forward", g.ms}, {"decode", .6}, {"lanes", .7}, {"track", .2}, {"publish", .2}} {
		s.Stages = append(s.Stages, Stage{Name: x.name, Mean: x.share, P50: x.share * .98, P99: x.share * 1.5})
	}
	return s
}

func distribution(sorted []float64) *Distribution {
	d := &Distribution{Count: len(sorted), Effective: float64(len(sorted)) * .98, Correlation: .3}
	for _, x := range sorted {
		d.Mean += x / float64(len(sorted))
	}
	for _, q := range []float64{.5, .9, .99, .999} {
		at := func(q float64) float64 { return sorted[int(q*float64(len(sorted)-1))] }
		spread := 2.6 * math.Sqrt(q*(1-q)/d.Effective)
		low, high := at(q-spread), at(min(1, q+spread/2))
		x := Quantile{Q: q, Value: at(q), Low: &low, High: &high}
		if q+spread/2 >= 1 {
			x.High = nil
		}
		d.Quantiles = append(d.Quantiles, x)
	}
	return d
}

func madeResult(subjects ...Subject) *Result {
	return &Result{
		Schema:   Schema,
		Machine:  madeMachine(),
		Noise:    machine.Noise{LoadBefore: .12, Others: .013, Steal: .0004},
		Scenario: Scenario{Name: "single-stream", Cameras: 1, Rate: 30, Source: "drive.mp4", Width: 1280, Height: 720, Frames: madeFrames},
		Goal:     &Goal{Deadline: 100, Quantile: .999, MissRate: .001, Level: .99, Frames: madeFrames},
		Subjects: subjects,
		Level:    .99,
		Seed:     7,
		Elapsed:  221.2,
	}
}

func passing() *Result {
	s := rung{name: "dashline-small", ms: 18, parameters: 420_000, offline: .71, lost: .03, engine: "opencv"}.subject(3)
	s.Verdict, s.Why = Pass, "99.9 % of frames are within 100 ms, and fewer than 0.1 % are missed"
	s.Stopped = true
	r := madeResult(s)
	r.Verdict = Pass
	return r
}

// failing has several rungs, as the ladder has.
func failing() *Result {
	all := []rung{
		{"dashline-full", 71, 3_080_000, .861, .152, "opencv", true, .012},
		{"full-50", 38, 1_410_000, .848, .071, "opencv", false, 0},
		{"full-50-int8", 24, 1_410_000, .841, .048, "ort", false, 0},
		{"full-70", 22.5, 760_000, .822, .043, "opencv", false, 0},
		{"full-90", 11.2, 210_000, .741, .022, "opencv", false, 0},
		{"tiny-distilled", 10.6, 205_000, .783, .02, "ort", false, 0},
	}
	var subjects []Subject
	for i, g := range all {
		s := g.subject(uint64(i) + 11)
		s.Verdict, s.Why = Pass, "99.9 % of frames are within 100 ms, and fewer than 0.1 % are missed"
		if s.Outcomes.Late+s.Outcomes.Dropped > 20 {
			s.Verdict, s.Why = Fail, "more than 0.1 % of frames are missed, beyond doubt"
			s.Causes = []Cause{{"dropped", "wait", "a newer frame came", s.Outcomes.Dropped, ""}}
		}
		subjects = append(subjects, s)
	}
	subjects[2].Networks[0].Engine, subjects[2].Networks[0].Version, subjects[2].FileBytes = "ort", "1.20.1", 1_460_000
	subjects[3].Networks[0].Requested = "opencl"
	subjects[0].Age.Effective *= .31
	subjects[0].Age.Correlation = 2e-9
	subjects[3].Age.Quantiles[3].High = nil
	subjects[5].Notes = []string{"taught by dashline-full"}
	r := madeResult(subjects...)
	r.Verdict = Fail
	r.Noise = machine.Noise{LoadBefore: 1.7, Others: .081, Steal: .002, Noisy: true, Why: "other processes had 8.1 % of the processors' time (more than 5 %); the load before was 1.70 (more than half of 2 cores)"}
	r.Warnings = []string{"the machine is noisy: times are longer than they would be, and verdicts on them are of this hour"}
	return r
}

func inconclusive() *Result {
	r := passing()
	r.Verdict = Inconclusive
	s := &r.Subjects[0]
	s.Verdict, s.Stopped = Inconclusive, false
	s.Why = "p99.9 may be above 100 ms or below: it takes more frames to know"
	s.Age.Quantiles[3].High = nil
	s.Misses = &Rate{4, madeFrames, 4. / madeFrames, .0001, .0019}
	s.Joules = 1.27
	return r
}

func closedLoop() *Result {
	r := failing()
	r.Scenario.Closed, r.Scenario.Rate = true, 0
	r.Goal, r.Verdict = nil, ""
	r.Subjects = r.Subjects[:2]
	for i := range r.Subjects {
		s := &r.Subjects[i]
		s.Age, s.Misses, s.Verdict, s.Why, s.Causes = nil, nil, "", "", nil
		s.Outcomes = Outcomes{Produced: madeFrames, OnTime: madeFrames}
		s.Series = slices.DeleteFunc(s.Series, func(p Point) bool { return p.Outcome != "on_time" })
	}
	return r
}

// nasty is text that would change each of the forms, did it get through.
const nasty = "<script>alert(1)</script>\n::error::x | `y` \"'&<b> \x1b[31m\u202E */ ]]> {{.}} @all [z](http://evil.example) #0102F0"

func hostile() *Result {
	r := failing()
	r.Subjects = r.Subjects[:3]
	r.Subjects[0].Name = nasty
	r.Subjects[1].Name = ""
	r.Subjects[2].Name = "a-name-" + fmt.Sprintf("%0200d", 7)
	for i := range r.Subjects {
		s := &r.Subjects[i]
		s.Networks[0].Name, s.Networks[0].Task, s.Networks[0].Backend, s.Networks[0].Version = nasty, nasty, nasty, nasty
		s.Stages[0].Name, s.Notes, s.Why = nasty, []string{nasty}, nasty
		s.Causes = []Cause{{nasty, nasty, nasty, 3, nasty}}
		s.Accuracy.Data = nasty
		s.Verdict = Verdict(nasty)
		s.Series[5].Outcome = nasty
	}
	r.Machine.CPU, r.Machine.Governor, r.Machine.Virtual, r.Machine.Features = nasty, nasty, nasty, []string{nasty}
	r.Noise.Why, r.Warnings, r.Scenario.Name, r.Scenario.Source = nasty, []string{nasty}, nasty, nasty
	r.Verdict = Verdict(nasty)
	return r
}
