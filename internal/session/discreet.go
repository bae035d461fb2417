package session

import (
	"context"
	"errors"

	"dashline/internal/plain"
	"dashline/internal/redact"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

// clean makes what a source says fit for people and messages: without
// credentials, although the libraries below it may write addresses into their
// errors; and in one line that drives no terminal, although it may be a camera's
// own words.
func clean(text string) string { return plain.Line(redact.Text(text)) }

// cleaned is an error that says no more than its text; what it is stays known.
type cleaned struct {
	text string
	err  error
}

func (c *cleaned) Error() string { return c.text }

// Unwrap returns the cause, whose own text is not for people.
func (c *cleaned) Unwrap() error { return c.err }

// cleanError is err where that is fit already.
func cleanError(err error) error {
	if err == nil {
		return nil
	}
	text := clean(err.Error())
	if text == err.Error() {
		return err
	}
	return &cleaned{text, err}
}

// discreet is a source whose errors are clean: that of a lost frame is published.
type discreet struct{ sensors.Source }

func (d discreet) Next(ctx context.Context, f *frame.Frame) error {
	err := d.Source.Next(ctx, f)
	said := cleanError(err)
	if lost, ok := errors.AsType[*pipeline.FrameError](err); ok && said != err {
		return &pipeline.FrameError{Reason: lost.Reason, Dropped: lost.Dropped, Err: cleanError(lost.Err)}
	}
	return said
}
