// Command picture makes the README's picture: what the pipeline sees and plans
// on one frame of the default drive.
//
//	go run ./internal/tools/picture docs/pictures/seen.png
package main

import (
	"context"
	"fmt"
	"os"

	"gocv.io/x/gocv"

	"dashline/internal/config"
	"dashline/internal/overlay"
	"dashline/internal/session"
	"dashline/pipeline"
)

const frames = 751

func main() {
	if err := picture(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func picture(path string) error {
	cfg := config.Default()
	cfg.Frames = frames
	s, err := session.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	p := overlay.NewPainter(s.Feeds[0].Camera)
	defer p.Close()
	s.Feeds[0].Viewer = &sketch{p, path}
	_, err = s.Run(context.Background())
	return err
}

// sketch paints the last frame.
type sketch struct {
	painter *overlay.Painter
	path    string
}

func (k *sketch) View(v *pipeline.View) error {
	if v.Frame.Seq != frames-1 {
		return nil
	}
	k.painter.Paint(v)
	if !gocv.IMWrite(k.path, v.Frame.Image) {
		return fmt.Errorf("cannot write %s", k.path)
	}
	return nil
}
