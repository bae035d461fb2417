package record

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"dashline/lanes/ground"
	"dashline/pipeline/bus"
	"dashline/pipeline/msg"
	"dashline/pipeline/record/foxglove"
)

// vehicleFrame is the frame of reference of all that lies in space. A camera's
// description knows no offset along the vehicle, so all cameras of a recording
// are taken to be above one point.
const vehicleFrame = "vehicle"

// view is what is known of one camera while its values are written.
type view struct {
	camera string
	base   time.Time // of its presentation times, where it tells no capture times
	// described is its calibration, scaled the same for the size of the latest
	// picture; nil while there is none.
	described, scaled *ground.Camera
	objects           []msg.Object
	log               limiter
	status            msg.CameraStatus // the latest that was logged
}

func (s *sink) view(camera string) (*view, error) {
	if v := s.cameras[camera]; v != nil {
		return v, nil
	}
	if err := bus.CheckName(camera); err != nil {
		return nil, fmt.Errorf("camera: %w", err)
	}
	if len(s.cameras) >= maxCameras {
		return nil, fmt.Errorf("camera %s: a recording holds at most %d cameras", camera, maxCameras)
	}
	v := &view{camera: camera}
	s.cameras[camera] = v
	return v, nil
}

// stamp is when a picture was taken: the same for its packet and for all that
// was made of it, which is how Foxglove finds the boxes of a picture.
func (v *view) stamp(captured time.Time, pts time.Duration, at uint64) time.Time {
	if nanos(captured, 0) != 0 {
		return captured
	}
	if v.base.IsZero() {
		v.base = time.Unix(0, int64(at)).Add(-pts)
	}
	return v.base.Add(pts)
}

func (v *view) of(h *msg.Header, at uint64) (time.Time, *timestamppb.Timestamp) {
	t := v.stamp(h.CapturedAt, h.PTS, at)
	return t, timestamppb.New(t)
}

func (s *sink) detections(v *view, at uint64, d *msg.Detections) error {
	captured, stamp := v.of(&d.Header, at)
	if err := s.published(v, at, captured, d); err != nil {
		return err
	}
	if err := s.add("/"+v.camera+"/annotations/objects", v.camera, at, captured, objectAnnotations(d, stamp)); err != nil {
		return err
	}
	if v.described == nil {
		return nil
	}
	if v.scaled.Width != d.Width || v.scaled.Height != d.Height {
		if d.Width < 1 || d.Height < 1 {
			return nil
		}
		c := v.described.Scale(d.Width, d.Height)
		v.scaled = &c
	}
	v.objects = v.scaled.Locate(d.Items, v.objects[:0])
	return s.scene(v, at, captured, objectScene(v.objects), stamp, "objects")
}

func (s *sink) tracks(v *view, at uint64, t *msg.Tracks) error {
	captured, stamp := v.of(&t.Header, at)
	if err := s.published(v, at, captured, t); err != nil {
		return err
	}
	return s.add("/"+v.camera+"/annotations/tracks", v.camera, at, captured, trackAnnotations(t, stamp))
}

func (s *sink) lanes(v *view, at uint64, l *msg.LaneSet) error {
	captured, stamp := v.of(&l.Header, at)
	if err := s.published(v, at, captured, l); err != nil {
		return err
	}
	if err := s.add("/"+v.camera+"/annotations/lanes", v.camera, at, captured, laneAnnotations(l, stamp)); err != nil {
		return err
	}
	return s.scene(v, at, captured, laneScene(l), stamp, "lanes")
}

func (s *sink) plan(v *view, at uint64, t *msg.Trajectory) error {
	captured, stamp := v.of(&t.Header, at)
	if err := s.published(v, at, captured, t); err != nil {
		return err
	}
	return s.scene(v, at, captured, planScene(t), stamp, "plan")
}

// sceneLife is how long what lies in space is shown when nothing newer comes.
const sceneLife = time.Second

func (s *sink) scene(v *view, at uint64, captured time.Time, e *foxglove.SceneEntity, stamp *timestamppb.Timestamp, name string) error {
	e.Timestamp, e.FrameId, e.Id, e.FrameLocked = stamp, vehicleFrame, name, true
	e.Lifetime = durationpb.New(sceneLife)
	return s.add("/"+v.camera+"/scene", v.camera, at, captured, &foxglove.SceneUpdate{Entities: []*foxglove.SceneEntity{e}})
}

func (s *sink) frame(v *view, at uint64, f *msg.FrameReport) error {
	captured, _ := v.of(&f.Header, at)
	if err := s.published(v, at, captured, f); err != nil {
		return err
	}
	switch f.Outcome {
	case msg.Dropped:
		return s.say(v, at, foxglove.Log_WARNING, fmt.Sprintf("frame %d dropped in %s: %s", f.Seq, f.Stage, f.Reason))
	case msg.Failed:
		return s.say(v, at, foxglove.Log_ERROR, fmt.Sprintf("frame %d failed in %s: %s: %s", f.Seq, f.Stage, f.Reason, f.Detail))
	}
	return nil
}

func (s *sink) state(v *view, at uint64, c *msg.CameraState) error {
	if err := s.published(v, at, c.At, c); err != nil {
		return err
	}
	if c.Status == v.status {
		return nil
	}
	v.status = c.Status
	level := foxglove.Log_INFO
	switch c.Status {
	case msg.CameraStalled:
		level = foxglove.Log_WARNING
	case msg.CameraFailed:
		level = foxglove.Log_ERROR
	}
	line := "camera " + string(c.Status)
	if c.Detail != "" {
		line += ": " + c.Detail
	}
	return s.say(v, at, level, line)
}

// say writes a line of log, unless there were too many.
func (s *sink) say(v *view, at uint64, level foxglove.Log_Level, line string) error {
	kept, left := v.log.take(at)
	if !kept {
		return nil
	}
	if left > 0 {
		line += fmt.Sprintf(" (after %d lines that are left out)", left)
	}
	return s.add("/log", "", at, time.Time{}, &foxglove.Log{
		Timestamp: timestamppb.New(time.Unix(0, int64(at))), Level: level, Message: text(line), Name: v.camera,
	})
}

// limiter lets a burst of lines through and then one in a while.
type limiter struct {
	begun  bool
	credit float64
	last   uint64
	left   int
}

const (
	logBurst     = 20
	logPerSecond = 2.0
)

// take says whether a line at the time at is kept, and how many before it were not.
func (l *limiter) take(at uint64) (kept bool, left int) {
	if !l.begun {
		l.begun, l.credit, l.last = true, logBurst, at
	}
	l.credit = min(logBurst, l.credit+logPerSecond*float64(at-l.last)/1e9)
	l.last = at
	if l.credit < 1 {
		l.left++
		return false, 0
	}
	l.credit--
	left, l.left = l.left, 0
	return true, left
}

// text makes s valid UTF-8, which Protobuf requires of a string.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
