package synth

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"dashline/internal/regular"
	"dashline/internal/strictyaml"
	"dashline/internal/suggest"
	"dashline/sensors/synth/truth"
)

// Scenario says what a world is like. Where it gives ranges or lists, the seed
// draws from them.
type Scenario struct {
	Name     string  `yaml:"name" pattern:"^[a-z0-9][a-z0-9-]{0,63}$"`
	Summary  string  `yaml:"summary"` // one line for people
	FPS      float64 `yaml:"fps" min:"1" max:"240"`
	Duration float64 `yaml:"duration" min:"0.1" max:"86400"` // of a drive, seconds
	Camera   Camera  `yaml:"camera"`
	Scenes   []Scene `yaml:"scenes"`         // met one after the other, then from the first again
	Anywhere bool    `yaml:"start_anywhere"` // the seed draws the scene that a drive begins in
}

// Camera is a lens, where it is mounted, and the sensor behind it.
type Camera struct {
	truth.Camera
	Vibration float64 `yaml:"vibration" min:"0" max:"2"`    // standard deviation of pitch, degrees; half of it in roll
	Noise     float64 `yaml:"noise" min:"0" max:"0.2"`      // standard deviation at mid grey, of full scale
	Shutter   float64 `yaml:"shutter" min:"0" max:"0.1"`    // seconds open; what moves in it is blurred
	Exposure  float64 `yaml:"exposure" min:"-4" max:"4"`    // stops brighter than the automatic choice
	Vignette  float64 `yaml:"vignette" min:"0" max:"1"`     // share of light lost in the corners
	Reaction  float64 `yaml:"reaction" min:"0.01" max:"10"` // time constant of the automatic exposure, seconds
}

// Scene is a stretch of road in one kind of weather. Ranges are [least, most].
type Scene struct {
	Name         string     `yaml:"name"`
	Length       [2]float64 `yaml:"length" min:"50" max:"100000"` // metres
	Weather      []string   `yaml:"weather" enum:"clear,overcast,rain,fog,low_sun,night"`
	Surroundings []string   `yaml:"surroundings" enum:"fields,forest,suburb,city"`
	Visibility   [2]float64 `yaml:"visibility" min:"0" max:"100000"` // metres; [0, 0]: as the weather has it
	RainRate     [2]float64 `yaml:"rain_rate" min:"0" max:"1"`       // [0, 0]: as the weather has it

	Lanes     [2]int     `yaml:"lanes" min:"1" max:"4"`    // in the direction of travel
	Oncoming  [2]int     `yaml:"oncoming" min:"0" max:"4"` // in the other
	Median    [2]float64 `yaml:"median" min:"0" max:"30"`  // between the directions, metres; 0: a line
	LaneWidth [2]float64 `yaml:"lane_width" min:"2.6" max:"4.5"`
	Curvature float64    `yaml:"curvature" min:"0" max:"0.02"` // tightest, 1/m
	Grade     float64    `yaml:"grade" min:"0" max:"0.08"`     // steepest
	// Centre is the line between the ways. A dashed one is drawn double where a way has more than one lane.
	Centre    []string   `yaml:"centre" enum:"double_yellow,solid_yellow,dashed_yellow,double_white,solid_white,dashed_white"`
	Worn      [2]float64 `yaml:"worn" min:"0" max:"0.8"`        // share of paint that is gone
	Merges    float64    `yaml:"merges" min:"0" max:"10"`       // lanes that join from the right, a kilometre
	Crossings float64    `yaml:"crossings" min:"0" max:"10"`    // crossings, a kilometre
	Signals   float64    `yaml:"signals" min:"0" max:"1"`       // share of crossings with traffic lights
	RoadWorks float64    `yaml:"road_works" min:"0" max:"10"`   // rows of cones, a kilometre
	Speed     [2]float64 `yaml:"speed" min:"2" max:"45"`        // wanted by the vehicle, m/s
	Traffic   [2]float64 `yaml:"traffic" min:"0" max:"60"`      // vehicles a kilometre and lane
	Heavy     float64    `yaml:"heavy" min:"0" max:"1"`         // share of trucks and buses in it
	Two       float64    `yaml:"two_wheelers" min:"0" max:"1"`  // share of motorcycles in it
	Cyclists  float64    `yaml:"cyclists" min:"0" max:"60"`     // at the right edge, a kilometre
	People    float64    `yaml:"pedestrians" min:"0" max:"200"` // beside the road, a kilometre
	Parked    float64    `yaml:"parked" min:"0" max:"100"`      // cars at the roadside, a kilometre
	Events    []string   `yaml:"events" enum:"cut_in,hard_brake,step_out"`
	Every     float64    `yaml:"event_every" min:"0" max:"3600"` // seconds between events; 0: none
}

//go:embed scenarios/*.yaml
var embedded embed.FS

// Names lists the scenarios that come with the program.
func Names() []string {
	files, err := fs.Glob(embedded, "scenarios/*.yaml")
	if err != nil {
		panic(err) // the pattern above is wrong
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return files
}

// Builtin returns a scenario that comes with the program.
func Builtin(name string) (Scenario, error) {
	if !slices.Contains(Names(), name) {
		did := ""
		if near := suggest.Nearest(name, Names()); near != "" {
			did = fmt.Sprintf("did you mean %s? ", near)
		}
		return Scenario{}, fmt.Errorf("scenario %s: there is none of this name: %sgive one of %s, or a .yaml file", name, did, strings.Join(Names(), ", "))
	}
	data, err := embedded.ReadFile("scenarios/" + name + ".yaml")
	if err != nil {
		return Scenario{}, err
	}
	return Parse(name+".yaml", data)
}

// Load reads a scenario file.
func Load(file string) (Scenario, error) {
	f, err := regular.Open(file)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1)) // one more: Parse refuses what is too long
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", file, err)
	}
	return Parse(file, data)
}

// Parse reads a scenario from YAML; file is only for messages.
func Parse(file string, data []byte) (Scenario, error) {
	sc := defaults()
	if _, err := strictyaml.Decode(file, data, &sc); err != nil {
		return Scenario{}, err
	}
	for i := range sc.Scenes {
		sc.Scenes[i].complete(i)
	}
	if err := sc.Validate(); err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", file, err)
	}
	return sc, nil
}

// defaults is a scenario with the camera that the others are described by: 63
// degrees wide, 1.4 m above the road, looking slightly down.
func defaults() Scenario {
	return Scenario{
		FPS: 30, Duration: 10,
		Camera: Camera{
			Camera:    truth.Camera{Width: 640, Height: 360, Fx: 520, Fy: 520, Cx: 319.5, Cy: 179.5, Mount: 1.4, Pitch: 2},
			Vibration: 0.06, Noise: 0.012, Vignette: 0.15, Reaction: 0.6,
		},
	}
}

// complete fills what a scene leaves out and zero makes no sense for.
func (s *Scene) complete(i int) {
	if s.Name == "" {
		s.Name = fmt.Sprintf("scene-%d", i+1)
	}
	if s.Length == [2]float64{} {
		s.Length = [2]float64{400, 800}
	}
	if len(s.Weather) == 0 {
		s.Weather = []string{"clear"}
	}
	if len(s.Surroundings) == 0 {
		s.Surroundings = []string{"fields"}
	}
	if s.Lanes == [2]int{} {
		s.Lanes = [2]int{2, 2}
	}
	if s.LaneWidth == [2]float64{} {
		s.LaneWidth = [2]float64{3.5, 3.5}
	}
	if len(s.Centre) == 0 {
		s.Centre = []string{"solid_white"}
	}
	if s.Speed == [2]float64{} {
		s.Speed = [2]float64{20, 20}
	}
}

// Validate returns nil, or every problem, one a line, each with the key to change.
func (sc *Scenario) Validate() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	if sc.Name == "" {
		bad("key name is missing")
	}
	if len(sc.Scenes) == 0 {
		bad("key scenes is missing: a scenario has at least one")
	}
	if len(sc.Scenes) > 64 {
		bad("scenes: %d of them: give at most 64", len(sc.Scenes))
	}
	c := &sc.Camera
	between := func(key string, v, lo, hi float64) {
		if !(v >= lo && v <= hi) {
			bad("camera.%s is %g: give a value from %g to %g", key, v, lo, hi)
		}
	}
	between("width", float64(c.Width), 64, 4096)
	between("height", float64(c.Height), 64, 4096)
	w, h := float64(c.Width), float64(c.Height)
	between("fx", c.Fx, w/5, 10*w)
	between("fy", c.Fy, h/5, 10*h)
	between("cx", c.Cx, 0, w)
	between("cy", c.Cy, 0, h)
	between("k1", c.K1, -0.5, 0.5)
	between("k2", c.K2, -0.5, 0.5)
	between("p1", c.P1, -0.05, 0.05)
	between("p2", c.P2, -0.05, 0.05)
	between("k3", c.K3, -0.5, 0.5)
	between("height_m", c.Mount, 0.3, 5)
	between("pitch", c.Pitch, -10, 30)
	between("yaw", c.Yaw, -30, 30)
	between("roll", c.Roll, -15, 15)
	for i := range sc.Scenes {
		all = append(all, sc.Scenes[i].validate(i)...)
	}
	return errors.Join(all...)
}

func (s *Scene) validate(i int) (all []error) {
	rising := func(key string, r [2]float64) {
		if !(r[0] <= r[1]) || math.IsInf(r[1], 0) {
			all = append(all, fmt.Errorf("scenes[%d].%s is [%g, %g]: give the least and then the most", i, key, r[0], r[1]))
		}
	}
	rising("length", s.Length)
	rising("visibility", s.Visibility)
	rising("rain_rate", s.RainRate)
	rising("lanes", [2]float64{float64(s.Lanes[0]), float64(s.Lanes[1])})
	rising("oncoming", [2]float64{float64(s.Oncoming[0]), float64(s.Oncoming[1])})
	rising("median", s.Median)
	rising("lane_width", s.LaneWidth)
	rising("worn", s.Worn)
	rising("speed", s.Speed)
	rising("traffic", s.Traffic)
	if s.Every > 0 && len(s.Events) == 0 {
		all = append(all, fmt.Errorf("scenes[%d].event_every is %g without events: name some, or leave it out", i, s.Every))
	}
	return all
}
