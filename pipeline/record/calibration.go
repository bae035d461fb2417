package record

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/foxglove/mcap/go/mcap"
	"google.golang.org/protobuf/types/known/timestamppb"

	"dashline/lanes/ground"
	"dashline/pipeline/record/foxglove"
)

// calibration writes a camera's description: exactly, as metadata, and as
// Foxglove wants it.
func (s *sink) calibration(v *view, at uint64, c ground.Camera) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("calibration of camera %s: %w", v.camera, err)
	}
	if s.err != nil {
		return s.err
	}
	if err := s.mw.WriteMetadata(&mcap.Metadata{Name: cameraNote, Metadata: cameraNotes(v.camera, &c)}); err != nil {
		s.fail(err)
		return err
	}
	scaled := c
	v.described, v.scaled = &c, &scaled
	// From the beginning of time: pictures may be stamped by another clock.
	always := timestamppb.New(time.Unix(0, 0))
	if err := s.add("/"+v.camera+"/calibration", v.camera, at, time.Time{}, calibrationOf(v.camera, &c, always)); err != nil {
		return err
	}
	return s.add("/tf", "", at, time.Time{}, transformOf(v.camera, &c, always))
}

// calibrationOf has its principal point where the centre of the top-left pixel
// is (0, 0), as ground and OpenCV have it.
func calibrationOf(name string, c *ground.Camera, stamp *timestamppb.Timestamp) *foxglove.CameraCalibration {
	return &foxglove.CameraCalibration{
		Timestamp: stamp, FrameId: name,
		Width: uint32(c.Width), Height: uint32(c.Height),
		DistortionModel: "plumb_bob",
		D:               []float64{c.K1, c.K2, c.P1, c.P2, c.K3},
		K:               []float64{c.Fx, 0, c.Cx, 0, c.Fy, c.Cy, 0, 0, 1},
		R:               []float64{1, 0, 0, 0, 1, 0, 0, 0, 1},
		P:               []float64{c.Fx, 0, c.Cx, 0, 0, c.Fy, c.Cy, 0, 0, 0, 1, 0},
	}
}

// transformOf is the camera in the vehicle.
func transformOf(name string, c *ground.Camera, stamp *timestamppb.Timestamp) *foxglove.FrameTransform {
	return &foxglove.FrameTransform{
		Timestamp: stamp, ParentFrameId: vehicleFrame, ChildFrameId: name,
		Translation: &foxglove.Vector3{Z: c.HeightM},
		Rotation:    quaternion(c.Axes()),
	}
}

// quaternion of a rotation matrix, by whichever of the four components is
// largest, so that nothing small is divided by.
func quaternion(m [3][3]float64) *foxglove.Quaternion {
	trace := m[0][0] + m[1][1] + m[2][2]
	if trace > 0 {
		s := 2 * math.Sqrt(1+trace)
		return &foxglove.Quaternion{W: s / 4, X: (m[2][1] - m[1][2]) / s, Y: (m[0][2] - m[2][0]) / s, Z: (m[1][0] - m[0][1]) / s}
	}
	i := 0
	if m[1][1] > m[0][0] {
		i = 1
	}
	if m[2][2] > m[i][i] {
		i = 2
	}
	j, k := (i+1)%3, (i+2)%3
	s := 2 * math.Sqrt(1+m[i][i]-m[j][j]-m[k][k])
	var v [3]float64
	v[i] = s / 4
	v[j] = (m[j][i] + m[i][j]) / s
	v[k] = (m[k][i] + m[i][k]) / s
	return &foxglove.Quaternion{W: (m[k][j] - m[j][k]) / s, X: v[0], Y: v[1], Z: v[2]}
}

// cameraField is one number of a camera's description by its name.
type cameraField struct {
	name string
	v    *float64
}

func cameraFields(c *ground.Camera) []cameraField {
	return []cameraField{
		{"fx", &c.Fx}, {"fy", &c.Fy}, {"cx", &c.Cx}, {"cy", &c.Cy},
		{"k1", &c.K1}, {"k2", &c.K2}, {"p1", &c.P1}, {"p2", &c.P2}, {"k3", &c.K3},
		{"height_m", &c.HeightM}, {"pitch", &c.Pitch}, {"yaw", &c.Yaw}, {"roll", &c.Roll},
	}
}

// cameraNotes is a description as metadata. Numbers are the shortest that read
// back the same.
func cameraNotes(name string, c *ground.Camera) map[string]string {
	notes := map[string]string{
		"camera":  name,
		"width":   strconv.Itoa(c.Width),
		"height":  strconv.Itoa(c.Height),
		"guessed": strconv.FormatBool(c.Guessed),
	}
	for _, f := range cameraFields(c) {
		notes[f.name] = strconv.FormatFloat(*f.v, 'g', -1, 64)
	}
	return notes
}

// cameraFromNotes is the inverse of cameraNotes.
func cameraFromNotes(notes map[string]string) (name string, c ground.Camera, err error) {
	number := func(key string) float64 {
		v, perr := strconv.ParseFloat(notes[key], 64)
		if perr != nil && err == nil {
			err = fmt.Errorf("camera %.64q: %s is %.32q, not a number", notes["camera"], key, notes[key])
		}
		return v
	}
	whole := func(key string) int {
		v, perr := strconv.Atoi(notes[key])
		if perr != nil && err == nil {
			err = fmt.Errorf("camera %.64q: %s is %.32q, not a number", notes["camera"], key, notes[key])
		}
		return v
	}
	c.Width, c.Height = whole("width"), whole("height")
	for _, f := range cameraFields(&c) {
		*f.v = number(f.name)
	}
	c.Guessed = notes["guessed"] == "true"
	if err == nil {
		err = c.Validate()
	}
	return notes["camera"], c, err
}
