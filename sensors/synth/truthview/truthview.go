// Package truthview draws the truth of a synthetic drive onto its pictures: the
// drivable road as a tint, lane lines by kind and colour, boxes by class.
//
// Invariants:
//   - What [Gray] draws is computed in integers from the hundredths of a pixel
//     that a file of truth holds, so it is the same on every machine and with
//     every version of every library.
//   - Nothing outside of the picture is written, wherever the truth lies.
//
// The package is pure Go.
package truthview

import (
	"slices"

	"dashline/sensors/synth/truth"
)

var (
	drivable = ink{90, 190, 60}
	white    = ink{255, 255, 255}
	yellow   = ink{40, 210, 255}

	// In the order of [truth.Classes].
	classInk = []ink{
		{255, 190, 70}, {255, 110, 40}, {200, 80, 160}, {120, 90, 255},
		{60, 160, 255}, {60, 120, 255}, {120, 255, 120}, {30, 130, 255},
	}
	unknown = ink{170, 170, 170}
)

// Gray draws onto a grey picture, row after row without gaps: width*height
// bytes.
func Gray(pix []byte, width, height int, f *truth.Frame) {
	c := canvas{width, height, 1, pix[:width*height]}
	c.road(f)
	for i := range f.Objects {
		c.visible(&f.Objects[i])
	}
}

// BGR draws onto a picture of 8-bit BGR, row after row without gaps:
// 3*width*height bytes. Objects that are near have their 3-D boxes, too, seen
// through the drive's camera.
func BGR(pix []byte, width, height int, cam *truth.Camera, f *truth.Frame) {
	c := canvas{width, height, 3, pix[:3*width*height]}
	c.road(f)
	l := newLens(cam, &f.Ego)
	for i := range f.Objects {
		o := &f.Objects[i]
		if !o.Ignore {
			c.solid(l, o)
		}
		c.visible(o)
	}
}

// road draws what lies on the ground.
func (c *canvas) road(f *truth.Frame) {
	c.fill(f.Drivable, drivable, 80)
	for _, l := range f.Lanes {
		k := white
		if l.Color == "yellow" {
			k = yellow
		}
		on, period := 0, 0
		if l.Kind == "dashed" {
			on, period = 6, 10
		}
		c.path(l.Image, k, on, period)
		if l.Kind == "double" {
			beside := slices.Clone(l.Image)
			for i := range beside {
				beside[i][0] += 2
			}
			c.path(beside, k, on, period)
		}
	}
}

// visible draws the box of what is visible, dotted where it is to be ignored.
func (c *canvas) visible(o *truth.Object) {
	on, period := 0, 0
	if o.Ignore {
		on, period = 1, 3
	}
	c.box(o.Box, inkOf(o.Class), on, period)
}

func inkOf(class string) ink {
	if i := slices.Index(truth.Classes(), class); i >= 0 && i < len(classInk) {
		return classInk[i]
	}
	return unknown
}
