package detect

import (
	"testing"

	"pgregory.net/rapid"

	"dashline/pipeline/msg"
)

func TestIoU(t *testing.T) {
	tests := []struct {
		a, b msg.Box
		want float64
	}{
		{msg.Box{X1: 10, Y1: 10}, msg.Box{X1: 10, Y1: 10}, 1},
		{msg.Box{X1: 10, Y1: 10}, msg.Box{X0: 5, X1: 15, Y1: 10}, 1. / 3},
		{msg.Box{X1: 10, Y1: 10}, msg.Box{X0: 2, Y0: 2, X1: 7, Y1: 6}, 0.2},
		{msg.Box{X1: 10, Y1: 10}, msg.Box{X0: 10, X1: 20, Y1: 10}, 0}, // they touch
		{msg.Box{X1: 10, Y1: 10}, msg.Box{X0: 20, Y0: 20, X1: 30, Y1: 30}, 0},
		{msg.Box{}, msg.Box{}, 0},
	}
	for _, tt := range tests {
		if got := IoU(tt.a, tt.b); got != tt.want || IoU(tt.b, tt.a) != got {
			t.Errorf("IoU(%v, %v) = %v and %v, want %v", tt.a, tt.b, got, IoU(tt.b, tt.a), tt.want)
		}
	}
}

func TestMatch(t *testing.T) {
	box := func(class int, x float32) msg.Detection {
		return msg.Detection{Class: class, Box: msg.Box{X0: x, X1: x + 100, Y1: 10}}
	}
	type list = []msg.Detection
	tests := []struct {
		name      string
		want, got list
		pairs     int
	}{
		{"nothing", nil, nil, 0},
		{"nothing found", list{box(0, 0)}, nil, 0},
		{"another class", list{box(0, 0)}, list{box(1, 0)}, 0},
		{"moved by 2 %", list{box(0, 0)}, list{box(0, 2)}, 1},
		{"moved by 3 %", list{box(0, 0)}, list{box(0, 3)}, 0},
		{"one of got serves one of want", list{box(0, 0), box(0, 1)}, list{box(0, 0)}, 1},
		{"one of want takes one of got", list{box(0, 0)}, list{box(0, 0), box(0, 1)}, 1},
		{"the nearest is taken", list{box(0, 1), box(0, -1)}, list{box(0, 0), box(0, 1)}, 2},
		{"any order", list{box(0, 0), box(0, 50), box(1, 0)}, list{box(1, 0), box(0, 51), box(0, 0)}, 3},
	}
	for _, tt := range tests {
		if got := Match(tt.want, tt.got, 0.95); got != tt.pairs {
			t.Errorf("%s: %d pairs, want %d", tt.name, got, tt.pairs)
		}
	}
}

// TestMatchAfterSuppression: lists that went through suppression match
// themselves in any order and the same both ways round.
func TestMatchAfterSuppression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := func(in []candidate) []msg.Detection {
			var out []msg.Detection
			for _, c := range nms(in, 0.45, len(in)) {
				out = append(out, msg.Detection{Class: int(c.class), Box: msg.Box{X0: c.x0, Y0: c.y0, X1: c.x1, Y1: c.y1}})
			}
			return out
		}
		a, b := list(boxes(t)), list(boxes(t))
		if n := Match(a, rapid.Permutation(a).Draw(t, "order"), 0.95); n != len(a) {
			t.Fatalf("%d of %d match themselves", n, len(a))
		}
		if ab, ba := Match(a, b, 0.95), Match(b, a, 0.95); ab != ba || ab > min(len(a), len(b)) {
			t.Fatalf("%d pairs one way, %d the other", ab, ba)
		}
	})
}
