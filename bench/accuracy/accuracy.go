// Package accuracy runs a described network over labelled pictures and drives
// and measures how right it is.
//
// Invariants:
//   - A network runs through the code that a pipeline runs it through; only the
//     score threshold is lower, and 100 detections a picture are kept, as COCO's
//     average precision wants it.
//   - A labelled picture that cannot be read, or is not of the size that its labels
//     say, ends the measurement: figures are of all pictures or there are none. Of
//     data without labels ([Options.Plain]) such pictures are passed over, and
//     [Agreement].Pictures is how many there were.
//   - What is left out (classes that the network does not know, frames that were
//     not asked for) is in the report.
//   - The same network, engine and data give the same report.
//
// Frames of a drive that follow each other are nearly the same. So intervals are
// made by drawing whole seconds of a drive, not frames.
package accuracy

import (
	"context"
	"errors"
	"fmt"

	"dashline/infer"
	"dashline/infer/engine"
	"dashline/model/catalog"
)

// Options say what to measure.
type Options struct {
	Network string   // name or description, as catalog.Resolve takes it
	Engine  string   // as infer/engine has them; "" means auto
	Data    []string // labelled folders, COCO files and videos with truth beside them
	Every   int      // takes every Nth frame of a drive; 0 means 1
	Frames  int      // takes the first so many frames of a drive with truth; 0 means all
	// Plain takes data without labels, and labelled data without its labels: any
	// source with an end. What is found can then only be held against what
	// another network finds, with [Found.Agree].
	Plain bool
	// Progress is called after each picture, with how many there are in all.
	Progress func(done, total int)
}

// NetworkError says that a network is not known or is not for the task.
type NetworkError struct{ Err error }

func (e *NetworkError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.Err }

// Known finds a network for a task, "detect" or "lanes", without opening it. It
// is for telling early that a name is wrong.
func Known(network, task string) (*catalog.Network, error) {
	d, err := catalog.Resolve(network)
	if _, missing := errors.AsType[*catalog.MissingError](err); missing {
		return nil, err // the name is right, the machine lacks the files
	}
	if err != nil {
		return nil, &NetworkError{err}
	}
	if d.Task != task {
		return nil, &NetworkError{fmt.Errorf("network %s is for %s, not %s: `dashline networks` lists what each is for", d.Name, d.Task, task)}
	}
	return &d, nil
}

// open opens a described network for a task.
func (o Options) open(task string, opt infer.Options) (*catalog.Network, infer.Network, error) {
	d, err := Known(o.Network, task)
	if err != nil {
		return nil, nil, err
	}
	net, err := engine.Open(d, o.Engine, opt)
	return d, net, err
}

// each calls use for the pictures of all data, in order.
func (o Options) each(ctx context.Context, all []source, use func(v *view) error) error {
	every := max(o.Every, 1)
	total, done := 0, 0
	for _, s := range all {
		total += s.pictures(every)
	}
	for i, s := range all {
		err := s.each(ctx, every, func(v *view) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			v.data = i
			if err := use(v); err != nil {
				return err
			}
			done++
			if o.Progress != nil {
				o.Progress(done, total)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// blocks numbers what is to be drawn together: the seconds of each drive, and
// each picture that is in none.
type blocks struct {
	number map[[2]int]int
	next   int
}

func (b *blocks) of(v *view) int {
	if v.second < 0 {
		b.next++
		return b.next
	}
	key := [2]int{v.data, v.second}
	n, known := b.number[key]
	if !known {
		if b.number == nil {
			b.number = map[[2]int]int{}
		}
		b.next++
		n = b.next
		b.number[key] = n
	}
	return n
}
