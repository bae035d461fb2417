// Package doctor finds out what is installed, what would be used and what is
// missing, and says how to mend it.
//
// Invariants:
//   - Examine never fails: what cannot be found out is a check that says so.
//   - What would be used is found by opening it, as a run does, and not guessed.
//   - Every check that is not Good ends with its mend.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"dashline/infer"
	"dashline/infer/engine"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/internal/config"
	"dashline/model/catalog"
	"dashline/sensors"
)

// State is how a check came out.
type State string

// The states. Without what is Missing nothing runs; a Note costs one feature.
const (
	Good    State = "good"
	Note    State = "note"
	Missing State = "missing"
)

// Check is one thing that was looked at.
type Check struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	Says  string `json:"says"`
	Mend  string `json:"mend,omitempty"` // what to do; empty where the state is Good
}

// Group is the checks of one subject.
type Group struct {
	Name   string  `json:"name"`
	Checks []Check `json:"checks"`
}

// Report is all that was found out.
type Report struct {
	OK        bool              `json:"ok"` // nothing that is needed is missing
	Machine   Machine           `json:"machine"`
	Libraries map[string]string `json:"libraries"` // version by name; those that are there
	Groups    []Group           `json:"groups"`
}

// Examine looks at this machine with the eyes of a run that is configured so, for
// each of its cameras (session.Alone) and with nothing left open
// (session.Chosen). It opens the configured networks, which takes about a second.
func Examine(ctx context.Context, cameras ...config.Config) Report {
	cv := opencv.ReadFacts()
	rt, rtErr := ort.Version()
	loaded := loadedLibraries()
	r := Report{Machine: ReadMachine(), Libraries: map[string]string{"opencv": cv.Version}}
	for _, name := range ffmpegLibraries {
		if v := loaded[name]; v != "" {
			r.Libraries[name] = v
		}
	}
	if rtErr == nil {
		r.Libraries["onnxruntime"] = rt
	}
	r.Groups = []Group{
		{"machine", r.Machine.checks()},
		{"libraries", libraries(cv, onnxRuntime(rt, rtErr), loaded)},
		{"backends", backends(cv)},
		{"data", data(ctx, cameras)},
		{"what a run would use", networks(cameras)},
	}
	r.OK = true
	for _, g := range r.Groups {
		for _, c := range g.Checks {
			r.OK = r.OK && c.State != Missing
		}
	}
	return r
}

func libraries(cv opencv.Facts, rt Check, loaded map[string]string) []Check {
	return []Check{
		{"dashline", Good, program(), ""},
		{"OpenCV", Good, fmt.Sprintf("%s, built against %s (%s)", cv.Version, gocv.OpenCVVersion(), cv.Parallel), ""},
		ffmpeg(loaded),
		rt,
	}
}

func onnxRuntime(version string, err error) Check {
	c := Check{Name: "ONNX Runtime", State: Good}
	if err == nil {
		path, err := ort.Library()
		c.Says = version + ", " + path
		if err == nil {
			return c
		}
	}
	// The error ends with its mend.
	c.State, c.Says, c.Mend = Note, err.Error(), "until then everything but the engine ort works"
	return c
}

// program says what this program was built from and with.
func program() string {
	said := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				said = fmt.Sprintf("revision %.10s, ", s.Value) + said
			}
		}
	}
	return said
}

var ffmpegLibraries = []string{"libavcodec", "libavformat", "libavutil", "libswscale"}

func ffmpeg(loaded map[string]string) Check {
	c := Check{Name: "FFmpeg", State: Good}
	var there []string
	for _, name := range ffmpegLibraries {
		if v := loaded[name]; v != "" {
			there = append(there, name+" "+v)
		}
	}
	if len(there) < len(ffmpegLibraries) {
		c.State, c.Says = Missing, "OpenCV reads no video: it does not bring FFmpeg along"
		c.Mend = "use the distribution's OpenCV (scripts/setup) or one that was built with FFmpeg"
		return c
	}
	c.Says = strings.Join(there, ", ")
	if v := loaded["libx264"]; v != "" {
		c.Says += ", H.264 is written by x264 " + v
	}
	return c
}

func backends(cv opencv.Facts) []Check {
	cuda := Check{"cuda", Good, cv.CUDA, ""}
	if !cv.CUDABuilt || cv.CUDADevices == 0 {
		cuda.State, cuda.Mend = Note, "networks run on cpu; for CUDA build against an OpenCV with CUDA and cuDNN and install NVIDIA's driver"
	}
	cl := Check{"opencl", Good, cv.OpenCL, ""}
	switch {
	case cv.OpenCL == "":
		cl.State, cl.Says, cl.Mend = Note, "no device", "networks run on cpu; for OpenCL install your GPU's OpenCL driver"
	case !cv.OpenCLUsed:
		cl.State, cl.Says, cl.Mend = Note, cv.OpenCL+", which OpenCV DNN does not use", "networks run on cpu"
	}
	return []Check{
		{"cpu", Good, "OpenCV's code for this CPU: " + cv.CPU, ""},
		cuda,
		cl,
	}
}

func data(ctx context.Context, cameras []config.Config) []Check {
	shipped := Check{"shipped", Good, absolute(catalog.Shipped()), ""}
	if catalog.Shipped() == "" {
		shipped.State, shipped.Says, shipped.Mend = Note, "none", "for the default drive and its networks run in the project's folder, or set DASHLINE_DATA to a copy of its testdata"
	}
	assets := Check{"assets", Good, absolute(catalog.Assets()), ""}
	if catalog.Assets() == "" {
		assets.State, assets.Says, assets.Mend = Note, "none", "for more networks and drives set DASHLINE_ASSETS to a folder that has networks/ and drives/"
	}
	checks := []Check{cacheFolder(), shipped, assets}
	seen := map[string]bool{} // a camera with several networks stands there several times
	for _, c := range cameras {
		if !seen[c.Source] {
			seen[c.Source] = true
			checks = append(checks, opens(ctx, c.Source))
		}
	}
	return checks
}

// opens opens a source of frames as a run would.
func opens(ctx context.Context, path string) Check {
	if path == "" {
		return Check{"source", Missing, "none named, and the default drive is not there", "name a video or a folder of images: dashline run SOURCE"}
	}
	if config.Remote(path) {
		return Check{"source", Note, path + " is a camera on the network, which only a run connects to", "see how it does: dashline run SOURCE --duration 5s"}
	}
	s, err := sensors.Open(ctx, path, sensors.Options{})
	if err != nil {
		return Check{"source", Missing, err.Error(), "name a video or a folder of images: dashline run SOURCE"}
	}
	defer s.Close()
	info := s.Info()
	return Check{"source", Good, fmt.Sprintf("%s, %s of %dx%d at %g frames/s", absolute(path), info.Kind, info.Width, info.Height, info.FPS), ""}
}

func cacheFolder() Check {
	c := Check{Name: "cache", State: Good}
	dir, err := os.UserCacheDir()
	if err != nil {
		c.State, c.Says, c.Mend = Note, err.Error(), "set XDG_CACHE_HOME or HOME, so that dashline fetch has a place"
		return c
	}
	c.Says = filepath.Join(dir, "dashline")
	return c
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func networks(cameras []config.Config) []Check {
	var checks []Check
	seen := map[string]bool{} // cameras often share a network
	look := func(name, ref string, r config.Runtime) {
		if key := fmt.Sprint(name, ref, r); !seen[key] {
			seen[key] = true
			checks = append(checks, network(name, ref, r))
		}
	}
	for _, c := range cameras {
		look("objects", c.Detect.Network, c.Detect.Runtime)
		if c.Lanes.Enabled {
			look("lanes", c.Lanes.Network, c.Lanes.Runtime)
		}
	}
	return checks
}

// network opens a network as a run would and says what it then runs on.
func network(name, ref string, r config.Runtime) Check {
	c := Check{Name: name, State: Good}
	d, err := catalog.Resolve(ref)
	if missing := (*catalog.MissingError)(nil); errors.As(err, &missing) {
		c.State, c.Says = Missing, fmt.Sprintf("%s: %s not found in %s", d.Name, strings.Join(missing.Files, ", "), strings.Join(missing.Dirs, ", "))
		c.Mend = "put it into one of these folders, or set DASHLINE_ASSETS to where networks/ is"
		if d.Fetchable() {
			c.Mend = "dashline fetch " + d.Name
		}
		return c
	}
	if err != nil {
		c.State, c.Says, c.Mend = Missing, err.Error(), "dashline networks lists the names"
		return c
	}
	if err := d.Verify(); err != nil {
		c.State, c.Says, c.Mend = Missing, err.Error(), "remove the file and fetch it again: dashline fetch "+d.Name
		return c
	}
	net, err := engine.Open(&d, r.Engine, r.Options())
	if err != nil {
		c.State, c.Says, c.Mend = Missing, err.Error(), "choose another engine or backend, or run dashline networks for others"
		return c
	}
	defer net.Close()
	info := net.Info()
	c.Says = fmt.Sprintf("%s on %s %s, %s", d.Name, info.Engine, info.Version, words(info))
	if info.Fallback != "" {
		c.State, c.Says, c.Mend = Note, c.Says+", not "+string(info.Requested)+": "+info.Fallback, "choose backend "+string(info.Backend)+", or mend that"
	}
	return c
}

func words(info infer.Info) string {
	return fmt.Sprintf("%s, %d thread(s); its files are as described; loaded in %v, first forward %v",
		info.Backend, info.Threads, info.Load.Round(time.Millisecond), info.First.Round(time.Millisecond))
}
