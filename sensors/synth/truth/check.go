package truth

import (
	"fmt"
	"math"
	"slices"
)

// Bounds on a file, far above what any drive has.
const (
	maxLine    = 4 << 20 // bytes
	maxFrames  = 10_000_000
	maxScenes  = 1024
	maxClasses = 256
	maxObjects = 1024 // in a frame
	maxOutline = 1024 // points
	maxLanes   = 64   // in a frame
	maxPoints  = 4096 // of a lane
	maxCorners = 16384
	maxSide    = 16384 // pixels
	maxNumber  = 1e8
)

// check says what is wrong with a drive's line.
func (d *Drive) check() error {
	switch {
	case d.Version != Version:
		return fmt.Errorf("it is of version %d, this program reads version %d", d.Version, Version)
	case len(d.Scenes) == 0 || len(d.Scenes) > maxScenes:
		return fmt.Errorf("it has %d scenes: 1 to %d are right", len(d.Scenes), maxScenes)
	case d.Frames < 1 || d.Frames > maxFrames:
		return fmt.Errorf("it has %d frames: 1 to %d are right", d.Frames, maxFrames)
	case !(d.FPS > 0 && d.FPS <= 1000):
		return fmt.Errorf("it has %g frames a second: more than 0 and at most 1000 are right", d.FPS)
	case d.Seeds < 0 || d.Seeds > maxFrames:
		return fmt.Errorf("it is of %d seeds: 1 to %d are right", d.Seeds, maxFrames)
	case len(d.Classes) == 0 || len(d.Classes) > maxClasses:
		return fmt.Errorf("it has %d classes: 1 to %d are right", len(d.Classes), maxClasses)
	}
	c := &d.Camera
	if c.Width < 1 || c.Height < 1 || c.Width > maxSide || c.Height > maxSide {
		return fmt.Errorf("its picture is of %dx%d pixels: 1 to %d a side are right", c.Width, c.Height, maxSide)
	}
	return sound("camera", c.Fx, c.Fy, c.Cx, c.Cy, c.K1, c.K2, c.P1, c.P2, c.K3, c.Mount, c.Pitch, c.Yaw, c.Roll)
}

// state is how far a drive has been written or read.
type state struct {
	next int     // index of the next frame
	time float64 // of the latest one
}

// check says what is wrong with a frame, or counts it.
func (s *state) check(d *Drive, f *Frame) error {
	switch {
	case f.Index != s.next:
		return fmt.Errorf("frame %d comes where frame %d is due", f.Index, s.next)
	case f.Index >= d.Frames:
		return fmt.Errorf("the drive has %d frames only", d.Frames)
	case f.Scene < 0 || f.Scene >= len(d.Scenes):
		return fmt.Errorf("scene %d: the drive has %d", f.Scene, len(d.Scenes))
	case !(f.Time >= s.time):
		return fmt.Errorf("time runs from %g back to %g s", s.time, f.Time)
	case len(f.Objects) > maxObjects:
		return fmt.Errorf("%d objects: at most %d are right", len(f.Objects), maxObjects)
	case len(f.Lanes) > maxLanes:
		return fmt.Errorf("%d lanes: at most %d are right", len(f.Lanes), maxLanes)
	case len(f.Drivable) > maxCorners:
		return fmt.Errorf("drivable area of %d corners: at most %d are right", len(f.Drivable), maxCorners)
	}
	e := &f.Ego
	if err := sound("ego", f.Time, e.X, e.Y, e.Z, e.Yaw, e.S, e.D, e.Speed, e.Accel, e.YawRate, e.Pitch, e.Roll); err != nil {
		return err
	}
	for i := range f.Objects {
		if err := f.Objects[i].check(d); err != nil {
			return fmt.Errorf("object %d: %w", i, err)
		}
	}
	for i := range f.Lanes {
		if err := f.Lanes[i].check(); err != nil {
			return fmt.Errorf("lane %d: %w", i, err)
		}
	}
	if err := soundPoints("drivable area", f.Drivable); err != nil {
		return err
	}
	s.next, s.time = f.Index+1, f.Time
	return nil
}

func (o *Object) check(d *Drive) error {
	if !slices.Contains(d.Classes, o.Class) {
		return fmt.Errorf("class %q is none of the drive's", o.Class)
	}
	if len(o.Outline) > maxOutline {
		return fmt.Errorf("outline of %d points: at most %d are right", len(o.Outline), maxOutline)
	}
	for _, b := range [][4]float64{o.Box, o.Full} {
		if err := sound("box", b[:]...); err != nil {
			return err
		}
		if b[0] > b[2] || b[1] > b[3] {
			return fmt.Errorf("box %v: its corners are the wrong way round", b)
		}
	}
	if b := o.Box; b[0] < 0 || b[1] < 0 || b[2] > float64(d.Camera.Width) || b[3] > float64(d.Camera.Height) {
		return fmt.Errorf("visible box %v is outside of the picture of %dx%d", b, d.Camera.Width, d.Camera.Height)
	}
	if !(o.Occluded >= 0 && o.Occluded <= 1 && o.Truncated >= 0 && o.Truncated <= 1) {
		return fmt.Errorf("occluded %g and truncated %g: shares are 0 to 1", o.Occluded, o.Truncated)
	}
	if err := soundPoints("outline", o.Outline); err != nil {
		return err
	}
	return sound("object", append(append(o.Center[:], o.Size[:]...), o.Yaw, o.Velocity[0], o.Velocity[1])...)
}

func (l *Lane) check() error {
	if len(l.Image) > maxPoints || len(l.Image) != len(l.Ground) {
		return fmt.Errorf("%d points in the image and %d on the ground: as many, and at most %d, are right", len(l.Image), len(l.Ground), maxPoints)
	}
	for _, p := range l.Ground {
		if err := sound("ground point", p[:]...); err != nil {
			return err
		}
	}
	return soundPoints("image", l.Image)
}

func soundPoints(what string, points [][2]float64) error {
	for _, p := range points {
		if err := sound(what, p[:]...); err != nil {
			return err
		}
	}
	return nil
}

// sound refuses what is not finite, or is beyond any place on a drive.
func sound(what string, values ...float64) error {
	for _, v := range values {
		if !(math.Abs(v) <= maxNumber) {
			return fmt.Errorf("%s: %g is no number of a drive", what, v)
		}
	}
	return nil
}
