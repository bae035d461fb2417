package session

import (
	"context"
	"errors"

	"dashline/internal/redact"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

// discreet is a source whose errors have no credentials in them, although the
// libraries below it may write addresses into theirs: the error of a lost frame
// is published.
type discreet struct{ sensors.Source }

func (d discreet) Next(ctx context.Context, f *frame.Frame) error {
	err := d.Source.Next(ctx, f)
	if err == nil {
		return nil
	}
	clean := redact.Text(err.Error())
	if clean == err.Error() {
		return err
	}
	if lost, ok := errors.AsType[*pipeline.FrameError](err); ok {
		return &pipeline.FrameError{Reason: lost.Reason, Dropped: lost.Dropped, Err: errors.New(redact.Text(lost.Err.Error()))}
	}
	return errors.New(clean)
}
