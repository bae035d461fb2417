// Command dashline is a real-time perception pipeline for vehicles: frames in;
// objects, lanes and a plan out over NATS, each frame before its deadline or
// counted as not.
//
// Exit codes: 0 all went well; 1 it could not run, or broke on the way; 2 the
// command line or the configuration is wrong; 3 it ran to its end, but not
// everything went well (frames failed, messages were lost, input was damaged).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"dashline/internal/plain"
	"dashline/internal/redact"
)

// The exit codes.
const (
	exitOK     = 0
	exitBroken = 1
	exitUsage  = 2
	exitPartly = 3
)

// streams are where a command reads and writes.
type streams struct {
	Out, Err io.Writer
}

// exit is an error with the exit code that it asks for. Without a message the
// code alone speaks.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// cli lists the commands.
type cli struct {
	Run      runCmd      `cmd:"" help:"Run the pipeline on a video or a folder of images."`
	Record   recordCmd   `cmd:"" help:"Run the pipeline and keep what came and what was published in an MCAP file."`
	Listen   listenCmd   `cmd:"" help:"Print the messages of a running pipeline."`
	Networks networksCmd `cmd:"" help:"List the networks that are described, or show one."`
	Fetch    fetchCmd    `cmd:"" help:"Download the files of a network."`
	Config   configCmd   `cmd:"" help:"Print the effective configuration, or its JSON Schema."`
	Doctor   doctorCmd   `cmd:"" help:"Say what is installed, what will be used and what is missing."`
	Info     infoCmd     `cmd:"" help:"Say what a recording holds, and check it."`
	Explain  explainCmd  `cmd:"" help:"Say why frames of a recording were late, dropped or failed."`
	Recover  recoverCmd  `cmd:"" help:"Make a recording whole that was cut off or is damaged."`
	Synth    synthCmd    `cmd:"" help:"Make a synthetic drive: a video with its truth, or a folder to train from."`
	Camera   cameraCmd   `cmd:"" help:"Serve a video as one or more RTSP cameras that can be told to misbehave."`
	Eval     evalCmd     `cmd:"" help:"Measure how right a network is, or compare result files."`
	Bench    benchCmd    `cmd:"" help:"Measure latency under load, and say how sure that is."`
	Model    modelCmd    `cmd:"" help:"Say what a network costs, convert it, shrink it, and measure what that gives away."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

const description = `A real-time perception pipeline for vehicles: video in; objects, lanes and a plan out over NATS.

  dashline run drive.mp4 --save seen.mp4    run on a video, write what was seen
  dashline listen                           print what a running pipeline publishes
  dashline doctor                           what is installed, what is missing

Exit codes: 0 all went well; 1 it could not run, or broke on the way; 2 the command line or the configuration is wrong; 3 it ran to its end, but frames failed or messages were lost.`

func main() {
	os.Exit(run(untilSignal(), os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// untilSignal ends with the first SIGINT or SIGTERM. The second does what it
// does to any program: whoever will not wait for an orderly end need not.
func untilSignal() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, s streams) (code int) {
	// kong ends the process after --help; here it only leaves run.
	type leave struct{ code int }
	defer func() {
		if p := recover(); p != nil {
			l, ok := p.(leave)
			if !ok {
				panic(p)
			}
			code = l.code
		}
	}()
	parser := newParser(ctx, s, func(code int) { panic(leave{code}) })
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.Err, "dashline: %s\n", plain.Lines(redact.Text(err.Error())))
		var perr *kong.ParseError
		if errors.As(err, &perr) {
			fmt.Fprintf(s.Err, "Try: %s --help\n", command(perr.Context))
		}
		return exitUsage
	}
	return report(s, k.Run())
}

// newParser is that of the command line. Its help ends with a call of leave.
func newParser(ctx context.Context, s streams, leave func(code int)) *kong.Kong {
	return kong.Must(&cli{},
		kong.Name("dashline"),
		kong.Description(description),
		kong.Writers(s.Out, s.Err),
		kong.Exit(leave),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
}

// command is what was being parsed, as far as it was understood.
func command(k *kong.Context) string {
	if k == nil || k.Selected() == nil {
		return "dashline"
	}
	return k.Selected().FullPath()
}

// report prints an error and turns it into an exit code.
func report(s streams, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitBroken
	var e *exit
	if errors.As(err, &e) {
		code = e.code
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(s.Err, "dashline: %s\n", plain.Lines(redact.Text(msg)))
	}
	return code
}
