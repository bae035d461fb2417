package detect

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
)

// FuzzDecode feeds arbitrary float bits to each decoder and to suppression:
// whatever a network puts out, the boxes are finite, not empty, of a known
// class and with a score in (threshold, 1].
func FuzzDecode(f *testing.F) {
	kinds := []string{"yolo", "yolox", "nanodet"}
	for i := range kinds {
		f.Add(uint8(i), float32(0.3), floats(0.5, 0.5, 0.2, 0.2, 1, 0.9, 0.1, 0.2))
		f.Add(uint8(i), float32(0.3), floats(0.5, 0.5, math.MaxFloat32, -math.MaxFloat32, 1, nan, inf, -inf))
	}
	f.Fuzz(func(t *testing.T, pick uint8, score float32, data []byte) {
		if !(score >= 0 && score < 1) {
			return // New refuses it
		}
		d, info := described(kinds[int(pick)%len(kinds)])
		decode, err := newDecoder(d, info)
		if err != nil {
			t.Fatal(err)
		}
		outputs, rows := zeros(info), 0
		for i, out := range outputs {
			rows += info.Outputs[i].Shape[len(info.Outputs[i].Shape)-2]
			for j := range out { // the data again and again
				if len(data) >= 4 {
					k := (i*7 + j) % (len(data) / 4)
					out[j] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*k:]))
				}
			}
		}
		got := decode(outputs, score, nil)
		if len(got) > rows {
			t.Fatalf("%d rows make %d candidates", rows, len(got))
		}
		for _, c := range got {
			sound := c.score > score && c.score <= 1 && c.class >= 0 && int(c.class) < len(d.Classes) &&
				finite(c.x0) && finite(c.y0) && finite(c.x1) && finite(c.y1) && c.x0 < c.x1 && c.y0 < c.y1
			if !sound {
				t.Fatalf("candidate %+v", c)
			}
		}
		suppressAll(t, got, 0.45)
	})
}

// FuzzNMS gives suppression any finite boxes, six values each.
func FuzzNMS(f *testing.F) {
	f.Add(float32(0.45), floats(0, 0, 10, 10, 0.9, 0, 1, 1, 11, 11, 0.8, 0, 1, 1, 11, 11, 0.8, 1))
	f.Add(float32(1), floats(-math.MaxFloat32, -math.MaxFloat32, math.MaxFloat32, math.MaxFloat32, 1, 0))
	f.Fuzz(func(t *testing.T, iou float32, data []byte) {
		if !(iou > 0 && iou <= 1) {
			return // New refuses it
		}
		var in []candidate
		for ; len(data) >= 24; data = data[24:] {
			var v [6]float32
			for i := range v {
				v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			}
			c := candidate{x0: v[0], y0: v[1], x1: v[2], y1: v[3], score: v[4], class: int32(math.Float32bits(v[5]) % 3), index: int32(len(in))}
			in = accept(c, 0, in)
		}
		suppressAll(t, in, iou)
	})
}

// suppressAll checks nms on in: sorted, a subset, no overlap left, and the same
// from the reverse order.
func suppressAll(t *testing.T, in []candidate, iou float32) {
	t.Helper()
	reversed := slices.Clone(in)
	slices.Reverse(reversed)
	kept := nms(slices.Clone(in), iou, len(in))
	if !slices.Equal(kept, nms(reversed, iou, len(in))) {
		t.Fatal("the order of candidates matters")
	}
	if len(in) > 0 && len(kept) == 0 {
		t.Fatal("nothing kept")
	}
	if !slices.IsSortedFunc(kept, byScore) {
		t.Fatalf("not in order: %v", kept)
	}
	for i := range kept {
		for j := range i {
			if v := overlap(&kept[i], &kept[j]); kept[i].class == kept[j].class && !(v <= float64(iou)) {
				t.Fatalf("kept %v and %v, IoU %v", kept[i], kept[j], v)
			}
		}
	}
}

func floats(v ...float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}
