package pipeline

import (
	"errors"
	"sync"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/schedule"
)

// line is one camera in a run: what becomes of its frames before and after the
// networks. Each group of fields belongs to one goroutine.
type line struct {
	Feed
	index int
	clock clock
	pool  *frame.Pool
	views chan view
	err   error // why its source broke

	reports sync.Mutex    // observers and the bus see one report at a time
	begun   int           // frames that were begun; of who begins them
	pace    schedule.Pace // with Every; of who reads them

	// of who concludes
	newest   *msg.LaneSet
	newAt    time.Duration // when its picture was captured
	sighting Sighting
	tracked  msg.Detections
	objects  []msg.Object
	scene    msg.Scene

	// of look
	viewing View
	viewErr error
}

// wantsLanes says whether lanes are to be looked for on the frame that begins now.
func (l *line) wantsLanes() bool {
	n := l.begun
	l.begun++
	return l.LanesEvery <= 1 || n%l.LanesEvery == 0
}

// surplus says that a frame of a file is more than the rate allows. Live ones are
// the scheduler's.
func (l *line) surplus(f *frame.Frame) bool { return !l.pace.Takes(l.Rate, f.PTS) }

// conclude makes tracks and a plan of what was sensed on a frame, publishes them,
// and returns the frame with its report, but without its lease. Detections have
// been published.
func (l *line) conclude(f *frame.Frame, j *job, found *sensed) view {
	rep := &msg.FrameReport{Header: f.Header, Deadline: l.Deadline, Lag: f.Lag, Networks: found.networks}
	v := view{View: View{
		Frame: f, Report: rep, Lead: -1, Detections: found.detections, Lanes: found.lanes,
	}}
	times := append(make([]msg.StageTime, 0, 10),
		msg.StageTime{Stage: StageSource, Took: j.read},
		msg.StageTime{Stage: StageWait, Took: j.wait})
	times = append(times, found.times[:found.timed]...)
	stage, err := found.stage, found.err
	if err == nil {
		times, stage, err = l.finish(f, &v.View, found, times)
	}
	if err != nil {
		rep.Outcome, rep.Stage, rep.Reason, rep.Detail = msg.Failed, stage, reasonOf(err), err.Error()
	}
	rep.Stages = times
	rep.Age = l.age(f)
	switch {
	case rep.Outcome == msg.Failed:
	case rep.Age > l.Deadline:
		rep.Outcome = msg.Late
	default:
		rep.Outcome = msg.OnTime
	}
	return v
}

// finish makes lanes, tracks and plan known. On failure it names the stage.
func (l *line) finish(f *frame.Frame, v *View, found *sensed, times []msg.StageTime) (_ []msg.StageTime, stage string, err error) {
	captured, published := f.Arrived-f.Lag, found.published
	if v.Lanes != nil {
		l.newest, l.newAt = v.Lanes, captured
		published += l.publish(func(p Publisher) { p.Lanes(v.Lanes) })
	}
	if l.Tracker != nil {
		start := l.clock.now()
		v.Tracks, err = l.track(f, captured, found)
		took := l.clock.took(StageTrack, l.clock.now()-start)
		if err != nil {
			return times, StageTrack, err
		}
		times = append(times, msg.StageTime{Stage: StageTrack, Took: took})
		published += l.publish(func(p Publisher) { p.Tracks(v.Tracks) })
	}
	if l.Planner != nil && !l.stale(f) {
		start := l.clock.now()
		v.Plan, err = l.plan(f, captured, v)
		took := l.clock.took(StagePlan, l.clock.now()-start)
		if err != nil {
			return times, StagePlan, err
		}
		times = append(times, msg.StageTime{Stage: StagePlan, Took: took})
		if i := v.Plan.LeadObject; i >= 0 && i < len(l.objects) {
			v.Lead = l.objects[i].Detection
		}
		published += l.publish(func(p Publisher) { p.Plan(v.Plan) })
	}
	return append(times, msg.StageTime{Stage: StagePublish, Took: l.clock.took(StagePublish, published)}), "", nil
}

// track follows objects, and forecasts them to now: the tracks are published next.
func (l *line) track(f *frame.Frame, captured time.Duration, found *sensed) (t *msg.Tracks, err error) {
	defer contain(&err)
	l.sighting = Sighting{
		Header: f.Header, Width: f.Image.Cols(), Height: f.Image.Rows(),
		Captured: captured, Ahead: l.age(f), Detections: found.all, Only: found.detections == nil,
	}
	if t = l.Tracker.Track(&l.sighting); t == nil {
		return nil, errors.New("the tracker gave no tracks")
	}
	published := 0
	if found.detections != nil {
		published = len(found.detections.Items)
	}
	for i := range t.Items {
		if t.Items[i].Detection >= published { // too faint to be published
			t.Items[i].Detection = -1
		}
	}
	return t, nil
}

// stale says that a live frame is already late: a plan made of it would be a
// plan for a moment that has passed. A file's frames are planned on whatever
// they took.
func (l *line) stale(f *frame.Frame) bool {
	return l.Policy == Newest && l.age(f) > l.Deadline
}

func (l *line) plan(f *frame.Frame, captured time.Duration, v *View) (plan *msg.Trajectory, err error) {
	defer contain(&err)
	l.scene = msg.Scene{Header: f.Header, Detections: v.Detections, Lanes: l.newest, Speed: l.Speed}
	if l.newest != nil {
		l.scene.LanesAge = captured - l.newAt
	}
	if l.Locator != nil {
		l.locate(v)
		l.scene.Objects = l.objects
	}
	if plan = l.Planner.Plan(&l.scene); plan == nil {
		return nil, errors.New("the planner gave no plan")
	}
	return plan, nil
}

// locate places what was detected on the ground, and on track only what is
// followed: as what it is, seen some time ago.
func (l *line) locate(v *View) {
	l.objects = l.objects[:0]
	switch {
	case v.Detections != nil:
		l.objects = l.Locator.Locate(v.Detections, l.objects)
	case v.Tracks != nil:
		l.tracked.Header, l.tracked.Width, l.tracked.Height = v.Tracks.Header, v.Tracks.Width, v.Tracks.Height
		l.tracked.Items = l.tracked.Items[:0]
		for i := range v.Tracks.Items {
			t := &v.Tracks.Items[i]
			l.tracked.Items = append(l.tracked.Items, msg.Detection{Box: t.Box, Class: t.Class, Label: t.Label, Score: t.Score})
		}
		l.objects = l.Locator.Locate(&l.tracked, l.objects)
		for i := range l.objects {
			o := &l.objects[i]
			o.Unseen, o.Detection = v.Tracks.Items[o.Detection].Unseen, -1
		}
	}
}

// publishDetections sends detections and says how long that took.
func (l *line) publishDetections(d *msg.Detections) time.Duration {
	return l.publish(func(p Publisher) { p.Detections(d) })
}

// publish sends one message and says how long that took.
func (l *line) publish(send func(Publisher)) time.Duration {
	if l.Publisher == nil {
		return 0
	}
	start := l.clock.now()
	send(l.Publisher)
	return l.clock.now() - start
}

// age is the time since capture, or since arrival where capture is not known.
func (l *line) age(f *frame.Frame) time.Duration { return l.clock.now() - f.Arrived + f.Lag }

// drop closes the account of a frame that was not admitted. Its lease stays.
func (l *line) drop(j job, reason string) {
	l.lose(j.lease.Frame, msg.Dropped, StageAdmission, reason, "")
}

// loseAtSource closes the account of a frame that the source lost.
func (l *line) loseAtSource(f *frame.Frame, lost *FrameError) {
	outcome, detail := msg.Failed, lost.Err.Error()
	if lost.Dropped {
		outcome, detail = msg.Dropped, ""
	}
	l.lose(f, outcome, StageSource, lost.Reason, detail)
}

// lose closes the account of a frame that was not worked on.
func (l *line) lose(f *frame.Frame, outcome msg.Outcome, stage, reason, detail string) {
	l.report(&msg.FrameReport{
		Header: f.Header, Outcome: outcome, Stage: stage, Reason: reason, Detail: detail,
		Age: l.age(f), Deadline: l.Deadline, Lag: f.Lag,
	})
}

// report tells a frame's outcome to everybody.
func (l *line) report(rep *msg.FrameReport) {
	l.reports.Lock()
	defer l.reports.Unlock()
	if l.Publisher != nil {
		l.Publisher.Frame(rep)
	}
	l.Account.Frame(rep)
	for _, o := range l.Observers {
		o.Frame(rep)
	}
}
