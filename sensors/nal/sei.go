package nal

import "dashline/pipeline/msg"

// WithoutMessages is an access unit without its supplemental enhancement
// information, but for recovery points. Decoding needs none of it, cameras fill
// it with what they like, and FFmpeg's strict mode refuses a whole picture for a
// message with a wrong size. Where there is none it is annexB itself, else it is
// written to scratch, which grows as it needs.
func WithoutMessages(codec msg.Codec, annexB []byte, scratch *[]byte) []byte {
	useless := func([]byte) bool { return false }
	switch codec {
	case msg.H264:
		useless = func(n []byte) bool { return n[0]&31 == 6 && !recovers(n[1:]) }
	case msg.H265:
		useless = func(n []byte) bool { return n[0]>>1&63 == 39 || n[0]>>1&63 == 40 }
	default:
		return annexB
	}
	found := false
	for n := range NALs(annexB) {
		if found = useless(n); found {
			break
		}
	}
	if !found {
		return annexB
	}
	out := (*scratch)[:0]
	for n := range NALs(annexB) {
		if !useless(n) {
			out = append(append(out, 0, 0, 0, 1), n...)
		}
	}
	*scratch = out
	return out
}

// recovers says that one of the messages of an SEI NAL unit, without its header,
// is a recovery point. Types and sizes are sums of bytes up to one that is not
// 255 (ITU-T H.264, 7.3.2.3.1). Emulation prevention bytes are counted as they
// stand: in a message before it they would hide a recovery point, which costs the
// wait for an IDR picture.
func recovers(b []byte) bool {
	for len(b) > 1 {
		kind, rest, ok := number(b)
		if kind == 6 || !ok {
			return ok
		}
		size, rest, ok := number(rest)
		if !ok || size > len(rest) {
			return false
		}
		b = rest[size:]
	}
	return false
}

func number(b []byte) (n int, rest []byte, ok bool) {
	for i, v := range b {
		n += int(v)
		if v != 255 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}
