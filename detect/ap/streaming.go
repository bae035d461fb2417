package ap

import (
	"cmp"
	"slices"
	"time"
)

// Moment is what is there at one time.
type Moment struct {
	At    time.Duration
	Truth []Truth
}

// Output is one answer of a detector: what it found in a picture, and when the
// world was told. Both times are on the clock of the moments.
type Output struct {
	Captured  time.Duration // when the picture was taken
	Published time.Duration // when the answer was there for others
	Found     []Detection   // borrowed
}

// Forecast is what an output, by its index, says of a time at or after that of
// its picture. The result is borrowed by the [Image] that is made of it.
type Forecast func(output int, at time.Duration) []Detection

// Newest finds for each time of at the output that the world has then, -1 where
// there is none yet: of all that were published by then, and at that very time
// counts as by then, the one whose picture was taken last. at and outputs may be
// in any order.
//
// The picture's time decides, not that of publication, because an answer about
// an older picture that comes later is older news: whoever keeps the state of the
// world does not go back to it. Of several answers on one picture the last to be
// published counts (it corrects the others), and of equals in that the later in
// outputs.
func Newest(at []time.Duration, outputs []Output) []int {
	arrivals, times := indices(len(outputs)), indices(len(at))
	slices.SortStableFunc(arrivals, func(a, b int) int { return cmp.Compare(outputs[a].Published, outputs[b].Published) })
	slices.SortFunc(times, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	out := make([]int, len(at))
	have := -1
	for _, i := range times {
		for len(arrivals) > 0 && outputs[arrivals[0]].Published <= at[i] {
			if o := arrivals[0]; have < 0 || outputs[o].Captured >= outputs[have].Captured {
				have = o
			}
			arrivals = arrivals[1:]
		}
		out[i] = have
	}
	return out
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// Streaming pairs each moment with the [Newest] output at its time, so that
// [Match] gives the streaming accuracy of Li, Wang and Ramanan, "Towards Streaming
// Perception", ECCV 2020 (equation 1): what is known of the world at each time is
// held against the world at that time. An answer that is late, was never given or
// is old by now costs what it costs the world. Before the first output nothing is
// found.
//
// Images are in the order of moments, and so are used, the index of the output of
// each or -1. A forecast brings the output up to the moment; nil takes it as it
// was found.
func Streaming(moments []Moment, outputs []Output, forecast Forecast) (images []Image, used []int) {
	at := make([]time.Duration, len(moments))
	for i := range moments {
		at[i] = moments[i].At
	}
	used = Newest(at, outputs)
	images = make([]Image, len(moments))
	for i, o := range used {
		images[i].Truth = moments[i].Truth
		switch {
		case o < 0:
		case forecast == nil:
			images[i].Found = outputs[o].Found
		default:
			images[i].Found = forecast(o, at[i])
		}
	}
	return images, used
}

// Moving is a detection that is known to move.
type Moving struct {
	Detection
	VX, VY float64 // velocity of the box's centre, pixels a second
	VW, VH float64 // growth of its width and height, pixels a second
}

// Ahead appends to dst where things are after some time if each goes on as it
// does: constant velocity of place and size, clipped to a picture of width x
// height pixels. What has shrunk to nothing or left the picture is left out.
func Ahead(dst []Detection, things []Moving, by time.Duration, width, height float64) []Detection {
	s := by.Seconds()
	for _, m := range things {
		x, y := m.Box.X+m.Box.W/2+m.VX*s, m.Box.Y+m.Box.H/2+m.VY*s
		w, h := m.Box.W+m.VW*s, m.Box.H+m.VH*s
		d := m.Detection
		d.Box = Corners(max(x-w/2, 0), max(y-h/2, 0), min(x+w/2, width), min(y+h/2, height))
		if w > 0 && h > 0 && d.Box.W > 0 && d.Box.H > 0 {
			dst = append(dst, d)
		}
	}
	return dst
}
