// Package frame is the only owner of image memory.
//
// A [Pool] has a fixed number of frames, each with one Mat that is allocated
// when its first picture is read and reused after that. Acquire hands out a
// [Lease] or says no; whoever holds the lease may write the frame, and passes
// the lease on or releases it. Stages borrow the frame for the length of one
// call and keep nothing of it.
//
// Invariants:
//   - A frame has one holder at a time.
//   - Releasing a lease twice, or after its frame went to somebody else, panics:
//     it is a bug that would otherwise show as a torn picture.
//   - Close waits until every lease is back, and then frees the Mats.
package frame

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gocv.io/x/gocv"

	"dashline/pipeline/msg"
)

// Frame is one picture and its header. Image is 8-bit BGR.
type Frame struct {
	msg.Header
	Image gocv.Mat
	// Idle is the part of reading in which the source only waited for the picture
	// to be there. The source sets it.
	Idle time.Duration
	// Lag is how old the picture was when reading it was done: the time since its
	// capture, never negative, 0 where that is not known. The source sets it.
	Lag time.Duration

	generation atomic.Uint64 // odd while leased
}

// Lease is the right to use a frame until Release. The zero Lease holds nothing.
type Lease struct {
	*Frame
	pool *Pool
	term uint64 // the frame's generation when it was leased
}

// Held says whether the lease holds a frame.
func (l Lease) Held() bool { return l.Frame != nil }

// Release gives the frame back to its pool. It panics when the lease was
// released before.
func (l Lease) Release() {
	if l.Frame == nil {
		panic("frame: release of an empty lease")
	}
	if !l.Frame.generation.CompareAndSwap(l.term, l.term+1) {
		panic(fmt.Sprintf("frame: lease of frame %d released twice", l.Seq))
	}
	l.pool.free <- l.Frame
	if l.pool.given.Load() {
		l.pool.freeRest()
	}
}

// Pool is a fixed set of frames. All methods may be called from any goroutine.
type Pool struct {
	free  chan *Frame
	size  int
	close sync.Once
	given atomic.Bool // up: Close waits no more, and whoever releases frees
}

// NewPool makes a pool of size frames. It panics when size < 1.
func NewPool(size int) *Pool {
	if size < 1 {
		panic("frame: a pool needs at least one frame")
	}
	p := &Pool{free: make(chan *Frame, size), size: size}
	for range size {
		p.free <- &Frame{Image: gocv.NewMat()}
	}
	return p
}

// Acquire returns a frame if one is free.
func (p *Pool) Acquire() (Lease, bool) {
	select {
	case f := <-p.free:
		return p.lease(f), true
	default:
		return Lease{}, false
	}
}

// Wait returns a frame as soon as one is free, or the context's error.
func (p *Pool) Wait(ctx context.Context) (Lease, error) {
	select {
	case f := <-p.free:
		return p.lease(f), nil
	case <-ctx.Done():
		return Lease{}, ctx.Err()
	}
}

func (p *Pool) lease(f *Frame) Lease {
	f.Header = msg.Header{}
	return Lease{Frame: f, pool: p, term: f.generation.Add(1)}
}

// Close waits until every lease has been released and frees the Mats. When ctx
// ends first it returns an error that says how many leases are still out; the
// frames that are back are freed all the same, and the others when they are
// released.
func (p *Pool) Close(ctx context.Context) error {
	var err error
	p.close.Do(func() {
		for back := range p.size {
			select {
			case f := <-p.free:
				_ = f.Image.Close()
			case <-ctx.Done():
				p.given.Store(true)
				p.freeRest()
				err = fmt.Errorf("frame pool: %d of %d leases were not released: %w", p.size-back, p.size, ctx.Err())
				return
			}
		}
	})
	return err
}

// freeRest frees the frames that came back after Close gave up.
func (p *Pool) freeRest() {
	for {
		select {
		case f := <-p.free:
			_ = f.Image.Close()
		default:
			return
		}
	}
}

// Noise makes the picture one of that size that shows nothing, always the same: for
// timing what works on pictures, and what is in them changes little of that. Sizes
// are at least 1.
func (f *Frame) Noise(width, height int) error {
	_ = f.Image.Close()
	f.Image = gocv.NewMatWithSizes([]int{height, width}, gocv.MatTypeCV8UC3)
	data, err := f.Image.DataPtrUint8()
	if err != nil {
		return fmt.Errorf("a picture of %dx%d: %w", width, height, err)
	}
	x := uint32(1)
	for i := range data {
		x = x*1664525 + 1013904223 // the generator of Numerical Recipes; any would do
		data[i] = byte(x >> 24)
	}
	return nil
}
