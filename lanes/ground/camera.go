// Package ground is the bridge between the image and the road: a camera's
// description, and the plane that the road is taken to be.
//
// Invariants:
//   - Vehicle coordinates are x forward, y left, z up, in metres, with the
//     origin on the road below the camera ([msg.Ground]). The road is the plane
//     z = 0: a slope or a bump ahead shows as an error in distance.
//   - Image coordinates are [msg.Pixel]: the centre of the top-left pixel is
//     (0.5, 0.5). Intrinsics are as OpenCV's calibrateCamera gives them, where
//     that centre is (0, 0); the package does the half-pixel shift.
//   - A [Camera] is a plain value without hidden state. Its methods change
//     nothing, allocate nothing and may be called from many goroutines.
//   - Methods expect a camera that [Camera.Validate] accepts.
package ground

import (
	"errors"
	"fmt"
	"math"
)

// MaxRange is how far a point on the ground may lie from the camera, metres.
// Beyond it one pixel spans many metres, and the plane says nothing useful.
const MaxRange = 120.0

// Camera describes how a camera sees and where it is mounted.
type Camera struct {
	// Width and Height of the picture for which the intrinsics hold, pixels.
	// Other sizes are scaled to, see [Camera.Scale].
	Width  int `yaml:"width"`
	Height int `yaml:"height"`
	// Focal lengths and principal point, pixels.
	Fx float64 `yaml:"fx"`
	Fy float64 `yaml:"fy"`
	Cx float64 `yaml:"cx"`
	Cy float64 `yaml:"cy"`
	// Brown-Conrady distortion, in the order in which OpenCV lists it: radial
	// K1 K2, tangential P1 P2, radial K3. Zero is an ideal lens.
	K1 float64 `yaml:"k1"`
	K2 float64 `yaml:"k2"`
	P1 float64 `yaml:"p1"`
	P2 float64 `yaml:"p2"`
	K3 float64 `yaml:"k3"`
	// HeightM is the height of the lens above the road, metres.
	HeightM float64 `yaml:"height_m"`
	// Mounting angles in degrees, applied as yaw, then pitch, then roll. Pitch
	// is down positive, Yaw left positive, Roll positive with the camera's
	// right side down.
	Pitch float64 `yaml:"pitch"`
	Yaw   float64 `yaml:"yaw"`
	Roll  float64 `yaml:"roll"`
	// Guessed says that nobody described this camera: [Default] made it up, and
	// metres that come from it are no better than that.
	Guessed bool `yaml:"-"`
}

// Default is a plausible dashcam for a source without a description: 60 degrees
// wide, no distortion, level, 1.3 m above the road. It is marked as Guessed.
func Default(width, height int) Camera {
	const (
		fov    = 60 * math.Pi / 180
		mountM = 1.3
	)
	f := float64(width) / (2 * math.Tan(fov/2))
	return Camera{
		Width: width, Height: height,
		Fx: f, Fy: f,
		Cx: float64(width)/2 - 0.5, Cy: float64(height)/2 - 0.5,
		HeightM: mountM,
		Guessed: true,
	}
}

// Scale returns the same camera for pictures of width x height pixels. The
// whole picture is taken to be stretched: a crop needs a description of its own.
func (c Camera) Scale(width, height int) Camera {
	if width == c.Width && height == c.Height {
		return c
	}
	sx, sy := float64(width)/float64(c.Width), float64(height)/float64(c.Height)
	c.Width, c.Height = width, height
	c.Fx, c.Fy = c.Fx*sx, c.Fy*sy
	c.Cx, c.Cy = (c.Cx+0.5)*sx-0.5, (c.Cy+0.5)*sy-0.5
	return c
}

// Validate says what is wrong with the description: every problem, one a line,
// each with the key to change.
func (c *Camera) Validate() error {
	var all []error
	between := func(key, unit string, v, lo, hi float64) {
		// The negated form also refuses NaN.
		if !(v >= lo && v <= hi) {
			all = append(all, fmt.Errorf("camera %s is %g: give a value from %g to %g%s", key, v, lo, hi, unit))
		}
	}
	between("width", " pixels", float64(c.Width), 1, 1<<15)
	between("height", " pixels", float64(c.Height), 1, 1<<15)
	w, h := float64(c.Width), float64(c.Height)
	if c.Width >= 1 && c.Height >= 1 {
		between("fx", " pixels", c.Fx, w/20, 50*w)
		between("fy", " pixels", c.Fy, h/20, 50*h)
		between("cx", " pixels", c.Cx, -w, 2*w)
		between("cy", " pixels", c.Cy, -h, 2*h)
	}
	between("k1", "", c.K1, -10, 10)
	between("k2", "", c.K2, -100, 100)
	between("p1", "", c.P1, -1, 1)
	between("p2", "", c.P2, -1, 1)
	between("k3", "", c.K3, -100, 100)
	between("height_m", " metres", c.HeightM, 0.1, 10)
	between("pitch", " degrees", c.Pitch, -30, 60)
	between("yaw", " degrees", c.Yaw, -60, 60)
	between("roll", " degrees", c.Roll, -45, 45)
	return errors.Join(all...)
}
