package ordered_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"dashline/internal/ordered"
	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func count(n int) func(yield func(int) bool) error {
	return func(yield func(int) bool) error {
		for i := range n {
			if !yield(i) {
				return nil
			}
		}
		return nil
	}
}

func TestOrderIsKept(t *testing.T) {
	for _, workers := range []int{-1, 1, 3, 16} {
		var got []int
		err := ordered.Map(t.Context(), workers, count(100), func(i int) (int, error) {
			if i%7 == 0 {
				time.Sleep(time.Millisecond) // others overtake
			}
			return i * i, nil
		}, func(v int) error { got = append(got, v); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 100 || !slices.IsSorted(got) || got[9] != 81 {
			t.Errorf("%d workers: %v", workers, got)
		}
	}
}

// A producer that is far ahead waits.
func TestOnlyAFewAreUnderway(t *testing.T) {
	const workers = 4
	var begun, most, used atomic.Int64
	err := ordered.Map(t.Context(), workers, func(yield func(int) bool) error {
		for i := range 200 {
			most.Store(max(most.Load(), begun.Add(1)-used.Load()))
			if !yield(i) {
				break
			}
		}
		return nil
	}, func(i int) (int, error) { return i, nil }, func(int) error {
		time.Sleep(100 * time.Microsecond)
		used.Add(1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// One in produce's hand and one in use's come on top.
	if n := most.Load(); n > 2*workers+2 {
		t.Errorf("%d underway with %d workers", n, workers)
	}
}

func TestTheFirstErrorEndsAll(t *testing.T) {
	bad, worse := errors.New("bad"), errors.New("worse")
	keep := func(int) error { return nil }
	same := func(i int) (int, error) { return i, nil }
	failing := func(i int) (int, error) {
		switch i {
		case 5:
			time.Sleep(5 * time.Millisecond)
			return 0, bad
		case 6:
			return 0, worse
		}
		return i, nil
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		got, want error
	}{
		"in the order of values": {ordered.Map(t.Context(), 4, count(1<<30), failing, keep), bad},
		"of use":                 {ordered.Map(t.Context(), 4, count(1<<30), same, func(int) error { return bad }), bad},
		"of produce, at its end": {ordered.Map(t.Context(), 4, func(yield func(int) bool) error { yield(1); return bad }, same, keep), bad},
		"of the context":         {ordered.Map(cancelled, 4, count(1<<30), same, keep), context.Canceled},
		"none":                   {ordered.Map(t.Context(), 4, count(0), same, keep), nil},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v; want %v", name, tt.got, tt.want)
		}
	}
}

func TestCancellingInTheMiddle(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := ordered.Map(ctx, 2, count(1<<30), func(i int) (int, error) { return i, nil }, func(int) error {
		if n++; n == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n < 10 {
		t.Errorf("%v after %d", err, n)
	}
}
