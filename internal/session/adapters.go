package session

import (
	"errors"
	"fmt"

	"dashline/detect"
	"dashline/infer"
	"dashline/infer/engine"
	"dashline/internal/config"
	"dashline/internal/threads"
	"dashline/lanes"
	"dashline/lanes/ground"
	"dashline/model/catalog"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// The pipeline knows small interfaces, the packages that do the work know
// pictures and networks; the types here are what stands between.

// opencvFloor is the score below which OpenCV's [yolo] layer gives no class,
// unless it is told a lower one.
const opencvFloor = 0.2

// objects is the pipeline's detector.
type objects struct {
	*detect.Detector
	net infer.Info
}

// openObjects opens a detector that finds what has a score of least and more.
func openObjects(c config.Detect, least float64) (*objects, error) {
	o := c.Options()
	o.ScoreFloor = float32(min(least, opencvFloor))
	d, net, err := openNetwork(c.Network, "detect", c.Runtime, o)
	if err != nil {
		return nil, err
	}
	det, err := detect.New(net, d, detect.Options{Score: float32(least), NMS: float32(c.NMS)})
	if err != nil {
		return nil, errors.Join(err, net.Close())
	}
	return &objects{det, net.Info()}, nil
}

func (o *objects) Detect(f *frame.Frame, dst []msg.Detection) ([]msg.Detection, pipeline.Timing, error) {
	dst, t, err := o.Detector.Detect(f.Image, dst)
	return dst, pipeline.Timing(t), err
}

// lines is the pipeline's lane finder, for several cameras.
type lines struct {
	finder  *lanes.Finder
	net     infer.Network
	cameras map[string]*ground.Camera // by name
}

func openLines(c config.Lanes, feeds []*Feed) (*lines, error) {
	d, net, err := openNetwork(c.Network, "lanes", c.Runtime, c.Options())
	if err != nil {
		return nil, err
	}
	f, err := lanes.New(net, d, lanes.Options{})
	if err != nil {
		return nil, errors.Join(err, net.Close())
	}
	l := &lines{f, net, map[string]*ground.Camera{}}
	for _, f := range feeds {
		l.cameras[f.Config.Camera] = &f.Camera
	}
	return l, nil
}

// FindLanes falls back on the only camera there is, for a frame that is of none,
// as when networks are measured.
func (l *lines) FindLanes(f *frame.Frame, dst *msg.LaneSet) (pipeline.Timing, error) {
	c := l.cameras[f.Camera]
	for _, any := range l.cameras {
		if c == nil {
			c = any
		}
	}
	t, err := l.finder.Find(f.Image, c, dst)
	return pipeline.Timing(t), err
}

func (l *lines) By() msg.Network { return message(l.net.Info()) }

func (l *lines) Close() error { return errors.Join(l.finder.Close(), l.net.Close()) }

// placer is the pipeline's locator. It keeps the camera scaled to the size of
// the latest picture, which seldom changes.
type placer struct{ described, scaled ground.Camera }

func newPlacer(c ground.Camera) *placer { return &placer{described: c, scaled: c} }

func (p *placer) Locate(d *msg.Detections, dst []msg.Object) []msg.Object {
	if p.scaled.Width != d.Width || p.scaled.Height != d.Height {
		p.scaled = p.described.Scale(d.Width, d.Height)
	}
	return p.scaled.Locate(d.Items, dst)
}

func openNetwork(ref, task string, r config.Runtime, o infer.Options) (*catalog.Network, infer.Network, error) {
	d, err := catalog.Resolve(ref)
	if _, missing := errors.AsType[*catalog.MissingError](err); missing {
		return nil, nil, err // the name is right, the machine lacks the files
	}
	if err != nil {
		return nil, nil, &ConfigError{err}
	}
	if d.Task != task {
		return nil, nil, &ConfigError{fmt.Errorf("network %s is for %s, not %s: `dashline networks` lists what each is for", d.Name, d.Task, task)}
	}
	var net infer.Network
	threads.Named(task, func() { net, err = engine.Open(&d, r.Engine, o) })
	return &d, net, err
}

// ConfigError says that the configuration asks for what cannot be.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }
