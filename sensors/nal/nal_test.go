package nal_test

import (
	"bytes"
	"slices"
	"testing"

	"dashline/pipeline/msg"
	"dashline/sensors/nal"
)

func TestClassifier(t *testing.T) {
	start := []byte{0, 0, 1}
	au := func(units ...[]byte) (b []byte) {
		for _, n := range units {
			b = append(append(b, start...), n...)
		}
		return b
	}
	sps265 := []byte{33 << 1, 1, 0x01, 0x22} // one sub-layer
	for _, tt := range []struct {
		name  string
		codec msg.Codec
		data  []byte
		want  nal.Kind
	}{
		{"IDR with sets", msg.H264, au([]byte{0x67, 1}, []byte{0x68, 1}, []byte{0x65, 0x88}), nal.Kind{Key: true, Parameters: true, Picture: true}},
		{"P that others refer to", msg.H264, au([]byte{0x41, 0x9A}), nal.Kind{Picture: true}},
		{"B that none refers to", msg.H264, au([]byte{0x01, 0x9A}), nal.Kind{Picture: true, Disposable: true}},
		{"recovery point", msg.H264, au([]byte{6, 6, 1, 0x80}, []byte{0x41, 0x9A}), nal.Kind{Key: true, Picture: true}},
		{"sets alone", msg.H264, au([]byte{0x67, 1}, []byte{0x68, 1}), nal.Kind{Parameters: true}},
		{"nothing", msg.H264, nil, nal.Kind{}},
		{"start codes only", msg.H264, au(nil, nil), nal.Kind{}},
		{"H.265 IDR", msg.H265, au([]byte{32 << 1, 1, 1}, sps265, []byte{34 << 1, 1, 1}, []byte{19 << 1, 1, 0x80}), nal.Kind{Key: true, Parameters: true, Picture: true}},
		{"H.265 CRA", msg.H265, au([]byte{21 << 1, 1, 0x80}), nal.Kind{Key: true, Picture: true}},
		{"H.265 trailing, not referred to", msg.H265, au(sps265, []byte{0, 1, 0x80}), nal.Kind{Picture: true, Disposable: true}},
		{"H.265 the same with layers unknown", msg.H265, au([]byte{0, 1, 0x80}), nal.Kind{Picture: true}},
		{"H.265 trailing", msg.H265, au([]byte{1 << 1, 1, 0x80}), nal.Kind{Picture: true}},
		{"JPEG", msg.MJPEG, []byte{0xFF, 0xD8}, nal.Kind{Key: true, Disposable: true, Parameters: true, Picture: true}},
	} {
		if got := nal.NewClassifier(tt.codec).Classify(tt.data); got != tt.want {
			t.Errorf("%s: %+v; want %+v", tt.name, got, tt.want)
		}
	}
}

func TestNALs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		annexB []byte
		want   []string
	}{
		{"nothing", nil, nil},
		{"no start code", []byte{1, 2, 3}, nil},
		{"half a start code", []byte{0, 0}, nil},
		{"a start code alone", []byte{0, 0, 1}, nil},
		{"start codes of both lengths", []byte{0, 0, 0, 1, 5, 6, 0, 0, 1, 7}, []string{"\x05\x06", "\x07"}},
		{"what comes before the first is left out", []byte{9, 9, 0, 0, 1, 5}, []string{"\x05"}},
		{"zeros behind a unit are not its own", []byte{0, 0, 1, 5, 0, 0, 0, 0, 0, 1, 6, 0}, []string{"\x05", "\x06"}},
		{"empty units", []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 7}, []string{"\x07"}},
		{"zeros and ones within", []byte{0, 0, 1, 5, 0, 1, 0, 0, 2, 1}, []string{"\x05\x00\x01\x00\x00\x02\x01"}},
	} {
		var got []string
		for n := range nal.NALs(tt.annexB) {
			got = append(got, string(n))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
	}
}

// Any bytes: NAL units lie in them one after the other, none is empty or has a
// start code in it, and what a unit is said to be is consistent.
func FuzzClassifier(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x67\x42\x00\x00\x01\x68\xce\x00\x00\x01\x65\x88"), uint8(0))
	f.Add([]byte("\x00\x00\x01\x06\x06\x01\x80\x00\x00\x01\x41\x9a\x00\x00\x03\x00"), uint8(0))
	f.Add([]byte("\x00\x00\x01\x42\x01\x01\x22\x00\x00\x01\x00\x01\x80"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, codec uint8) {
		rest := data
		for n := range nal.NALs(data) {
			if len(n) == 0 || bytes.Contains(n, []byte{0, 0, 1}) || n[len(n)-1] == 0 {
				t.Fatalf("a NAL unit of % x", n)
			}
			_, after, ok := bytes.Cut(rest, append([]byte{0, 0, 1}, n...))
			if !ok {
				t.Fatalf("% x does not come next in % x", n, rest)
			}
			rest = after
		}
		c := nal.NewClassifier([]msg.Codec{msg.H264, msg.H265}[codec%2])
		c.Classify(data)
		k := c.Classify(data) // by what it has learnt of the first time
		if (k.Key || k.Disposable) && !k.Picture || k.Key && k.Disposable {
			t.Fatalf("%+v", k)
		}
	})
}
