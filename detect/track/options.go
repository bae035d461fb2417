package track

import (
	"fmt"
	"time"
)

// Options say how to follow. The zero value of a field stands for its default.
type Options struct {
	// High is the least score of a detection that begins a track and is matched
	// first; 0 means 0.3. It is the detector's usual threshold.
	High float32
	// Low is the least score of a detection that keeps a track alive; 0 means 0.1.
	// It is at most High, and does nothing below the threshold that the detector
	// itself has.
	Low float32
	// Confirm is the time within which a second detection confirms a track: one
	// without is dropped at the next frame that a detector ran on. 0 means 300 ms.
	Confirm time.Duration
	// Lost is how long a track lives without a detection; 0 means 700 ms. A
	// detector that runs more rarely than that confirms no track.
	Lost time.Duration
	// Limit is how many tracks are followed and how many detections of a frame are
	// looked at, the best scores first; 0 means 300. In the worst case the time
	// for a frame grows with its cube.
	Limit int
}

// filled checks the options and fills in what was left open.
func (o Options) filled() (Options, error) {
	if o.High == 0 {
		o.High = 0.3
	}
	if o.Low == 0 {
		o.Low = min(0.1, o.High)
	}
	if o.Confirm == 0 {
		o.Confirm = 300 * time.Millisecond
	}
	if o.Lost == 0 {
		o.Lost = 700 * time.Millisecond
	}
	if o.Limit == 0 {
		o.Limit = 300
	}
	switch {
	case !(o.High > 0 && o.High <= 1):
		return o, fmt.Errorf("track: the high score %g is out of range: use more than 0 and at most 1", o.High)
	case !(o.Low > 0 && o.Low <= o.High):
		return o, fmt.Errorf("track: the low score %g is out of range: use more than 0 and at most the high one, %g", o.Low, o.High)
	case o.Confirm < time.Millisecond || o.Confirm > time.Minute:
		return o, fmt.Errorf("track: the time to confirm of %s is out of range: use 1 ms to 1 min", o.Confirm)
	case o.Lost < time.Millisecond || o.Lost > time.Minute:
		return o, fmt.Errorf("track: the time until a track is lost of %s is out of range: use 1 ms to 1 min", o.Lost)
	case o.Limit < 1 || o.Limit > 1000:
		return o, fmt.Errorf("track: the limit of %d tracks is out of range: use 1 to 1000", o.Limit)
	}
	return o, nil
}
