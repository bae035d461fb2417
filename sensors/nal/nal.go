// Package nal tells what the access units of a coded video stream are to each
// other, from the headers of their NAL units.
//
// Invariants:
//   - Nothing is decoded: headers of NAL units, the type of SEI messages and one
//     field of an H.265 SPS are all that is read.
//   - Any bytes may come in: nothing is read beyond them, and nothing allocated
//     for them.
//   - What cannot be told is taken for the worse: a picture is disposable, or a
//     key picture, only where its stream says so.
package nal

import "dashline/pipeline/msg"

// Kind is what an access unit is to the others of its stream.
type Kind struct {
	Key        bool // decodes by itself; what follows refers to nothing before it
	Disposable bool // no other picture refers to it
	Parameters bool // it brings its parameter sets along
	Picture    bool // it has part of a picture in it
}

// Classifier tells what access units of one stream are. It reads NAL unit
// headers, the type of SEI messages and the number of sub-layers in an H.265
// SPS. An MJPEG or PNG picture is always a key picture.
//
// Sources: ITU-T H.264 tables 7-1 and D.1, ITU-T H.265 table 7-1 and 7.3.2.2.
type Classifier struct {
	codec  msg.Codec
	layers int // temporal sub-layers of the latest H.265 SPS; 0: none came
}

// NewClassifier returns the classifier of a stream.
func NewClassifier(codec msg.Codec) *Classifier { return &Classifier{codec: codec} }

// Classify tells what the next access unit is.
func (c *Classifier) Classify(annexB []byte) Kind {
	switch c.codec {
	case msg.H264:
		return kind264(annexB)
	case msg.H265:
		return c.kind265(annexB)
	}
	return Kind{Key: true, Disposable: true, Parameters: true, Picture: len(annexB) > 0}
}

func kind264(annexB []byte) Kind {
	k := Kind{Disposable: true}
	var sps, pps bool
	for nal := range NALs(annexB) {
		ref := nal[0] >> 5 & 3
		switch nal[0] & 31 {
		case 1, 2, 3, 4: // slices
			k.Picture = true
			k.Disposable = k.Disposable && ref == 0
		case 5: // slice of an IDR picture
			k.Picture, k.Key, k.Disposable = true, true, false
		case 6:
			// A recovery point: from here on decoding comes right without an IDR
			// picture. The decoder holds pictures back until it has.
			if recovers(nal[1:]) {
				k.Key = true
			}
		case 7:
			sps = true
		case 8:
			pps = true
		}
	}
	k.Parameters = sps && pps
	k.Key = k.Key && k.Picture
	k.Disposable = k.Disposable && k.Picture
	return k
}

func (c *Classifier) kind265(annexB []byte) Kind {
	k := Kind{Disposable: true}
	var vps, sps, pps bool
	for nal := range NALs(annexB) {
		if len(nal) < 2 {
			continue
		}
		switch t := nal[0] >> 1 & 63; {
		case t <= 9: // trailing, TSA, STSA, RADL and RASL pictures
			k.Picture = true
			// Even types are not referred to within their sub-layer, and nothing
			// is above the highest one.
			k.Disposable = k.Disposable && t%2 == 0 && int(nal[1]&7) == c.layers
		case t >= 16 && t <= 21: // IRAP
			k.Picture, k.Key, k.Disposable = true, true, false
		case t < 32: // reserved
			k.Picture, k.Disposable = true, false
		case t == 32:
			vps = true
		case t == 33:
			sps = true
			if len(nal) > 2 {
				c.layers = int(nal[2]>>1&7) + 1
			}
		case t == 34:
			pps = true
		}
	}
	k.Parameters = vps && sps && pps
	k.Disposable = k.Disposable && k.Picture
	return k
}

// NALs goes through the NAL units of an Annex B byte stream (ITU-T H.264, B.1),
// without their start codes; none is empty.
func NALs(annexB []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		at, ok := after(annexB, 0)
		for ok {
			next, more := after(annexB, at)
			end := len(annexB)
			if more {
				end = next - 3
			}
			nal := annexB[at:end]
			for len(nal) > 0 && nal[len(nal)-1] == 0 { // trailing_zero_8bits, or the next start code's
				nal = nal[:len(nal)-1]
			}
			if len(nal) > 0 && !yield(nal) {
				return
			}
			at, ok = next, more
		}
	}
}

// after returns the offset behind the next start code.
func after(b []byte, from int) (int, bool) {
	for i := from; i+2 < len(b); i++ {
		if b[i+2] > 1 {
			i += 2 // no start code can begin on the way
			continue
		}
		if b[i] == 0 && b[i+1] == 0 && b[i+2] == 1 {
			return i + 3, true
		}
	}
	return 0, false
}
