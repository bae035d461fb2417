// Package config is the one definition of a run's configuration. The YAML
// file, the flags, `dashline config`, the JSON Schema and the reference in
// docs/config.md all come from the struct [Config] and its tags.
//
// Invariants:
//   - Every key is a flag: key a.b_c is flag --a-b-c. The list cameras is a flag
//     that is given once for each item; the list ladder may be that, or one text
//     with commas.
//   - A flag beats the file, the file beats the default.
//   - What [Effective] prints loads back to the same configuration, but for
//     credentials, which it leaves out, saying so.
//   - Credentials are not taken from the command line, where every user of the
//     machine can read them, and are in no error.
//   - A file with an unknown key, a wrong type or a value outside its range is
//     refused with the place in the file.
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"dashline/infer"
	"dashline/internal/strictyaml"
	"dashline/lanes/ground"
	"dashline/planner"
)

// Config says how to run the pipeline.
type Config struct {
	Vehicle       string        `yaml:"vehicle" default:"car" pattern:"^[A-Za-z0-9_-]{1,64}$" help:"Name of the vehicle, the second word of every subject."`
	Camera        string        `yaml:"camera" default:"front" pattern:"^[A-Za-z0-9_-]{1,64}$" help:"Name of the camera, the third word of every subject."`
	CameraModel   string        `yaml:"camera_model" placeholder:"FILE" help:"YAML description of the camera: intrinsics, distortion, height, angles. Without one a plausible dashcam is guessed."`
	Source        string        `yaml:"source" placeholder:"PATH" help:"Video file, folder of images, synth:NAME or rtsp:// address; the argument SOURCE is the same."`
	Cameras       Cameras       `yaml:"cameras" placeholder:"NAME=SOURCE" help:"Several cameras, instead of camera, source and camera_model: a list of items with these keys: name, source, camera_model, and priority, 0.1 to 10, by which a camera is served sooner than others. The flag is given once for each, as are arguments NAME=SOURCE."`
	Deadline      time.Duration `yaml:"deadline" default:"100ms" min:"1ms" max:"1h" help:"Largest age at which a frame's result is still useful."`
	Policy        string        `yaml:"policy" default:"auto" enum:"auto,every,newest" help:"Which frames are processed: every one, or the newest when free. auto: every for files, newest for live sources."`
	Ladder        Rungs         `yaml:"ladder" placeholder:"RUNG" help:"Networks from the largest to the smallest, of which each frame gets the best that keeps the deadline: names, paths of descriptions, or one ladder.yaml of dashline model ladder; track-only, as the last, only carries tracks on. A list, or one text with commas between; the flag may also be given once for each. Empty: detect.network alone."`
	Rate          float64       `yaml:"rate" default:"0" min:"0" max:"1000" help:"Most frames a second of each camera that are looked at; 0: all. The others are dropped for rate."`
	Layout        string        `yaml:"layout" default:"auto" enum:"auto,order,overlap" help:"Whether lanes are looked for after objects (order) or beside them (overlap). auto: what is faster here, measured at start."`
	Workers       int           `yaml:"workers" default:"0" min:"0" max:"64" help:"Frames that are worked on side by side, each by one thread, where every one is processed (policy every) by the clock; 0: by measurement, or one per core."`
	Measure       time.Duration `yaml:"measure" default:"2s" min:"0s" max:"1m" help:"How long the rungs of the ladder are measured at start, in all; 0s: not, and the times in ladder.yaml (p50_ms, p99_ms) are taken."`
	Start         time.Duration `yaml:"start" default:"0s" min:"0s" help:"Where in the source to begin, by its own time."`
	End           time.Duration `yaml:"end" default:"0s" min:"0s" help:"Where in the source to end, by its own time; 0s: at its end."`
	Loop          bool          `yaml:"loop" help:"Begin the source again at its end."`
	Realtime      bool          `yaml:"realtime" help:"Pace a file as it was recorded, as a live camera would."`
	Deterministic bool          `yaml:"deterministic" help:"Run by the times of the source instead of a clock, so that the same source always gives the same messages."`
	ServiceTime   time.Duration `yaml:"service_time" default:"33ms" min:"1us" max:"1h" help:"Time that each frame takes in a deterministic run, where the source has none recorded."`
	Frames        int           `yaml:"frames" default:"0" min:"0" help:"Stop after so many frames of each camera; 0: all."`
	Duration      time.Duration `yaml:"duration" default:"0s" min:"0s" help:"Stop after so much time; 0s: no limit."`
	Speed         float64       `yaml:"speed" default:"20" min:"0" max:"100" help:"The vehicle's own speed, m/s."`
	Save          string        `yaml:"save" placeholder:"FILE" help:"Write what was seen as a video (.mp4); with several cameras seen.mp4 becomes seen.NAME.mp4 of each."`
	Record        string        `yaml:"record" placeholder:"FILE" help:"Record what came and what was published (.mcap)."`
	RecordForce   bool          `yaml:"record_force" help:"Replace the recording if there is one of that name."`
	Trace         string        `yaml:"trace" placeholder:"FILE" help:"Write what ran when as a trace (.json) that ui.perfetto.dev opens."`
	JSON          bool          `yaml:"json" name:"json" help:"Print one JSON object instead of text for people."`
	Quiet         bool          `yaml:"quiet" help:"No live status line."`

	Detect  Detect         `yaml:"detect" embed:"" prefix:"detect-" group:"Objects" help:"Finding objects."`
	Track   Track          `yaml:"track" embed:"" prefix:"track-" group:"Tracks" help:"Following objects from frame to frame."`
	Lanes   Lanes          `yaml:"lanes" embed:"" prefix:"lanes-" group:"Lanes" help:"Finding lane lines and drivable area."`
	Planner planner.Config `yaml:"planner" embed:"" prefix:"planner-" group:"Planner" help:"Planning; docs/planner.md explains each key."`
	RTSP    RTSP           `yaml:"rtsp" embed:"" prefix:"rtsp-" group:"RTSP" help:"Live cameras, rtsp:// and rtsps://."`
	NATS    NATS           `yaml:"nats" embed:"" prefix:"nats-" group:"NATS" help:"Publishing results."`
	Metrics Metrics        `yaml:"metrics" embed:"" prefix:"metrics-" group:"Metrics" help:"Metrics for Prometheus."`
	Misses  Misses         `yaml:"misses" embed:"" prefix:"misses-" group:"Misses" help:"Bundles of what happened around frames that missed their deadline."`
}

// Runtime says how one network is to run.
type Runtime struct {
	Engine  string `yaml:"engine" default:"auto" enum:"auto,opencv,ort" help:"Engine: opencv, ort (ONNX Runtime), or auto: ort for ONNX where it is installed, else opencv."`
	Backend string `yaml:"backend" default:"cpu" enum:"cpu,cuda,cuda-fp16,opencl" help:"Where the network runs."`
	Require bool   `yaml:"require" help:"Refuse to start where the backend would not really run, instead of falling back to cpu."`
	Threads int    `yaml:"threads" default:"0" min:"0" max:"256" help:"Threads of the network; 0: one per core."`
}

// Options are the same in the words of package infer.
func (r Runtime) Options() infer.Options {
	return infer.Options{Backend: infer.Backend(r.Backend), Require: r.Require, Threads: r.Threads}
}

// Detect configures object detection.
type Detect struct {
	Network string `yaml:"network" default:"auto" placeholder:"NAME" help:"Network: a name that dashline networks lists, the path of a description, or auto: dashline-tiny on synthetic drives, yolo-fastest-1.1-xl on all others. Not together with ladder."`
	Runtime
	Score float64 `yaml:"score" default:"0.30" min:"0.01" max:"0.99" help:"Least score of an object."`
	NMS   float64 `yaml:"nms" name:"nms" default:"0.45" min:"0.01" max:"1" help:"Two boxes of a class that overlap more (IoU) are one object."`
}

// Track configures how objects are followed.
type Track struct {
	Enabled bool          `yaml:"enabled" default:"true" negatable:"no-track" help:"Follow objects."`
	High    float64       `yaml:"high" default:"0.3" min:"0.01" max:"1" help:"Least score of a detection that begins a track and is matched first."`
	Low     float64       `yaml:"low" default:"0.1" min:"0.01" max:"1" help:"Least score of a detection that keeps a track alive, at most track.high. The detector looks for objects that faint, and those below detect.score are not published."`
	Confirm time.Duration `yaml:"confirm" default:"300ms" min:"1ms" max:"1m" help:"Time within which a second detection confirms a track."`
	Lost    time.Duration `yaml:"lost" default:"700ms" min:"1ms" max:"1m" help:"How long a track lives without a detection."`
}

// Lanes configures lane detection.
type Lanes struct {
	Enabled bool   `yaml:"enabled" default:"true" negatable:"no-lanes" help:"Find lanes."`
	Every   int    `yaml:"every" default:"1" min:"1" max:"1000" help:"Look for lanes on every N-th frame; 1: on each."`
	Network string `yaml:"network" default:"auto" placeholder:"NAME" help:"Network: a name that dashline networks lists, the path of a description, or auto: dashline-lanes on synthetic drives, twinlitenet-cv46 on all others."`
	Runtime
}

// RTSP configures live cameras. It holds no passwords: [Config.Logins] says where
// they are.
type RTSP struct {
	Transport   string        `yaml:"transport" default:"auto" enum:"auto,udp,tcp" help:"How packets come: udp, tcp (inside the connection), or auto: udp, and tcp where nothing comes by udp."`
	Reorder     time.Duration `yaml:"reorder" default:"0s" min:"0s" max:"10s" help:"Longest wait for a missing packet; 0s: a quarter of the deadline, at most 50ms."`
	Stall       time.Duration `yaml:"stall" default:"0s" min:"0s" max:"1h" help:"A stream without a picture for so long counts as stalled and is connected again; 0s: by the stream's rate."`
	Retry       time.Duration `yaml:"retry" default:"500ms" min:"10ms" max:"1h" help:"Longest pause between two attempts to connect."`
	Credentials string        `yaml:"credentials" placeholder:"FILE" help:"YAML file with user and password of each camera, by its name."`
	CA          string        `yaml:"ca" name:"ca" placeholder:"FILE" help:"PEM file of the authorities whose certificates are accepted for rtsps://; empty: those of the system."`
	Insecure    bool          `yaml:"insecure" help:"Accept any certificate for rtsps://: whoever is in between can read and change all."`
}

// NATS configures publishing.
type NATS struct {
	URL    string `yaml:"url" name:"url" placeholder:"URL" help:"NATS server; without one an embedded server starts on this machine."`
	Port   int    `yaml:"port" default:"0" min:"0" max:"65535" help:"Port of the embedded server; 0: a free one, printed."`
	Buffer int    `yaml:"buffer" default:"256" min:"1" max:"65536" help:"Messages that wait for the server at most; more are dropped and counted."`
}

// Metrics configures the metrics endpoint.
type Metrics struct {
	Listen string `yaml:"listen" placeholder:"HOST:PORT" help:"Address on which /metrics is served; empty: off."`
}

// Misses configures what is kept of frames that missed their deadline.
type Misses struct {
	Dir       string `yaml:"dir" placeholder:"DIR" help:"Folder into which a bundle is written around each frame that missed its deadline; empty: none."`
	Max       int    `yaml:"max" default:"20" min:"1" max:"1000" help:"Bundles of a run at most."`
	Megabytes int    `yaml:"megabytes" default:"200" min:"1" max:"100000" help:"Size of all bundles of a run at most, MB (1,000,000 bytes)."`
}

// Validate says everything that is out of range, each with its key.
func (c *Config) Validate() error {
	err := strictyaml.Check(c)
	err = errors.Join(err, c.validateSources(), c.validateLadder())
	if c.Save != "" && !strings.EqualFold(filepath.Ext(c.Save), ".mp4") {
		err = errors.Join(err, fmt.Errorf("save: %s: the name must end in .mp4", c.Save))
	}
	if c.Record != "" && !strings.EqualFold(filepath.Ext(c.Record), ".mcap") {
		err = errors.Join(err, fmt.Errorf("record: %s: the name must end in .mcap", c.Record))
	}
	if c.Trace != "" && !strings.EqualFold(filepath.Ext(c.Trace), ".json") {
		err = errors.Join(err, fmt.Errorf("trace: %s: the name must end in .json", c.Trace))
	}
	if c.Workers > 1 && (c.Policy == "newest" || c.Deterministic) {
		err = errors.Join(err, fmt.Errorf("workers: %d side by side are for the policy every by the clock: leave workers out with the policy newest and in a deterministic run", c.Workers))
	}
	if c.Track.Low > c.Track.High {
		err = errors.Join(err, fmt.Errorf("track.low: %v is more than track.high, %v", c.Track.Low, c.Track.High))
	}
	if c.End > 0 && c.End <= c.Start {
		err = errors.Join(err, fmt.Errorf("end: %v is not after start, %v: give a later one, or 0s for the end of the source", c.End, c.Start))
	}
	if c.Deterministic && c.Realtime {
		err = errors.Join(err, errors.New("deterministic, realtime: a deterministic run has no clock to pace by: leave one out"))
	}
	if c.RTSP.CA != "" && c.RTSP.Insecure {
		err = errors.Join(err, errors.New("rtsp.ca, rtsp.insecure: any certificate is accepted, so the file would mean nothing: leave one out"))
	}
	if perr := c.Planner.Validate(); perr != nil {
		err = errors.Join(err, perr)
	}
	return err
}

// LoadCamera reads the description of a camera.
func LoadCamera(file string) (ground.Camera, error) {
	var c ground.Camera
	data, err := read(file)
	if err != nil {
		return c, err
	}
	keys, err := strictyaml.Decode(file, data, &c)
	if err != nil {
		return c, err
	}
	for _, must := range []string{"width", "height", "fx", "fy", "cx", "cy", "height_m"} {
		if _, ok := keys[must]; !ok {
			return c, &strictyaml.Error{File: file, Msg: "key " + must + " is missing"}
		}
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}
