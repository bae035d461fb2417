// Package overlay draws what the pipeline saw and meant to do onto its frames,
// and writes them as a video.
//
// A [Painter] and a [Writer] belong to one goroutine. They draw on the frame
// that they are given and keep nothing of it.
package overlay

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"dashline/lanes/ground"
	"dashline/pipeline"
	"dashline/pipeline/msg"
)

// Half the width of the ribbon that shows the planned path, metres: a car's.
const pathHalfWidth = 0.9

// The palette. gocv takes RGBA and stores BGR.
var (
	drivable  = color.RGBA{40, 150, 90, 0}
	egoLine   = color.RGBA{255, 214, 10, 0}
	otherLine = color.RGBA{120, 200, 255, 0}
	ink       = color.RGBA{245, 245, 245, 0}
	shade     = color.RGBA{16, 18, 22, 0}
	vehicle   = color.RGBA{70, 190, 255, 0}
	person    = color.RGBA{255, 120, 60, 0}
	sign      = color.RGBA{255, 90, 200, 0}
	thing     = color.RGBA{170, 170, 180, 0}
	leader    = color.RGBA{255, 70, 70, 0}
)

// Painter draws views.
type Painter struct {
	camera ground.Camera
	layer  gocv.Mat // translucent shapes, blended once
	ribbon []image.Point
}

// NewPainter makes a painter that projects the path through camera. Close it.
func NewPainter(camera ground.Camera) *Painter {
	return &Painter{camera: camera, layer: gocv.NewMat()}
}

// Close frees the painter's own Mat.
func (p *Painter) Close() error { return p.layer.Close() }

// Paint draws v onto its own frame (8-bit BGR).
func (p *Painter) Paint(v *pipeline.View) {
	img := &v.Frame.Image
	if img.Cols() < 16 || img.Rows() < 16 {
		return // nothing would be legible
	}
	unit := float64(img.Rows()) / 540 // sizes below are for 540 rows
	p.areas(img, v)
	if v.Lanes != nil {
		drawLines(img, v.Lanes, unit)
	}
	if v.Detections != nil {
		drawBoxes(img, v, unit)
	}
	drawCaption(img, v, unit)
}

// areas blends the drivable area and the path into the picture.
func (p *Painter) areas(img *gocv.Mat, v *pipeline.View) {
	img.CopyTo(&p.layer)
	drawn := false
	if v.Lanes != nil && len(v.Lanes.Drivable) >= 3 {
		outline := make([]image.Point, len(v.Lanes.Drivable))
		for i, px := range v.Lanes.Drivable {
			outline[i] = point(px)
		}
		fill(&p.layer, outline, drivable)
		drawn = true
	}
	if v.Plan != nil {
		if ribbon := p.path(v.Plan, img.Cols(), img.Rows()); len(ribbon) >= 3 {
			fill(&p.layer, ribbon, modeColor(v.Plan.Mode))
			drawn = true
		}
	}
	if drawn {
		gocv.AddWeighted(p.layer, 0.4, *img, 0.6, 0, img)
	}
}

// path is the outline of the planned path in the image: its left edge out and
// its right edge back. Points that the camera does not see are left out.
func (p *Painter) path(plan *msg.Trajectory, width, height int) []image.Point {
	cam := p.camera.Scale(width, height)
	p.ribbon = p.ribbon[:0]
	edge := func(t msg.TrajectoryPoint, side float64) {
		g := msg.Ground{
			X: t.Position.X - side*math.Sin(t.Heading),
			Y: t.Position.Y + side*math.Cos(t.Heading),
		}
		if px, ok := cam.ToPixel(g); ok {
			p.ribbon = append(p.ribbon, point(px))
		}
	}
	for _, t := range plan.Points {
		edge(t, pathHalfWidth)
	}
	for i := len(plan.Points) - 1; i >= 0; i-- {
		edge(plan.Points[i], -pathHalfWidth)
	}
	return p.ribbon
}

func drawLines(img *gocv.Mat, set *msg.LaneSet, unit float64) {
	for i, lane := range set.Lanes {
		c, thick := otherLine, 2
		if i == set.EgoLeft || i == set.EgoRight {
			c, thick = egoLine, 4
		}
		for k := 1; k < len(lane.Points); k++ {
			gocv.Line(img, point(lane.Points[k-1]), point(lane.Points[k]), c, scaled(float64(thick), unit))
		}
	}
}

func drawBoxes(img *gocv.Mat, v *pipeline.View, unit float64) {
	for i, d := range v.Detections.Items {
		c := classColor(d.Label)
		if i == v.Lead {
			c = leader
		}
		box := image.Rect(int(d.Box.X0), int(d.Box.Y0), int(d.Box.X1), int(d.Box.Y1))
		gocv.Rectangle(img, box, c, scaled(2, unit))
		label(img, image.Pt(box.Min.X, box.Min.Y), fmt.Sprintf("%s %.2f", d.Label, d.Score), c, unit)
	}
}

// label writes text on a plate above (or, at the top of the picture, below) a point.
func label(img *gocv.Mat, at image.Point, text string, plate color.RGBA, unit float64) {
	scale := 0.45 * unit
	size := gocv.GetTextSize(text, gocv.FontHersheySimplex, scale, 1)
	pad := scaled(3, unit)
	top := at.Y - size.Y - 2*pad
	if top < 0 {
		top = at.Y
	}
	gocv.Rectangle(img, image.Rect(at.X, top, at.X+size.X+2*pad, top+size.Y+2*pad), plate, -1)
	gocv.PutTextWithParams(img, text, image.Pt(at.X+pad, top+pad+size.Y), gocv.FontHersheySimplex, scale, shade, 1, gocv.LineAA, false)
}

// drawCaption writes the frame's account across the top, and the plan across
// the bottom.
func drawCaption(img *gocv.Mat, v *pipeline.View, unit float64) {
	r := v.Report
	text := fmt.Sprintf("%s #%d   %s   age %s of %s", r.Camera, r.Seq, r.Outcome, millis(r.Age), millis(r.Deadline))
	if r.Outcome == msg.Failed {
		text += fmt.Sprintf("   %s: %s", r.Stage, r.Reason)
	}
	strip(img, 0, text, outcomeColor(r.Outcome), unit)
	if v.Plan != nil {
		text := fmt.Sprintf("%s: %s", v.Plan.Mode, v.Plan.Why)
		strip(img, img.Rows()-scaled(30, unit), text, modeColor(v.Plan.Mode), unit)
	}
}

// strip writes one line on a dark band, behind a dot of the given colour. Text
// that would not fit is made smaller.
func strip(img *gocv.Mat, top int, text string, dot color.RGBA, unit float64) {
	text = strings.ReplaceAll(text, "²", "^2") // OpenCV's fonts know ASCII only
	high := scaled(30, unit)
	gocv.Rectangle(img, image.Rect(0, top, img.Cols(), top+high), shade, -1)
	gocv.Circle(img, image.Pt(high/2, top+high/2), scaled(6, unit), dot, -1)
	scale := 0.48 * unit
	if wide := gocv.GetTextSize(text, gocv.FontHersheySimplex, scale, 1).X; wide > img.Cols()-2*high {
		scale *= max(0.4, float64(img.Cols()-2*high)/float64(wide))
	}
	gocv.PutTextWithParams(img, text, image.Pt(high, top+high*2/3), gocv.FontHersheySimplex, scale, ink, 1, gocv.LineAA, false)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}

func outcomeColor(o msg.Outcome) color.RGBA {
	switch o {
	case msg.OnTime:
		return color.RGBA{60, 210, 110, 0}
	case msg.Late:
		return color.RGBA{255, 180, 40, 0}
	}
	return color.RGBA{255, 70, 70, 0}
}

func modeColor(m msg.PlanMode) color.RGBA {
	switch m {
	case msg.PlanKeepLane:
		return color.RGBA{40, 140, 255, 0}
	case msg.PlanFollow:
		return color.RGBA{255, 170, 40, 0}
	case msg.PlanStop:
		return leader
	}
	return thing
}

func classColor(label string) color.RGBA {
	switch label {
	case "person", "pedestrian", "bicycle", "cyclist", "dog", "cat", "horse":
		return person
	case "car", "truck", "bus", "motorcycle", "motorbike", "train":
		return vehicle
	case "traffic light", "stop sign", "traffic cone", "parking meter", "fire hydrant":
		return sign
	}
	return thing
}

func fill(m *gocv.Mat, outline []image.Point, c color.RGBA) {
	pts := gocv.NewPointsVectorFromPoints([][]image.Point{outline})
	defer pts.Close()
	gocv.FillPoly(m, pts, c)
}

// point rounds a pixel position; far outside the picture it stays in the range
// that OpenCV's fixed-point drawing can take.
func point(p msg.Pixel) image.Point {
	const far = 1 << 14
	clamp := func(v float32) int { return int(max(-far, min(far, v))) }
	return image.Pt(clamp(p.X), clamp(p.Y))
}

func scaled(v, unit float64) int { return max(1, int(math.Round(v*unit))) }
