package frame_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/pipeline/frame"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestAcquireSaysNoWhenEmpty(t *testing.T) {
	p := frame.NewPool(2)
	a, ok := p.Acquire()
	if !ok {
		t.Fatal("a full pool said no")
	}
	b, _ := p.Acquire()
	if _, ok := p.Acquire(); ok {
		t.Fatal("an empty pool gave a third frame")
	}
	if a.Frame == b.Frame {
		t.Fatal("one frame was leased twice")
	}
	a.Release()
	c, ok := p.Acquire()
	if !ok || c.Frame != a.Frame {
		t.Fatal("the released frame did not come back")
	}
	b.Release()
	c.Release()
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestReleaseTwicePanics(t *testing.T) {
	tests := map[string]func(p *frame.Pool, a frame.Lease){
		"at once": func(p *frame.Pool, a frame.Lease) { a.Release() },
		"after the frame went to another holder": func(p *frame.Pool, a frame.Lease) {
			b, _ := p.Acquire()
			defer b.Release()
			a.Release()
		},
		"an empty lease": func(*frame.Pool, frame.Lease) { frame.Lease{}.Release() },
	}
	for name, again := range tests {
		t.Run(name, func(t *testing.T) {
			p := frame.NewPool(1)
			a, _ := p.Acquire()
			a.Release()
			func() {
				defer func() {
					if recover() == nil {
						t.Fatal("no panic")
					}
				}()
				again(p, a)
			}()
			if err := p.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	p := frame.NewPool(1)
	a, _ := p.Acquire()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Wait(ctx); err == nil {
		t.Fatal("Wait on an empty pool returned without an error")
	}
	a.Release()
	b, err := p.Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestCloseWaitsAndTellsWhatIsMissing(t *testing.T) {
	p := frame.NewPool(2)
	a, _ := p.Acquire()
	released := make(chan struct{})
	go func() { a.Release(); close(released) }()
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-released

	q := frame.NewPool(1)
	held, _ := q.Acquire()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := q.Close(ctx)
	if err == nil || !strings.Contains(err.Error(), "1 of 1 leases") {
		t.Fatalf("got %v, want an error that counts the missing lease", err)
	}
	_ = held.Image.Close()
}

func TestManyHoldersNeverShareAFrame(t *testing.T) {
	p := frame.NewPool(3)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				l, err := p.Wait(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				l.Seq = uint64(i) // the race detector sees two writers
				l.Release()
			}
		})
	}
	wg.Wait()
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestLeasingDoesNotAllocate(t *testing.T) {
	p := frame.NewPool(1)
	if n := testing.AllocsPerRun(100, func() {
		l, _ := p.Acquire()
		l.Release()
	}); n != 0 {
		t.Fatalf("%v allocations a lease", n)
	}
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// What is released after a pool gave up waiting for it is freed all the same.
func TestReleaseAfterClose(t *testing.T) {
	p := frame.NewPool(2)
	out, ok := p.Acquire()
	if !ok {
		t.Fatal("no frame")
	}
	if err := out.Noise(8, 6); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err == nil {
		t.Error("it closed with a lease out")
	}
	f := out.Frame
	out.Release()
	if f.Image.Ptr() != nil {
		t.Error("the picture is still there")
	}
}
