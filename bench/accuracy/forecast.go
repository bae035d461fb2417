package accuracy

import (
	"math"
	"time"

	"dashline/detect/ap"
	"dashline/detect/labels"
	"dashline/pipeline/msg"
)

// unseenHalf is the time without a detection after which a track's score counts
// half: it may have ended (see docs/eval.md).
const unseenHalf = 100 * time.Millisecond

// forecast says of each answer where its tracks are at a later time.
func forecast(answers []answer, known *labels.Classes) ap.Forecast {
	things := make([][]ap.Moving, len(answers))
	for i, a := range answers {
		things[i] = moving(a.tracks, known)
	}
	return func(i int, at time.Duration) []ap.Detection {
		a := &answers[i]
		return ap.Ahead(nil, things[i], at-a.captured, float64(a.width), float64(a.height))
	}
}

// moving are tracks of the known classes, tentative ones too, as things that go on
// as they did. Their velocity is what the tracker says, for the centre of a box
// that is cut by the picture's edge does not show it. How fast they grow is what
// lies between box and forecast. What is forecast to have left is left out.
func moving(t *msg.Tracks, known *labels.Classes) []ap.Moving {
	all := make([]ap.Moving, 0, len(t.Items))
	for i := range t.Items {
		v := &t.Items[i]
		class, ok := known.Find(v.Label)
		now, then := box(v.Box), box(v.Forecast)
		if !ok || !(then.W > 0 && then.H > 0) {
			continue
		}
		m := ap.Moving{
			Detection: ap.Detection{Class: class, Box: now, Score: float64(v.Score) * math.Exp2(-float64(max(v.Unseen, 0))/float64(unseenHalf))},
			VX:        float64(v.VX), VY: float64(v.VY),
		}
		if t.Ahead >= time.Millisecond { // below, the growth is lost in the rounding of boxes
			m.VW, m.VH = (then.W-now.W)/t.Ahead.Seconds(), (then.H-now.H)/t.Ahead.Seconds()
		}
		all = append(all, m)
	}
	return all
}

func box(b msg.Box) ap.Box {
	return ap.Corners(float64(b.X0), float64(b.Y0), float64(b.X1), float64(b.Y1))
}
