package pipeline

import (
	"errors"
	"slices"
	"sync"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// work takes admitted frames one after the other and brings each to its end.
func (r *runner) work() {
	for j := range r.admit {
		v := r.process(j)
		r.report(v.Report)
		r.show(v)
	}
	r.stop()
}

// process runs the stages on one frame, publishes what they give, and returns
// it with its report.
func (r *runner) process(j job) view {
	f := j.lease.Frame
	r.clock.begin(&f.Header)
	begin := r.clock.now()
	if r.cfg.Policy != Newest {
		f.Arrived = begin
	}
	r.times = append(r.times[:0],
		msg.StageTime{Stage: StageSource, Took: j.read},
		msg.StageTime{Stage: StageWait, Took: begin - f.Arrived})

	rep := &msg.FrameReport{Header: f.Header, Deadline: r.cfg.Deadline}
	v := view{lease: j.lease, View: View{Frame: f, Report: rep, Lead: -1}}
	if stage, err := r.stages(f, &v.View); err != nil {
		rep.Outcome, rep.Stage, rep.Reason, rep.Detail = msg.Failed, stage, reasonOf(err), err.Error()
	}

	rep.Age = r.age(f)
	switch {
	case rep.Outcome == msg.Failed:
	case rep.Age > r.cfg.Deadline:
		rep.Outcome = msg.Late
	default:
		rep.Outcome = msg.OnTime
	}
	rep.Stages = slices.Clone(r.times)
	rep.Networks = r.networks()
	return v
}

// networks lists what ran; the slice is part of a published message.
func (r *runner) networks() []msg.Network {
	if r.st.Lanes == nil {
		return []msg.Network{r.st.Detector.By()}
	}
	return []msg.Network{r.st.Detector.By(), r.st.Lanes.By()}
}

// stages runs detection and lanes side by side, then the plan, and publishes
// each result as soon as it exists. On failure it names the stage.
func (r *runner) stages(f *frame.Frame, v *View) (stage string, err error) {
	begin := r.clock.now()
	if r.st.Lanes != nil {
		r.lanes.begin(f)
	}
	var t Timing
	v.Detections, t, stage, err = r.detect(f)
	t.Preprocess = r.clock.took(StagePreprocess, t.Preprocess)
	t.Forward = r.clock.took(StageForward, t.Forward)
	t.Decode = r.clock.took(StageDecode, t.Decode)
	var published time.Duration
	if err == nil {
		r.times = append(r.times,
			msg.StageTime{Stage: StagePreprocess, Took: t.Preprocess},
			msg.StageTime{Stage: StageForward, Took: t.Forward},
			msg.StageTime{Stage: StageDecode, Took: t.Decode})
		published += r.publish(func(p Publisher) { p.Detections(v.Detections) })
	}
	if r.st.Lanes != nil { // always join: the frame is borrowed until then
		res := r.lanes.wait()
		if err == nil && res.err != nil {
			stage, err = StageLanes, res.err
		}
		if res.err == nil {
			v.Lanes = res.lanes
		}
		r.times = append(r.times,
			msg.StageTime{Stage: StageLanes, Took: r.clock.beside(StageLanes, begin, res.took)},
			msg.StageTime{Stage: StageLanesForward, Took: r.clock.beside(StageLanesForward, begin, res.timing.Forward)})
	}
	if err != nil {
		return stage, err
	}
	if v.Lanes != nil {
		published += r.publish(func(p Publisher) { p.Lanes(v.Lanes) })
	}
	if r.st.Planner != nil && !r.stale(f) {
		start := r.clock.now()
		v.Plan, err = r.plan(f, v)
		took := r.clock.took(StagePlan, r.clock.now()-start)
		if err != nil {
			return StagePlan, err
		}
		r.times = append(r.times, msg.StageTime{Stage: StagePlan, Took: took})
		if i := v.Plan.LeadObject; i >= 0 && i < len(r.objects) {
			v.Lead = r.objects[i].Detection
		}
		published += r.publish(func(p Publisher) { p.Plan(v.Plan) })
	}
	r.times = append(r.times, msg.StageTime{Stage: StagePublish, Took: r.clock.took(StagePublish, published)})
	return "", nil
}

// stale says that a live frame is already late: a plan made of it would be a
// plan for a moment that has passed. A file's frames are planned on whatever
// they took.
func (r *runner) stale(f *frame.Frame) bool {
	return r.cfg.Policy == Newest && r.age(f) > r.cfg.Deadline
}

func (r *runner) detect(f *frame.Frame) (d *msg.Detections, t Timing, stage string, err error) {
	defer contain(&err)
	stage = StageDetect
	items, t, err := r.st.Detector.Detect(f, r.detections[:0])
	if err != nil {
		return nil, t, stage, err
	}
	r.detections = items
	return &msg.Detections{
		Header: f.Header, Width: f.Image.Cols(), Height: f.Image.Rows(),
		By: r.st.Detector.By(), Items: slices.Clone(items),
	}, t, "", nil
}

func (r *runner) findLanes(f *frame.Frame) (set *msg.LaneSet, t Timing, err error) {
	defer contain(&err)
	set = &msg.LaneSet{Header: f.Header}
	t, err = r.st.Lanes.FindLanes(f, set)
	return set, t, err
}

func (r *runner) plan(f *frame.Frame, v *View) (plan *msg.Trajectory, err error) {
	defer contain(&err)
	r.scene = msg.Scene{Header: f.Header, Detections: v.Detections, Lanes: v.Lanes, Speed: r.cfg.Speed}
	if r.st.Locator != nil {
		r.objects = r.st.Locator.Locate(v.Detections, r.objects[:0])
		r.scene.Objects = r.objects
	}
	if plan = r.st.Planner.Plan(&r.scene); plan == nil {
		return nil, errors.New("the planner gave no plan")
	}
	return plan, nil
}

// publish sends one message and says how long that took.
func (r *runner) publish(send func(Publisher)) time.Duration {
	if r.st.Publisher == nil {
		return 0
	}
	start := r.clock.now()
	send(r.st.Publisher)
	return r.clock.now() - start
}

// view is a View with the lease that keeps its frame.
type view struct {
	lease frame.Lease
	View
}

// show hands a finished frame to the viewer or gives it back. A live frame that
// the viewer has no time for is not shown; a file or a replay waits for its viewer.
func (r *runner) show(v view) {
	if r.views == nil {
		v.lease.Release()
		return
	}
	if r.showAll {
		r.views <- v
		return
	}
	select {
	case r.views <- v:
	default:
		v.lease.Release()
	}
}

// look shows frames to the viewer until work is done. After the viewer's first
// error it only gives frames back.
func (r *runner) look() {
	for v := range r.views {
		if r.viewErr == nil {
			r.viewing = v.View
			r.viewErr = r.view(&r.viewing)
		}
		v.lease.Release()
	}
}

func (r *runner) view(v *View) (err error) {
	defer contain(&err)
	return r.st.Viewer.View(v)
}

// helper runs the lanes of one frame beside its detection, on one goroutine.
type helper struct {
	in  chan *frame.Frame
	out chan found
}

type found struct {
	lanes  *msg.LaneSet
	timing Timing
	took   time.Duration
	err    error
}

func (h *helper) start(wg *sync.WaitGroup, now func() time.Duration, find func(*frame.Frame) (*msg.LaneSet, Timing, error)) {
	h.in, h.out = make(chan *frame.Frame), make(chan found)
	wg.Go(func() {
		for f := range h.in {
			start := now()
			set, t, err := find(f)
			h.out <- found{set, t, now() - start, err}
		}
	})
}

func (h *helper) begin(f *frame.Frame) { h.in <- f }
func (h *helper) wait() found          { return <-h.out }
func (h *helper) stop()                { close(h.in) }
