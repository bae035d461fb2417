// Package detect finds objects in pictures: it prepares a picture for a
// network, runs it, decodes its output and suppresses what overlaps.
//
// Invariants:
//   - Everything that a description and a network can disagree on is settled in
//     [New]; decoding itself cannot fail.
//   - A row of the network's output makes at most one detection: its best class.
//   - Results depend on the numbers alone: ties are broken by class and then by
//     the row's place in the output, never by the order of a sort.
//   - Whatever a network puts out, NaN and infinities included, a detection's
//     box is finite, not empty and inside the frame, and its score is in
//     (Options.Score, 1].
//   - Detect allocates nothing on the Go heap once dst has the capacity.
//
// Boxes are suppressed as the network gives them and clipped to the frame only
// then, as darknet and OpenCV's samples do.
package detect

import (
	"errors"
	"fmt"
	"time"

	"gocv.io/x/gocv"

	"dashline/infer"
	"dashline/infer/preprocess"
	"dashline/model/catalog"
	"dashline/pipeline/msg"
)

// Options say what counts as a detection. The zero value means the defaults.
type Options struct {
	// Score is the threshold that a detection's score is above; 0 means 0.30.
	// For one below 0.2 open darknet networks with an infer.Options.ScoreFloor
	// no greater than it, or OpenCV has set the smaller scores to zero.
	Score float32
	// NMS is the IoU above which the lesser of two boxes of a class goes; 0
	// means 0.45, and at 1 none goes.
	NMS float32
	// Max is how many detections a frame has at most, the best; 0 means 300.
	Max int
}

func (o Options) checked() (Options, error) {
	if o.Score == 0 {
		o.Score = 0.30
	}
	if o.NMS == 0 {
		o.NMS = 0.45
	}
	if o.Max == 0 {
		o.Max = 300
	}
	if !(o.Score > 0 && o.Score < 1) {
		return o, fmt.Errorf("detection score threshold %v: use a number above 0 and below 1, for example 0.3", o.Score)
	}
	if !(o.NMS > 0 && o.NMS <= 1) {
		return o, fmt.Errorf("NMS threshold %v: use an IoU above 0 and at most 1, for example 0.45", o.NMS)
	}
	if o.Max < 0 {
		return o, fmt.Errorf("at most %d detections: use 1 or more, for example 300", o.Max)
	}
	return o, nil
}

// Timing is the wall time of the parts of one Detect.
type Timing struct {
	Preprocess time.Duration // picture to network input
	Forward    time.Duration // the engine alone
	Decode     time.Duration // outputs to detections, suppression included
}

// Detector is a network that finds objects. One goroutine at a time uses it.
type Detector struct {
	net    infer.Network
	pre    *preprocess.Preprocessor
	decode decoder
	opt    Options
	labels []string
	by     msg.Network

	outputs    [][]float32 // the network's, of the last picture
	candidates []candidate
}

// New makes a detector of an open network and its description. It fails where
// they do not fit: the error says what the description wants and what the
// network has. On success the detector owns net; on failure the caller does.
func New(net infer.Network, d *catalog.Network, opt Options) (*Detector, error) {
	opt, err := opt.checked()
	if err != nil {
		return nil, err
	}
	info := net.Info()
	decode, err := newDecoder(d, info)
	if err != nil {
		return nil, err
	}
	pre, err := preprocess.New(d.Input)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", d.Name, err)
	}
	return &Detector{
		net: net, pre: pre, decode: decode, opt: opt, labels: d.Classes,
		by: msg.Network{Name: info.Name, Engine: info.Engine, Requested: string(info.Requested), Backend: string(info.Backend)},
	}, nil
}

// By says which network detects and what it really runs on.
func (d *Detector) By() msg.Network { return d.by }

// Detect finds the objects in img (8 bits, 3 channels, BGR; any size) and
// appends them to dst, best score first. Boxes are in img's pixels, clipped to
// it. img is only read. On an error dst comes back as it was, with the time
// spent so far.
func (d *Detector) Detect(img gocv.Mat, dst []msg.Detection) ([]msg.Detection, Timing, error) {
	var t Timing
	if err := refuse(img); err != nil {
		return dst, t, err
	}
	start := time.Now()
	place, err := d.pre.Run(img, d.net.Input())
	t.Preprocess = time.Since(start)
	if err != nil {
		return dst, t, err
	}

	start = time.Now()
	d.outputs, err = d.net.Forward()
	t.Forward = time.Since(start)
	if err != nil {
		return dst, t, err
	}

	start = time.Now()
	d.candidates = d.decode(d.outputs, d.opt.Score, d.candidates[:0])
	kept := nms(d.candidates, d.opt.NMS, d.opt.Max)
	for i := range kept {
		c := &kept[i]
		var box msg.Box
		box.X0, box.Y0 = place.ToSource(c.x0, c.y0)
		box.X1, box.Y1 = place.ToSource(c.x1, c.y1)
		if box, ok := clip(box, place.Width, place.Height); ok {
			dst = append(dst, msg.Detection{Box: box, Class: int(c.class), Label: d.labels[c.class], Score: c.score})
		}
	}
	t.Decode = time.Since(start)
	return dst, t, nil
}

// Outputs say what the network puts out.
func (d *Detector) Outputs() []infer.Tensor { return d.net.Info().Outputs }

// Values are the numbers that the network put out for the last picture, before
// anything is decided on them; none before the first. They are borrowed until the
// next Detect or Close.
func (d *Detector) Values() [][]float32 { return d.outputs }

// Close closes the network and frees the preprocessor. It is safe to call twice.
func (d *Detector) Close() error {
	d.outputs = nil
	return errors.Join(d.pre.Close(), d.net.Close())
}

// refuse says no to what is not a colour picture of 8 bits, in the words of a Mat.
func refuse(img gocv.Mat) error {
	if img.Ptr() == nil || img.Empty() {
		return errors.New("detect: the picture is empty: the source gave no image")
	}
	if t := img.Type(); t != gocv.MatTypeCV8UC3 {
		return fmt.Errorf("detect: the picture is %s of %dx%d: convert it to 8 bits, 3 channels (CV8UC3, BGR)", t, img.Cols(), img.Rows())
	}
	return nil
}

// clip cuts a box to the frame; not ok where nothing of it is left.
func clip(b msg.Box, width, height int) (msg.Box, bool) {
	w, h := float32(width), float32(height)
	b = msg.Box{X0: max(b.X0, 0), Y0: max(b.Y0, 0), X1: min(b.X1, w), Y1: min(b.Y1, h)}
	return b, b.X0 < b.X1 && b.Y0 < b.Y1
}
