package accuracy

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"dashline/internal/config"
	"dashline/internal/redact"
	"dashline/pipeline"
	"dashline/pipeline/bus"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
)

// played is what a recording tells of one camera: every frame that its source
// produced, and what was published of objects: detections or tracks. Times are on
// the drive's clock: since its first frame, with the frame that came quickest as
// the one that took no time to come.
type played struct {
	camera   string
	source   string          // as the configuration names it, without credentials
	frames   []time.Duration // presentation times of all frames that are accounted for, rising
	networks []string        // that detected, in order of appearance
	answers  []answer        // in order of the frames' numbers
}

// answer is what was published of one frame.
type answer struct {
	captured      time.Duration // presentation time of its frame
	seen          time.Duration // presentation time of the latest frame by then that a detector ran on
	published     time.Duration
	width, height int             // of its frame, pixels
	found         *msg.Detections // nil where tracks are
	tracks        *msg.Tracks
}

// seen is one frame while a recording is read.
type seen struct {
	report  *msg.FrameReport
	found   *msg.Detections
	logged  time.Time   // when the recorder was given found
	tracks  *msg.Tracks // read only where they are asked for
	tracked time.Time   // when the recorder was given tracks
}

// play reads a camera of a recording; "" is its only one. Answers are its
// detections, or its tracks. It fails where the recording lacks what was published,
// or was made by no clock.
func play(path, camera string, tracks bool) (p *played, err error) {
	fail := func(format string, args ...any) (*played, error) {
		return nil, fmt.Errorf("recording %s: %w", path, fmt.Errorf(format, args...))
	}
	r, err := record.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in := r.Info()
	if camera, err = cameraOf(in, camera); err != nil {
		return fail("%w", err)
	}
	kinds := []record.Kind{record.KindDetections, record.KindFrames}
	if tracks {
		kinds = append(kinds, record.KindTracks)
	}
	for _, kind := range kinds {
		if n := in.Dropped[kind]; n > 0 {
			return fail("%d %s were published and are not in it, because the disk was too slow: record again", n, kind)
		}
	}
	source, virtual, err := clockOf(r.Config(), camera)
	if err != nil {
		return fail("%w", err)
	}
	all, err := framesOf(r, in.Vehicle, camera, tracks)
	if err != nil {
		return fail("%w", err)
	}
	if problems := r.Problems(); len(problems) > 0 {
		return fail("%s: figures are of all that was published, or there are none: record again", problems[0])
	}
	p = &played{camera: camera, source: source}
	p.settle(all, virtual, tracks)
	switch {
	case len(p.networks) == 0:
		return fail("of camera %s it has %d frames and nothing that a detector found: record a run that publishes detections", camera, len(p.frames))
	case len(p.answers) == 0:
		return fail("of camera %s it has no tracks, which forecasts are made of: record a run without --no-track", camera)
	}
	return p, nil
}

// cameraOf chooses a camera of a recording by what was published of it.
func cameraOf(in *record.Info, wanted string) (string, error) {
	var names []string
	for _, c := range in.Cameras {
		if c.Reports > 0 {
			names = append(names, c.Name)
		}
	}
	switch {
	case slices.Contains(names, wanted):
		return wanted, nil
	case len(names) == 0:
		return "", errors.New("no frame of any camera is accounted for in it: record a run, as with `dashline run DRIVE --realtime --record FILE`")
	case wanted != "":
		return "", fmt.Errorf("it has no camera %q: give --camera one of %s", wanted, strings.Join(names, ", "))
	case len(names) > 1:
		return "", fmt.Errorf("it has several cameras: give --camera one of %s", strings.Join(names, ", "))
	}
	return names[0], nil
}

// clockOf says what a camera of a recording showed, and whether its times are
// virtual. A run as fast as frames could be worked on has no clock by which an
// answer could be late.
func clockOf(text, camera string) (source string, virtual bool, err error) {
	const mend = "record the drive with `dashline run DRIVE --realtime --record FILE`, or with --deterministic --policy newest"
	if text == "" {
		return "", false, errors.New("it does not say how it was made: " + mend)
	}
	c, err := config.Parse("its configuration", []byte(text))
	if err != nil {
		return "", false, fmt.Errorf("how it was made cannot be read: %w: %s", err, mend)
	}
	for _, one := range c.Each() {
		if one.Name == camera {
			source = one.Source
		}
	}
	if !c.Deterministic && !c.Realtime && !config.Remote(source) {
		return "", false, errors.New("it was made as fast as frames could be worked on, so no answer could be late: " + mend)
	}
	return redact.URL(source), c.Deterministic, nil
}

// framesOf reads reports, detections and perhaps tracks, by the number of the frame.
func framesOf(r *record.Reader, vehicle, camera string, tracks bool) (map[uint64]*seen, error) {
	kinds := []bus.Kind{bus.KindDetections, bus.KindFrames}
	if tracks {
		kinds = append(kinds, bus.KindTracks)
	}
	var topics []string
	for _, kind := range kinds {
		topic, err := bus.Subject(vehicle, camera, kind)
		if err != nil {
			return nil, err
		}
		topics = append(topics, topic)
	}
	all := map[uint64]*seen{}
	of := func(seq uint64) *seen {
		if all[seq] == nil {
			all[seq] = &seen{}
		}
		return all[seq]
	}
	for m := range r.Messages(record.Query{Topics: topics}) {
		v, err := m.Value()
		if err != nil {
			return nil, fmt.Errorf("%w: record again", err)
		}
		switch v := v.(type) {
		case *msg.FrameReport:
			of(v.Seq).report = v
		case *msg.Detections:
			s := of(v.Seq)
			s.found, s.logged = v, m.Logged
		case *msg.Tracks:
			s := of(v.Seq)
			s.tracks, s.tracked = v, m.Logged
		}
	}
	// The last of a recording that was cut off may have no report yet.
	maps.DeleteFunc(all, func(_ uint64, s *seen) bool { return s.report == nil })
	return all, nil
}

// settle puts all times on the drive's clock.
//
// Detections are published when the stages up to their decoding have ended, tracks
// when lanes and tracking have, too. In a run by a clock that is when the recorder
// was given them, on its own steady clock, which is the pipeline's but for a
// constant: the stages of detections can only have ended before, so the least
// difference is the constant. Times of virtual runs are in the reports alone, and are
// exact there; in others what passes between stages is missing.
func (p *played) settle(all map[uint64]*seen, virtual, tracks bool) {
	order := slices.Sorted(maps.Keys(all))
	zero, constant := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	var begin time.Time // any moment of the recorder's clock
	for _, seq := range order {
		s := all[seq]
		zero = min(zero, s.report.Arrived-s.report.PTS)
		p.frames = append(p.frames, s.report.PTS)
		if s.found != nil {
			if begin.IsZero() {
				begin = s.logged
			}
			constant = min(constant, s.logged.Sub(begin)-s.decoded())
		}
	}
	slices.Sort(p.frames)
	detected := false
	var last time.Duration // presentation time of the latest frame that a detector ran on
	for _, seq := range order {
		s := all[seq]
		if s.found != nil {
			detected, last = true, s.report.PTS
			if name := s.found.By.Name; !slices.Contains(p.networks, name) {
				p.networks = append(p.networks, name)
			}
		}
		a := answer{captured: s.report.PTS, seen: last}
		var logged time.Time
		switch {
		case !detected: // nothing is known of the world yet
			continue
		case tracks && s.tracks != nil:
			a.tracks, a.width, a.height = s.tracks, s.tracks.Width, s.tracks.Height
			a.published, logged = s.followed(), s.tracked
		case !tracks && s.found != nil:
			a.found, a.width, a.height = s.found, s.found.Width, s.found.Height
			a.published, logged = s.decoded(), s.logged
		default:
			continue
		}
		if !virtual {
			a.published = logged.Sub(begin) - constant
		}
		a.published -= zero
		p.answers = append(p.answers, a)
	}
}

// decoded is when the boxes of a frame were there by its report, on the pipeline's
// clock.
func (s *seen) decoded() time.Duration {
	return s.report.Arrived + s.took(pipeline.StageWait, pipeline.StagePreprocess, pipeline.StageForward, pipeline.StageDecode)
}

// followed is when its tracks were there, in virtual time: before what comes after
// them in the age of the frame, wherever lanes ran. Sources of virtual runs are
// files, so ages count from arrival.
func (s *seen) followed() time.Duration {
	return s.report.Arrived + s.report.Age - s.took(pipeline.StagePlan, pipeline.StagePublish)
}

// took is what some stages took together.
func (s *seen) took(stages ...string) (sum time.Duration) {
	for _, stage := range s.report.Stages {
		if slices.Contains(stages, stage.Stage) {
			sum += stage.Took
		}
	}
	return sum
}
