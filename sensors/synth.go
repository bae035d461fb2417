package sensors

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"dashline/lanes/ground"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors/synth"
	"dashline/sensors/synth/truth"
)

// synthScheme begins the name of a source that is made up: synth:NAME?seed=3.
const synthScheme = "synth:"

// synthetic is a world that is driven through while frames are asked for.
type synthetic struct {
	world *synth.World
	img   synth.Image // its pixels are those of the frame being filled
	info  Info
	seq   uint64
	last  uint64 // frames there are; 0: no end
}

// openSynth opens synth:NAME or synth:FILE.yaml, with ?seed=N and &duration=10s.
// Without a duration the drive goes on for ever.
func openSynth(path string) (*synthetic, error) {
	fail := func(err error) (*synthetic, error) { return nil, fmt.Errorf("open source %s: %w", path, err) }
	name, query, _ := strings.Cut(strings.TrimPrefix(path, synthScheme), "?")
	sc, err := loadScenario(name)
	if err != nil {
		return fail(err)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fail(fmt.Errorf("what follows the ? is not as in seed=3&duration=10s: %w", err))
	}
	seed, length := uint64(1), time.Duration(0)
	for key, v := range values {
		switch text := v[len(v)-1]; key {
		case "seed":
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				return fail(fmt.Errorf("seed %q: give a whole number", text))
			}
		case "duration":
			if length, err = time.ParseDuration(text); err != nil || length <= 0 {
				return fail(fmt.Errorf("duration %q: give a time as in 10s", text))
			}
		default:
			return fail(fmt.Errorf("there is no option %q: give seed or duration", key))
		}
	}
	world, err := synth.New(sc, seed)
	if err != nil {
		return fail(err)
	}
	frames := 0
	if length > 0 {
		frames = max(1, int(min(math.Round(length.Seconds()*sc.FPS), math.MaxInt32)))
	}
	c := sc.Camera
	return &synthetic{
		world: world, img: synth.Image{Width: c.Width, Height: c.Height}, last: uint64(frames),
		info: Info{Kind: "synth", Path: path, Width: c.Width, Height: c.Height, FPS: sc.FPS, Frames: frames, Camera: CameraOf(&c.Camera)},
	}, nil
}

// CameraOf is the camera of a synthetic drive as the pipeline describes cameras.
func CameraOf(c *truth.Camera) ground.Camera {
	return ground.Camera{
		Width: c.Width, Height: c.Height, Fx: c.Fx, Fy: c.Fy, Cx: c.Cx, Cy: c.Cy,
		K1: c.K1, K2: c.K2, P1: c.P1, P2: c.P2, K3: c.K3,
		HeightM: c.Mount, Pitch: c.Pitch, Yaw: c.Yaw, Roll: c.Roll,
	}
}

func loadScenario(name string) (synth.Scenario, error) {
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		return synth.Load(name)
	}
	return synth.Builtin(name)
}

func (s *synthetic) Info() Info { return s.info }

func (s *synthetic) Close() error { return nil }

// Next takes the next picture, straight into the frame's own memory.
func (s *synthetic) Next(_ context.Context, f *frame.Frame) error {
	if s.last > 0 && s.seq == s.last {
		return io.EOF
	}
	if s.seq > 0 {
		s.world.Step(1/s.info.FPS, nil)
	}
	to := &f.Image
	if to.Cols() != s.img.Width || to.Rows() != s.img.Height || to.Type() != gocv.MatTypeCV8UC3 {
		_ = to.Close()
		*to = gocv.NewMatWithSize(s.img.Height, s.img.Width, gocv.MatTypeCV8UC3)
	}
	pixels, err := to.DataPtrUint8()
	if err != nil {
		return err
	}
	s.img.Pix = pixels
	s.world.Render(&s.img)
	s.img.Pix = nil // it is the frame's
	f.Header = msg.Header{Seq: s.seq, PTS: time.Duration(math.Round(float64(s.seq) / s.info.FPS * float64(time.Second)))}
	s.seq++
	return nil
}
