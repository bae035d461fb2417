package synth

import "strings"

// line is one painted line at one s.
type line struct {
	slot   int // the same line has the same slot at every s
	d      float64
	kind   string // "solid", "dashed", "double"
	yellow bool
	half   float64 // half the width of its paint, metres
}

// Slots of lines: what a line is, so that it can be followed along the road.
const (
	slotLeftEdge  = iota // of the oncoming lanes, or of a carriageway without any
	slotMedian           // of the oncoming lanes toward the median
	slotCentre           // where s and d are measured from
	slotRightEdge        // of the lanes in the direction of travel
	slotOncoming         // separators, one a slot, up to slotOwn
	slotOwn       = slotOncoming + 4
	slots         = slotOwn + 5
)

const (
	paintHalf   = 0.075 // half of a line of 15 cm
	doubleHalf  = 0.06
	doubleApart = 0.16 // from the middle of a double line to the middle of its stripes
)

// linesAt lists the lines of a station, right to left.
func (st *station) linesAt(dst []line) []line {
	sec := st.sec
	dst = append(dst, line{slotRightEdge, st.right, "solid", false, paintHalf})
	for k := 4; k >= 1; k-- {
		// A lane that is just opening has no separator yet.
		if d := -float64(k) * st.width; d > st.right+0.55*st.width {
			dst = append(dst, line{slotOwn + k, d, "dashed", false, paintHalf})
		}
	}
	dst = append(dst, st.centre())
	if st.left < 0.55*st.width+st.median {
		return dst
	}
	if st.median > 0.5 {
		dst = append(dst, line{slotMedian, st.median, "solid", sec.yellowOutside, paintHalf})
	}
	for k := 1; k < 4; k++ {
		if d := st.median + float64(k)*st.width; d < st.left-0.55*st.width {
			dst = append(dst, line{slotOncoming + k, d, "dashed", false, paintHalf})
		}
	}
	return append(dst, line{slotLeftEdge, st.left, "solid", false, paintHalf})
}

// centre is the line at d = 0: between the directions, or the left edge.
func (st *station) centre() line {
	sec := st.sec
	if st.median > 0.5 || st.left < 0.55*st.width+st.median {
		return line{slotCentre, 0, "solid", sec.yellowOutside, paintHalf}
	}
	kind, color, _ := strings.Cut(sec.centre, "_")
	half := paintHalf
	if kind == "double" {
		half = doubleHalf
	}
	return line{slotCentre, 0, kind, color == "yellow", half}
}
