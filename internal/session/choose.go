package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dashline/internal/config"
	"dashline/lanes/ground"
	"dashline/model/catalog"
	"dashline/pipeline/record"
	"dashline/sensors"
	"dashline/sensors/synth/truth"
)

// defaultDrive is what runs when no source is named, in the folder of what comes
// with the program.
const defaultDrive = "drives/default.mp4"

// auto is the name of a network that the source decides.
const auto = "auto"

// Chosen is cfg with what it leaves open decided: the default drive where no
// source is named, and each network that is "auto" by what the source is.
// Networks that were trained on synthetic drives know nothing of real ones.
// On an error all but the source is decided.
func Chosen(cfg config.Config) (config.Config, error) {
	if sensors.IsRecording(cfg.Source) {
		cfg = asRecorded(cfg)
	}
	made := cfg.Source == "" || synthetic(cfg.Source)
	if len(cfg.Ladder) == 0 {
		cfg.Detect.Network = choose(cfg.Detect.Network, made, "dashline-tiny", "yolo-fastest-1.1-xl")
	}
	cfg.Lanes.Network = choose(cfg.Lanes.Network, made, "dashline-lanes", "twinlitenet-cv46")
	if cfg.Source != "" {
		return cfg, nil
	}
	path, err := DefaultDrive()
	if err != nil {
		return cfg, err
	}
	cfg.Source = path
	return cfg, nil
}

// DefaultDrive is the drive that comes with the program.
func DefaultDrive() (string, error) {
	shipped := catalog.Shipped()
	if shipped == "" {
		return "", errors.New("no source named, and the default drive is not there: give a video file or a folder of images, run in the project's folder, or set DASHLINE_DATA to a copy of its testdata")
	}
	path := filepath.Join(shipped, filepath.FromSlash(defaultDrive))
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no source named, and the default drive is not there: give a video file or a folder of images (%w)", err)
	}
	return path, nil
}

// asRecorded chooses for a recording what it was made with. One that does not say
// is chosen for as any other drive. Only networks of the catalogue are taken over:
// a recording comes from anywhere, and must not decide which files are loaded.
func asRecorded(cfg config.Config) config.Config {
	text, err := record.ConfigOf(cfg.Source)
	if err != nil {
		return cfg // the source itself says so better
	}
	then, err := config.Parse(cfg.Source, []byte(text))
	if err != nil {
		return cfg
	}
	known := catalog.Names()
	if cfg.Detect.Network == auto && slices.Contains(known, then.Detect.Network) {
		cfg.Detect.Network = then.Detect.Network
	}
	if cfg.Lanes.Network == auto && slices.Contains(known, then.Lanes.Network) {
		cfg.Lanes.Network = then.Lanes.Network
	}
	return cfg
}

func choose(named string, made bool, synthetic, real string) string {
	switch {
	case named != auto:
		return named
	case made:
		return synthetic
	}
	return real
}

// synthetic says that a source was or will be made by dashline synth.
func synthetic(source string) bool {
	if strings.HasPrefix(source, "synth:") {
		return true
	}
	_, ok := truth.Beside(source)
	return ok
}

// cameraBeside is the camera of a drive with truth beside it; ok is false where
// there is none. Truth that cannot be read is an error: it would be no help to
// guess beside it.
func cameraBeside(source string) (c ground.Camera, ok bool, err error) {
	path, ok := truth.Beside(source)
	if !ok {
		return c, false, nil
	}
	r, err := truth.Open(path)
	if err != nil {
		return c, false, err
	}
	defer r.Close()
	return sensors.CameraOf(&r.Drive.Camera), true, nil
}
