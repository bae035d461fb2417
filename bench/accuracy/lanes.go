package accuracy

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"maps"
	"math"
	"slices"

	"gocv.io/x/gocv"

	"dashline/detect/ap"
	"dashline/infer"
	"dashline/lanes"
	"dashline/lanes/ground"
	"dashline/lanes/metric"
	"dashline/pipeline/msg"
	"dashline/sensors/synth/truth"
)

// LanesReport is how right a lane network is.
type LanesReport struct {
	Network string `json:"network"`
	Engine  string `json:"engine"`
	LaneScore
	ByWeather []LaneWeather `json:"by_weather"`
}

// LaneWeather is the part of a report that is of frames in one weather.
type LaneWeather struct {
	Weather string `json:"weather"`
	LaneScore
}

// LaneScore has lane lines counted by CULane's rule and the drivable area by
// intersection over union, -1 where there is none.
type LaneScore struct {
	metric.Counts
	Precision   float64     `json:"precision"`
	Recall      float64     `json:"recall"`
	F1          float64     `json:"f1"`
	F1Interval  ap.Interval `json:"f1_interval"`
	Drivable    float64     `json:"drivable_iou"`      // of all pixels
	Mean        float64     `json:"drivable_iou_mean"` // mean of the frames'
	IoUInterval ap.Interval `json:"drivable_iou_interval"`
	Images      int         `json:"images"`
}

// laneFrame is what was measured of one frame.
type laneFrame struct {
	weather string
	block   int
	counts  metric.Counts
	area    metric.Area
}

// Lanes runs a lane network over drives. A line counts as there where at least
// two of its points are in the picture. The drivable area that is there is the
// truth's polygon less the outlines of all objects.
func Lanes(ctx context.Context, o Options, b ap.Bootstrap) (report LanesReport, err error) {
	d, net, err := o.open("lanes", infer.Options{})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	finder, err := lanes.New(net, d, lanes.Options{})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, finder.Close()) }()

	var all []source
	for _, path := range o.Data {
		beside, isVideo, err := isDrive(path)
		if err != nil {
			return report, err
		}
		if !isVideo {
			return report, fmt.Errorf("open data %s: lanes are measured on drives: give a video with truth beside it", path)
		}
		s, err := openDrive(path, beside, o.Frames)
		if err != nil {
			return report, err
		}
		all = append(all, s)
	}
	var j judge
	defer func() { err = errors.Join(err, j.close()) }()
	var frames []laneFrame
	var together blocks
	err = o.each(ctx, all, func(v *view) error {
		cam := camera(&v.drive.Camera)
		var set msg.LaneSet
		if _, err := finder.Find(v.image, &cam, &set); err != nil {
			return err
		}
		f := laneFrame{weather: v.weather(), block: together.of(v)}
		var err error
		if f.counts, err = j.lines(&set, v.frame, cam.Width, cam.Height); err != nil {
			return err
		}
		_, mask, w, h := finder.Masks()
		if err := f.area.Add(stretched(mask, w, h, cam.Width, cam.Height), j.drivable(v.frame, cam.Width, cam.Height)); err != nil {
			return err
		}
		frames = append(frames, f)
		return nil
	})
	if err != nil {
		return report, err
	}
	info := net.Info()
	report = LanesReport{Network: info.Name, Engine: info.Engine}
	if report.LaneScore, err = score(frames, b); err != nil {
		return report, err
	}
	byWeather := map[string][]laneFrame{}
	for _, f := range frames {
		byWeather[f.weather] = append(byWeather[f.weather], f)
	}
	for _, w := range slices.Sorted(maps.Keys(byWeather)) {
		s, err := score(byWeather[w], b)
		if err != nil {
			return report, err
		}
		report.ByWeather = append(report.ByWeather, LaneWeather{w, s})
	}
	return report, nil
}

// score sums up frames, with intervals.
func score(frames []laneFrame, b ap.Bootstrap) (LaneScore, error) {
	s := LaneScore{Images: len(frames)}
	var area metric.Area
	b.Blocks = make([]int, len(frames))
	for i := range frames {
		s.Add(frames[i].counts)
		area.Merge(frames[i].area)
		b.Blocks[i] = frames[i].block
	}
	s.Precision, s.Recall, s.F1 = s.Counts.Precision(), s.Counts.Recall(), s.Counts.F1()
	s.Drivable, s.Mean = area.IoU(), area.MeanIoU()
	var f1, iou []float64
	err := b.Draw(len(frames), func(weights []int32) {
		var c metric.Counts
		var both, either int64
		for i, w := range weights {
			f, n := &frames[i], int(w)
			c.Add(metric.Counts{TP: n * f.counts.TP, FP: n * f.counts.FP, FN: n * f.counts.FN})
			both, either = both+int64(n)*f.area.Both, either+int64(n)*f.area.Either
		}
		f1 = append(f1, c.F1())
		if either > 0 {
			iou = append(iou, float64(both)/float64(either))
		}
	})
	s.F1Interval, s.IoUInterval = ap.Middle(f1), ap.Middle(iou)
	return s, err
}

// camera is the drive's camera as lanes want it.
func camera(c *truth.Camera) ground.Camera {
	return ground.Camera{
		Width: c.Width, Height: c.Height, Fx: c.Fx, Fy: c.Fy, Cx: c.Cx, Cy: c.Cy,
		K1: c.K1, K2: c.K2, P1: c.P1, P2: c.P2, K3: c.K3,
		HeightM: c.Mount, Pitch: c.Pitch, Yaw: c.Yaw, Roll: c.Roll,
	}
}

// judge draws what is true of a frame. Its memory is made for the first frame
// and again where the size changes.
type judge struct {
	canvas *metric.Canvas
	mask   gocv.Mat
	w, h   int
}

func (j *judge) size(w, h int) error {
	if j.w == w && j.h == h {
		return nil
	}
	if err := j.close(); err != nil {
		return err
	}
	canvas, err := metric.NewCanvas(w, h)
	if err != nil {
		return err
	}
	j.canvas, j.mask, j.w, j.h = canvas, gocv.NewMatWithSize(h, w, gocv.MatTypeCV8UC1), w, h
	return nil
}

func (j *judge) close() error {
	if j.canvas == nil {
		return nil
	}
	err := errors.Join(j.canvas.Close(), j.mask.Close())
	*j = judge{}
	return err
}

// lines counts the lane lines of a frame by CULane's rule.
func (j *judge) lines(set *msg.LaneSet, f *truth.Frame, w, h int) (metric.Counts, error) {
	if err := j.size(w, h); err != nil {
		return metric.Counts{}, err
	}
	var found, there []metric.Lane
	for _, l := range set.Lanes {
		lane := make(metric.Lane, len(l.Points))
		for i, p := range l.Points {
			lane[i] = metric.Point{X: float64(p.X), Y: float64(p.Y)}
		}
		found = append(found, lane)
	}
	for _, l := range f.Lanes {
		lane, inside := make(metric.Lane, len(l.Image)), 0
		for i, p := range l.Image {
			lane[i] = metric.Point{X: p[0], Y: p[1]}
			if p[0] >= 0 && p[1] >= 0 && p[0] <= float64(w) && p[1] <= float64(h) {
				inside++
			}
		}
		if inside >= 2 {
			there = append(there, lane)
		}
	}
	s, err := j.canvas.Similarity(found, there)
	if err != nil {
		return metric.Counts{}, err
	}
	return metric.Count(s, len(found), len(there), metric.Strict), nil
}

// drivable is the mask of the drivable area of a frame, borrowed until the next
// call. lines has set the size.
func (j *judge) drivable(f *truth.Frame, w, h int) []uint8 {
	j.mask.SetTo(gocv.NewScalar(0, 0, 0, 0))
	j.fill(f.Drivable, 1)
	for i := range f.Objects {
		j.fill(f.Objects[i].Outline, 0)
	}
	pixels, err := j.mask.DataPtrUint8()
	if err != nil {
		panic(err) // a continuous Mat of bytes: a bug
	}
	return pixels[:w*h]
}

// fill fills a polygon of the mask.
func (j *judge) fill(outline [][2]float64, value uint8) {
	if len(outline) < 3 {
		return
	}
	// cv::fillPoly counts from the centre of the top-left pixel, and computes
	// safely this far out.
	const far = 1 << 15
	whole := func(v float64) int { return int(math.Round(min(max(v-0.5, -far), far))) }
	corners := make([]image.Point, len(outline))
	for i, p := range outline {
		corners[i] = image.Pt(whole(p[0]), whole(p[1]))
	}
	polygon := gocv.NewPointsVectorFromPoints([][]image.Point{corners})
	defer polygon.Close()
	gocv.FillPoly(&j.mask, polygon, color.RGBA{B: value}) // the first channel is blue
}

// stretched is a mask in the size of a picture: each pixel is that of the mask
// in which its centre lies.
func stretched(mask []uint8, w, h, width, height int) []uint8 {
	if w == width && h == height {
		return mask
	}
	column := make([]int, width)
	for x := range column {
		column[x] = (2*x + 1) * w / (2 * width)
	}
	out := make([]uint8, 0, width*height)
	for y := range height {
		row := mask[(2*y+1)*h/(2*height)*w:]
		for _, x := range column {
			out = append(out, row[x])
		}
	}
	return out
}
