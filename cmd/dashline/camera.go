package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/term"

	"dashline/internal/session"
	"dashline/sensors/camera"
)

type cameraCmd struct {
	Source       string        `arg:"" optional:"" help:"Video file, or synth:SCENARIO (default: the default drive)."`
	File         cameraFile    `name:"config" short:"c" placeholder:"FILE" help:"YAML file with any of the keys below, written with underscores, as in burst_length."`
	RTSP         string        `yaml:"rtsp" name:"rtsp" default:"127.0.0.1:8554" placeholder:"ADDRESS" help:"Where to serve RTSP; port 0 is any that is free (default: ${default})."`
	UDPPort      int           `yaml:"udp_port" name:"udp-port" default:"0" placeholder:"PORT" help:"Even UDP port of RTP, RTCP has the next; 0: any; -1: TCP only (default: ${default})."`
	Count        int           `yaml:"count" default:"1" placeholder:"N" help:"Cameras that show the film (default: ${default})."`
	Codec        string        `yaml:"codec" enum:",copy,h264,h265,mjpeg" default:"" placeholder:"CODEC" help:"The file's own packets (copy), or h264, h265 or mjpeg (default: copy; of the default drive h264 without B-frames, as cameras send it)."`
	Size         string        `yaml:"size" placeholder:"WxH" help:"Encode pictures of another size, as in 640x360."`
	GOP          int           `yaml:"gop" name:"gop" placeholder:"N" help:"Encode with a key frame every N frames."`
	BFrames      int           `yaml:"b_frames" name:"b-frames" placeholder:"N" help:"Encode with up to N B-frames between two others."`
	User         string        `yaml:"user" placeholder:"NAME" help:"Who may watch. The password is in DASHLINE_CAMERA_PASSWORD, or in --password-file."`
	PasswordFile string        `yaml:"password_file" placeholder:"FILE" help:"File whose first line is the password."`
	Auth         []string      `yaml:"auth" placeholder:"WAY" help:"How it is proved: basic, digest (default: both are offered)."`
	TLS          bool          `yaml:"tls" name:"tls" help:"Serve RTSPS, with a certificate made at the start if none is given."`
	Cert         string        `yaml:"cert" placeholder:"FILE" help:"Certificate, PEM."`
	Key          string        `yaml:"key" placeholder:"FILE" help:"Its key, PEM."`
	Control      string        `yaml:"control" placeholder:"ADDRESS" help:"Where to serve the HTTP interface that changes faults, as in 127.0.0.1:8555."`
	Seed         uint64        `yaml:"seed" default:"1" placeholder:"N" help:"What faults are drawn with (default: ${default})."`
	Duration     time.Duration `yaml:"duration" placeholder:"TIME" help:"End after so long (default: go on until Ctrl-C)."`
	JSON         bool          `yaml:"json" name:"json" help:"Print one JSON object with the addresses, and one with the counts at the end."`
	Quiet        bool          `yaml:"quiet" short:"q" help:"Show no progress and no status."`

	camera.Faults `embed:"" group:"Faults of every camera, all none by default:"`
}

func (cameraCmd) Help() string {
	return `Examples:
  dashline camera                                  the default drive as rtsp://127.0.0.1:8554/camera0
  dashline camera drive.mp4 --count 4              camera0 to camera3
  dashline camera drive.mp4 --codec h265 --size 640x360 --gop 30
  dashline camera 'synth:city?seed=3&duration=20s' --codec mjpeg
  dashline camera drive.mp4 --loss 0.01 --jitter 20ms --seed 7
  dashline camera drive.mp4 --disconnect-every 10s --clock-drift=-50
  dashline camera drive.mp4 --config rain.yaml --seed 8
                                                   flags from a file; those given besides it win
  DASHLINE_CAMERA_PASSWORD=secret dashline camera drive.mp4 --user guest --tls
  dashline camera drive.mp4 --control 127.0.0.1:8555
  curl -X PATCH -d '{"loss": 0.1}' http://127.0.0.1:8555/cameras/0/faults

The film is shown in a loop. The addresses and, with --json, the counts go to standard output, everything else to standard error. docs/camera.md says what each fault does.

Exit codes: 0 ended as asked, by Ctrl-C or --duration; 1 it could not start; 2 the command line is wrong; 3 ended as asked, but a camera had broken.`
}

// Run serves until ctx is done or the time is over.
func (c *cameraCmd) Run(ctx context.Context, out streams) error {
	o, err := c.options()
	if err != nil {
		return &exit{exitUsage, err}
	}
	p := newCounter(out.Err, 0, c.Quiet)
	o.Progress = p.set
	s, err := camera.Start(ctx, o)
	p.wait()
	if err != nil {
		return err
	}
	defer s.Close()
	control, stop, err := c.control(s)
	if err != nil {
		return err
	}
	defer stop()
	if err := c.announce(s, control, out); err != nil {
		return err
	}
	if late := s.LateBy(); !c.Quiet && o.Codec == "" && late > 0 {
		fmt.Fprintf(out.Err, "%s has B-frames, so each picture comes up to %d frames after it was taken, as from few cameras; --codec h264 --gop 30 encodes it without\n", o.Source, late)
	}
	if c.Duration > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, c.Duration)
		defer end()
	}
	c.show(ctx, s, out.Err)
	return c.conclude(s, out)
}

// options are those of the command line.
func (c *cameraCmd) options() (camera.Options, error) {
	o := camera.Options{
		Listen: c.RTSP, Count: c.Count, Source: c.Source, Codec: c.Codec, GOP: c.GOP, BFrames: c.BFrames,
		User: c.User, Auth: c.Auth, TLS: c.TLS, CertFile: c.Cert, KeyFile: c.Key,
		UDPPort: c.UDPPort, Faults: c.Faults, Seed: c.Seed,
	}
	if c.Count < 1 {
		return o, fmt.Errorf("--count %d: give 1 to %d", c.Count, camera.MaxCameras)
	}
	if c.Duration < 0 {
		return o, fmt.Errorf("--duration %v: give a time as in 8s", c.Duration)
	}
	if c.Size != "" {
		var rest string
		n, _ := fmt.Sscanf(c.Size, "%dx%d%s", &o.Width, &o.Height, &rest)
		if n != 2 || o.Width < 1 || o.Height < 1 {
			return o, fmt.Errorf("--size %s: give it as in 640x360", c.Size)
		}
	}
	var err error
	if o.Password, err = c.password(); err != nil {
		return o, err
	}
	if o.Source == "" {
		if o.Source, err = session.DefaultDrive(); err != nil {
			return o, err
		}
		if o.Codec == "" && o.GOP == 0 && o.BFrames == 0 && o.Width == 0 {
			o.Codec, o.GOP = camera.H264, 30
		}
	}
	return o, o.Validate()
}

// password is the one that belongs to --user. It is no flag, since the list of
// processes shows flags to everybody.
func (c *cameraCmd) password() (string, error) {
	const mend = "set DASHLINE_CAMERA_PASSWORD, or name a file with --password-file"
	switch {
	case c.User == "" && c.PasswordFile != "":
		return "", errors.New("--password-file without --user: say whose password it is")
	case c.User == "":
		return "", nil
	case c.PasswordFile == "":
		if p := os.Getenv("DASHLINE_CAMERA_PASSWORD"); p != "" {
			return p, nil
		}
		return "", errors.New("--user without a password: " + mend)
	}
	f, err := os.Open(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
		return "", fmt.Errorf("--password-file %s: its first line is empty: write the password there", c.PasswordFile)
	}
	return string(line), nil
}

// control serves the HTTP interface where it is wanted; stop ends it and waits.
func (c *cameraCmd) control(s *camera.Server) (url string, stop func(), err error) {
	if c.Control == "" {
		return "", func() {}, nil
	}
	ln, err := net.Listen("tcp", c.Control)
	if err != nil {
		return "", nil, fmt.Errorf("--control %s: %w: give another address, or port 0 for any that is free", c.Control, err)
	}
	h := &http.Server{Handler: s.Control(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Serve(ln) // until it is closed
	}()
	return "http://" + ln.Addr().String(), func() { _ = h.Close(); <-done }, nil
}

// announce prints where the cameras are.
func (c *cameraCmd) announce(s *camera.Server, control string, out streams) error {
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(struct {
			URLs    []string `json:"urls"`
			Control string   `json:"control,omitempty"`
		}{s.URLs(), control})
	}
	for _, url := range s.URLs() {
		if _, err := fmt.Fprintln(out.Out, url); err != nil {
			return err
		}
	}
	if control != "" {
		fmt.Fprintf(out.Err, "faults at %s/cameras\n", control)
	}
	return nil
}

// show prints how it goes until ctx ends: a line that rewrites itself on a
// terminal, else one now and then.
func (c *cameraCmd) show(ctx context.Context, s *camera.Server, out io.Writer) {
	if c.Quiet {
		<-ctx.Done()
		return
	}
	begin, every, end := "", lineEvery, "\n"
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		begin, every, end = "\r", time.Second/2, "\x1b[K"
		defer fmt.Fprintln(out)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fmt.Fprint(out, begin, status(s.Reports()), end)
		}
	}
}

// status is one line about all cameras.
func status(all []camera.Report) string {
	var sum camera.Stats
	for _, r := range all {
		sum.Clients += r.Stats.Clients
		sum.Frames += r.Stats.Frames
		sum.Packets += r.Stats.Packets
		sum.Lost += r.Stats.Lost + r.Stats.BurstLost + r.Stats.Overflowed
	}
	return fmt.Sprintf("%d clients  %d frames  %d packets  %d lost", sum.Clients, sum.Frames, sum.Packets, sum.Lost)
}

// conclude says how it was.
func (c *cameraCmd) conclude(s *camera.Server, out streams) error {
	all := s.Reports()
	if c.JSON {
		if err := json.NewEncoder(out.Out).Encode(struct {
			Cameras []camera.Report `json:"cameras"`
		}{all}); err != nil {
			return err
		}
	} else if !c.Quiet {
		fmt.Fprintln(out.Err, status(all))
	}
	for _, r := range all {
		if r.Stats.Error != "" {
			return &exit{exitPartly, fmt.Errorf("camera %d broke: %s", r.Camera, r.Stats.Error)}
		}
	}
	return nil
}
