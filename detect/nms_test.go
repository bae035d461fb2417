package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// boxes draws candidates with few distinct values, so that equal scores, equal
// boxes and overlaps at the threshold are common.
func boxes(t *rapid.T) []candidate {
	n := rapid.IntRange(0, 60).Draw(t, "n")
	out := make([]candidate, n)
	for i := range out {
		x := float32(rapid.IntRange(0, 12).Draw(t, "x"))
		y := float32(rapid.IntRange(0, 12).Draw(t, "y"))
		out[i] = candidate{
			x0: x, y0: y,
			x1:    x + float32(rapid.IntRange(1, 8).Draw(t, "w")),
			y1:    y + float32(rapid.IntRange(1, 8).Draw(t, "h")),
			score: float32(rapid.IntRange(1, 10).Draw(t, "score")) / 10,
			class: int32(rapid.IntRange(0, 2).Draw(t, "class")),
			index: int32(i),
		}
	}
	return out
}

func TestNMSProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := boxes(t)
		iou := rapid.SampledFrom([]float32{0.01, 0.25, 0.45, 0.5, 0.9, 1}).Draw(t, "iou")
		kept := nms(slices.Clone(in), iou, len(in)+1)

		if !slices.IsSortedFunc(kept, byScore) {
			t.Fatalf("not in order: %v", kept)
		}
		for i := range kept {
			if kept[i] != in[kept[i].index] {
				t.Fatalf("kept %v is not one of the candidates", kept[i])
			}
			for j := range i {
				if kept[i].class == kept[j].class && overlap(&kept[i], &kept[j]) > float64(iou) {
					t.Fatalf("kept both %v and %v", kept[i], kept[j])
				}
			}
		}
		for _, c := range in {
			if slices.Contains(kept, c) {
				continue
			}
			covered := slices.ContainsFunc(kept, func(k candidate) bool {
				return k.class == c.class && byScore(k, c) < 0 && overlap(&k, &c) > float64(iou)
			})
			if !covered {
				t.Fatalf("suppressed %v without a better kept one over it", c)
			}
		}

		shuffled := rapid.Permutation(in).Draw(t, "order")
		if again := nms(slices.Clone(shuffled), iou, len(in)+1); !slices.Equal(again, kept) {
			t.Fatalf("order of the input matters: %v then %v", kept, again)
		}
		if again := nms(slices.Clone(kept), iou, len(in)+1); !slices.Equal(again, kept) {
			t.Fatalf("not idempotent: %v then %v", kept, again)
		}
		limit := rapid.IntRange(0, len(in)+1).Draw(t, "limit")
		if some := nms(slices.Clone(in), iou, limit); !slices.Equal(some, kept[:min(limit, len(kept))]) {
			t.Fatalf("limit %d gives %v of %v", limit, some, kept)
		}
	})
}

func TestNMS(t *testing.T) {
	box := func(x, w, score float32, class, index int32) candidate {
		return candidate{x0: x, y0: 0, x1: x + w, y1: 10, score: score, class: class, index: index}
	}
	huge := candidate{x0: -math.MaxFloat32, y0: -math.MaxFloat32, x1: math.MaxFloat32, y1: math.MaxFloat32, score: 0.9}
	tests := []struct {
		name string
		in   []candidate
		want []int32 // indices
	}{
		{"nothing", nil, nil},
		{"overlap of 1/3 stays", []candidate{box(0, 10, 0.9, 0, 0), box(5, 10, 0.8, 0, 1)}, []int32{0, 1}},
		{"overlap of 9/11 goes", []candidate{box(0, 10, 0.8, 0, 0), box(1, 10, 0.9, 0, 1)}, []int32{1}},
		{"other class stays", []candidate{box(0, 10, 0.8, 0, 0), box(1, 10, 0.9, 1, 1)}, []int32{1, 0}},
		{"equal scores: lower class, then lower index", []candidate{box(0, 10, 0.5, 1, 0), box(50, 10, 0.5, 0, 2), box(90, 10, 0.5, 0, 1)}, []int32{1, 2, 0}},
		{"what suppression removed suppresses nothing", []candidate{box(0, 10, 0.9, 0, 0), box(3, 10, 0.8, 0, 1), box(6, 10, 0.7, 0, 2)}, []int32{0, 2}},
		{"interleaved classes", []candidate{
			box(0, 10, 0.9, 0, 0), box(0, 10, 0.85, 1, 1), box(1, 10, 0.8, 0, 2), box(1, 10, 0.75, 1, 3), box(0, 10, 0.7, 2, 4), box(2, 10, 0.65, 1, 5),
		}, []int32{0, 1, 4}},
		{"the largest boxes there are", []candidate{huge, {x0: huge.x0, y0: huge.y0, x1: huge.x1, y1: huge.y1, score: 0.8, index: 1}}, []int32{0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int32
			for _, c := range nms(slices.Clone(tt.in), 0.45, 300) {
				got = append(got, c.index)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("kept %v, want %v", got, tt.want)
			}
		})
	}
}

// crowd makes n candidates in a 640x640 input around n/8 places, as dense
// detectors do.
func crowd(n, classes int) []candidate {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]candidate, n)
	for i := range out {
		place := rand.New(rand.NewPCG(3, uint64(i/8)))
		x, y := float32(place.IntN(600)), float32(place.IntN(600))
		w, h := float32(8+place.IntN(60)), float32(8+place.IntN(60))
		jx, jy := r.Float32()*4, r.Float32()*4
		out[i] = candidate{x0: x + jx, y0: y + jy, x1: x + w + jx, y1: y + h + jy,
			score: r.Float32(), class: int32(place.IntN(classes)), index: int32(i)}
	}
	return out
}

func TestNMSBound(t *testing.T) {
	in := crowd(maxCandidates+5000, 80)
	slices.SortFunc(in, byScore)
	want := nms(slices.Clone(in[:maxCandidates]), 0.45, 300)
	slices.Reverse(in)
	if got := nms(in, 0.45, 300); !slices.Equal(got, want) {
		t.Errorf("with more than %d candidates the result is not that of the best of them", maxCandidates)
	}
}

func BenchmarkNMS(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		for _, classes := range []int{1, 80} {
			b.Run(fmt.Sprintf("candidates=%d/classes=%d", n, classes), func(b *testing.B) {
				in, scratch := crowd(n, classes), make([]candidate, n)
				b.ReportAllocs()
				for b.Loop() {
					copy(scratch, in)
					nms(scratch, 0.45, 300)
				}
			})
		}
	}
}
