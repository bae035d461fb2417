package record

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/timestamppb"

	"dashline/pipeline/msg"
	"dashline/pipeline/record/foxglove"
)

func rgba(r, g, b, a float64) *foxglove.Color { return &foxglove.Color{R: r, G: g, B: b, A: a} }

// colorOf tells road users apart: people red, vehicles blue, the rest yellow.
func colorOf(label string, a float64) *foxglove.Color {
	switch label {
	case "person", "rider", "bicycle", "motorbike", "motorcycle":
		return rgba(1, 0.25, 0.2, a)
	case "car", "bus", "truck", "train":
		return rgba(0.2, 0.7, 1, a)
	}
	return rgba(1, 0.85, 0.2, a)
}

// objectAnnotations are boxes with labels.
func objectAnnotations(d *msg.Detections, stamp *timestamppb.Timestamp) *foxglove.ImageAnnotations {
	out := &foxglove.ImageAnnotations{
		Timestamp: stamp,
		Points:    make([]*foxglove.PointsAnnotation, len(d.Items)),
		Texts:     make([]*foxglove.TextAnnotation, len(d.Items)),
	}
	for i := range d.Items {
		color := colorOf(d.Items[i].Label, 1)
		out.Points[i] = outline(d.Items[i].Box, stamp, color, 2)
		out.Texts[i] = caption(out.Points[i].Points[0], stamp, color, d.Height, fmt.Sprintf("%s %.2f", d.Items[i].Label, d.Items[i].Score))
	}
	return out
}

// outline is a box, from its top left corner on.
func outline(b msg.Box, stamp *timestamppb.Timestamp, color *foxglove.Color, thickness float64) *foxglove.PointsAnnotation {
	x0, y0, x1, y1 := float64(b.X0), float64(b.Y0), float64(b.X1), float64(b.Y1)
	corners := [4]foxglove.Point2{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
	return &foxglove.PointsAnnotation{
		Timestamp: stamp, Type: foxglove.PointsAnnotation_LINE_LOOP, OutlineColor: color, Thickness: thickness,
		Points: []*foxglove.Point2{&corners[0], &corners[1], &corners[2], &corners[3]},
	}
}

// caption is a line of text in a picture of that height.
func caption(at *foxglove.Point2, stamp *timestamppb.Timestamp, color *foxglove.Color, height int, line string) *foxglove.TextAnnotation {
	return &foxglove.TextAnnotation{
		Timestamp: stamp, Position: at, FontSize: max(10, float64(height)/40), TextColor: color, BackgroundColor: rgba(0, 0, 0, 0.6),
		Text: text(line),
	}
}

// trackAnnotations are the estimates for the time of the picture, with ID and
// label below them, where no detection's text is. A thin box is where the object
// is expected at publication. What was not seen on this frame is pale, what may
// be none paler.
func trackAnnotations(t *msg.Tracks, stamp *timestamppb.Timestamp) *foxglove.ImageAnnotations {
	out := &foxglove.ImageAnnotations{
		Timestamp: stamp,
		Points:    make([]*foxglove.PointsAnnotation, 0, 2*len(t.Items)),
		Texts:     make([]*foxglove.TextAnnotation, 0, len(t.Items)),
	}
	for i := range t.Items {
		k := &t.Items[i]
		color := trackColor(k.State)
		box := outline(k.Box, stamp, color, 3)
		out.Points = append(out.Points, box)
		if f := k.Forecast; t.Ahead > 0 && f.X1 > f.X0 && f.Y1 > f.Y0 {
			out.Points = append(out.Points, outline(f, stamp, color, 1))
		}
		out.Texts = append(out.Texts, caption(box.Points[3], stamp, color, t.Height, fmt.Sprintf("#%d %s", k.ID, k.Label)))
	}
	return out
}

// trackColor is violet, which nothing else in a picture is drawn in.
func trackColor(s msg.TrackState) *foxglove.Color {
	switch s {
	case msg.TrackConfirmed:
		return rgba(0.8, 0.45, 1, 1)
	case msg.TrackCoasting:
		return rgba(0.8, 0.45, 1, 0.6)
	}
	return rgba(0.8, 0.45, 1, 0.3)
}

// laneAnnotations are lane lines and the outline of the drivable area.
func laneAnnotations(l *msg.LaneSet, stamp *timestamppb.Timestamp) *foxglove.ImageAnnotations {
	out := &foxglove.ImageAnnotations{Timestamp: stamp}
	if len(l.Drivable) > 0 {
		out.Points = append(out.Points, &foxglove.PointsAnnotation{
			Timestamp: stamp, Type: foxglove.PointsAnnotation_LINE_LOOP, Points: points(l.Drivable),
			OutlineColor: rgba(0.2, 0.6, 1, 0.8), FillColor: rgba(0.2, 0.6, 1, 0.2), Thickness: 1,
		})
	}
	for i := range l.Lanes {
		out.Points = append(out.Points, &foxglove.PointsAnnotation{
			Timestamp: stamp, Type: foxglove.PointsAnnotation_LINE_STRIP, Points: points(l.Lanes[i].Points),
			OutlineColor: laneColor(l, i), Thickness: 4,
		})
	}
	return out
}

// laneColor is green for the lane that the vehicle is in, else white.
func laneColor(l *msg.LaneSet, i int) *foxglove.Color {
	if i == l.EgoLeft || i == l.EgoRight {
		return rgba(0.2, 0.9, 0.3, 1)
	}
	return rgba(1, 1, 1, 0.8)
}

func points(in []msg.Pixel) []*foxglove.Point2 {
	slab := make([]foxglove.Point2, len(in))
	out := make([]*foxglove.Point2, len(in))
	for i, p := range in {
		slab[i].X, slab[i].Y = float64(p.X), float64(p.Y)
		out[i] = &slab[i]
	}
	return out
}

// upright is the rotation that turns nothing.
func upright() *foxglove.Quaternion { return &foxglove.Quaternion{W: 1} }

// objectScene are boxes on the road. How long and how high an object is nobody
// measured: the box has the shape of its kind, and its measured width.
func objectScene(objects []msg.Object) *foxglove.SceneEntity {
	e := &foxglove.SceneEntity{Cubes: make([]*foxglove.CubePrimitive, len(objects)), Texts: make([]*foxglove.TextPrimitive, len(objects))}
	for i := range objects {
		o := &objects[i]
		length, height := sizeOf(o.Label)
		p := o.Position // of the near side
		e.Cubes[i] = &foxglove.CubePrimitive{
			Pose:  &foxglove.Pose{Position: &foxglove.Vector3{X: p.X + length/2, Y: p.Y, Z: height / 2}, Orientation: upright()},
			Size:  &foxglove.Vector3{X: length, Y: o.Width, Z: height},
			Color: colorOf(o.Label, 0.6),
		}
		e.Texts[i] = &foxglove.TextPrimitive{
			Pose:      &foxglove.Pose{Position: &foxglove.Vector3{X: p.X, Y: p.Y, Z: height + 0.5}, Orientation: upright()},
			Billboard: true, FontSize: 0.8, Color: rgba(1, 1, 1, 1),
			Text: text(fmt.Sprintf("%s %.0f m", o.Label, math.Hypot(p.X, p.Y))),
		}
	}
	return e
}

// sizeOf is a usual length and height, metres.
func sizeOf(label string) (length, height float64) {
	switch label {
	case "car":
		return 4.3, 1.5
	case "bus", "train":
		return 12, 3.2
	case "truck":
		return 8, 3
	case "bicycle", "motorbike", "motorcycle", "rider":
		return 1.8, 1.6
	}
	return 0.6, 1.7
}

func laneScene(l *msg.LaneSet) *foxglove.SceneEntity {
	e := &foxglove.SceneEntity{}
	for i := range l.Lanes {
		c := l.Lanes[i].Curve
		if !c.Valid() {
			continue
		}
		// A point every two metres, and few enough whatever the range.
		n := int(min(100, max(1, math.Ceil((c.X1-c.X0)/2)))) + 1
		slab := make([]foxglove.Point3, n)
		line := &foxglove.LinePrimitive{Pose: &foxglove.Pose{Position: &foxglove.Vector3{}, Orientation: upright()}, Thickness: 0.15, Color: laneColor(l, i), Points: make([]*foxglove.Point3, n)}
		for k := range n {
			slab[k].X = c.X0 + (c.X1-c.X0)*float64(k)/float64(n-1)
			slab[k].Y = c.At(slab[k].X)
			line.Points[k] = &slab[k]
		}
		e.Lines = append(e.Lines, line)
	}
	return e
}

// planScene is the planned path as a ribbon just above the road.
func planScene(t *msg.Trajectory) *foxglove.SceneEntity {
	color := rgba(0.2, 1, 0.4, 0.8)
	switch t.Mode {
	case msg.PlanFollow:
		color = rgba(1, 0.8, 0.2, 0.8)
	case msg.PlanStop, msg.PlanNoLanes:
		color = rgba(1, 0.3, 0.2, 0.8)
	}
	slab := make([]foxglove.Point3, len(t.Points))
	line := &foxglove.LinePrimitive{Pose: &foxglove.Pose{Position: &foxglove.Vector3{}, Orientation: upright()}, Thickness: 1, Color: color, Points: make([]*foxglove.Point3, len(t.Points))}
	for i, p := range t.Points {
		slab[i].X, slab[i].Y, slab[i].Z = p.Position.X, p.Position.Y, 0.05
		line.Points[i] = &slab[i]
	}
	return &foxglove.SceneEntity{
		Lines: []*foxglove.LinePrimitive{line},
		Metadata: []*foxglove.KeyValuePair{
			{Key: "mode", Value: string(t.Mode)},
			{Key: "why", Value: text(t.Why)},
		},
	}
}
