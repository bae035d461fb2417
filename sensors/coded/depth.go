package coded

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"dashline/pipeline/msg"
	"dashline/sensors/nal"
)

// maxDepth is the codecs' own bound of how deep a stream is.
const maxDepth = 16

// sureAfter is after how many pictures the depth is taken for known, where neither
// headers nor a decoder tell it: more than encoders put between two others.
const sureAfter = 8

// depthMeter knows how many pictures can come, in the order of decoding, between
// a picture and one that is shown before it: 0 for a stream without B pictures.
type depthMeter struct {
	latest [maxDepth]time.Duration
	n      int
	depth  int
	seen   int  // pictures, of all sessions
	told   bool // headers or a decoder said it
}

// add learns from the times of pictures, in the order of decoding.
func (m *depthMeter) add(pts time.Duration) {
	later := 0
	for i := range min(m.n, len(m.latest)) {
		if m.latest[i] > pts {
			later++
		}
	}
	m.depth = max(m.depth, later)
	m.latest[m.n%len(m.latest)] = pts
	m.n++
	m.seen++
}

// tell takes what headers or a decoder say.
func (m *depthMeter) tell(depth int) { m.depth, m.told = max(m.depth, depth), true }

// sure says that the depth is known. Until then nothing can be said of a picture
// that is not shown: one that comes before it may still arrive.
func (m *depthMeter) sure() bool { return m.told || m.seen > sureAfter }

// restart forgets the times of another session, and not how deep the stream is.
func (m *depthMeter) restart() { m.n = 0 }

// depthOf reads the depth from the parameter sets in an access unit, which the
// first one has that can be decoded, and often one that is damaged. ok is false
// where they are not there or do not say.
//
// Sources: ITU-T H.264 E.2.1 (max_num_reorder_frames) and 8.2.1 (the order of
// decoding is that of presentation where pic_order_cnt_type is 2), ITU-T H.265
// 7.4.3.2.1 (sps_max_num_reorder_pics).
func depthOf(codec msg.Codec, annexB []byte) (depth int, ok bool) {
	if codec != msg.H264 && codec != msg.H265 {
		return 0, true // each picture by itself
	}
	for n := range nal.NALs(annexB) {
		switch {
		case codec == msg.H264 && n[0]&31 == 7:
			var sps h264.SPS
			if sps.Unmarshal(n) != nil {
				continue
			}
			if sps.PicOrderCntType == 2 {
				return 0, true
			}
			if sps.VUI != nil && sps.VUI.BitstreamRestriction != nil {
				return int(min(sps.VUI.BitstreamRestriction.MaxNumReorderFrames, maxDepth)), true
			}
		case codec == msg.H265 && n[0]>>1&63 == 33:
			var sps h265.SPS
			if sps.Unmarshal(n) == nil && len(sps.MaxNumReorderPics) > 0 {
				return int(min(sps.MaxNumReorderPics[len(sps.MaxNumReorderPics)-1], maxDepth)), true
			}
		}
	}
	return 0, false
}
