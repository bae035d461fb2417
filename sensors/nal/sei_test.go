package nal

import (
	"bytes"
	"testing"

	"dashline/pipeline/msg"
)

func TestWithoutMessages(t *testing.T) {
	unit := func(nals ...string) (b []byte) {
		for _, n := range nals {
			b = append(append(b, 0, 0, 0, 1), n...)
		}
		return b
	}
	for _, tt := range []struct {
		name     string
		codec    msg.Codec
		in, want []byte
	}{
		{"none", msg.H264, unit("\x67\x01", "\x65\x88"), unit("\x67\x01", "\x65\x88")},
		{"user data", msg.H264, unit("\x06\x05\x02ab\x80", "\x65\x88"), unit("\x65\x88")},
		{"of a wrong size", msg.H264, unit("\x06\x05\xc8ab", "\x41\x9a"), unit("\x41\x9a")},
		{"a recovery point", msg.H264, unit("\x06\x06\x01\x84\x80", "\x41\x9a"), unit("\x06\x06\x01\x84\x80", "\x41\x9a")},
		{"a recovery point behind user data", msg.H264, unit("\x06\x05\x02ab\x06\x01\x84\x80", "\x41\x9a"), unit("\x06\x05\x02ab\x06\x01\x84\x80", "\x41\x9a")},
		{"H.265", msg.H265, unit("\x4e\x01\x05\x02ab", "\x26\x01\xaf", "\x50\x01\x84"), unit("\x26\x01\xaf")},
		{"a JPEG picture", msg.MJPEG, []byte{0xFF, 0xD8, 0, 0, 1, 6, 5}, []byte{0xFF, 0xD8, 0, 0, 1, 6, 5}},
	} {
		var scratch []byte
		before := bytes.Clone(tt.in)
		if got := WithoutMessages(tt.codec, tt.in, &scratch); !bytes.Equal(got, tt.want) {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
		if !bytes.Equal(before, tt.in) {
			t.Errorf("%s: the unit itself was changed", tt.name)
		}
	}
	for _, b := range [][]byte{nil, {255}, {255, 255}, {5}, {5, 255}, {6}, bytes.Repeat([]byte{255}, 100)} {
		recovers(b) // any bytes may come
	}
	key := NewClassifier(msg.H264).Classify(unit("\x06\x05\x02ab\x06\x01\x84\x80", "\x41\x9a"))
	if !key.Key {
		t.Error("a recovery point behind another message is no key picture")
	}
}
