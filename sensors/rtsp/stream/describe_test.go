package stream

import (
	"testing"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"

	"dashline/pipeline/msg"
)

// bits writes an H.264 SPS (ITU-T H.264, 7.3.2.1.1).
type bits struct {
	b []byte
	n int
}

func (w *bits) put(v uint, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (7 - w.n%8)
		w.n++
	}
}

// ue writes an Exp-Golomb code (9.1).
func (w *bits) ue(v uint) {
	n := 0
	for (v+1)>>n > 1 {
		n++
	}
	w.put(0, n)
	w.put(v+1, n+1)
}

// sps describes pictures of so many macroblocks, which have 16 by 16 pixels.
func sps(width, height uint) []byte {
	w := &bits{b: []byte{0x67, 66, 0, 51}, n: 32} // baseline profile
	w.ue(0)                                       // seq_parameter_set_id
	w.ue(0)                                       // log2_max_frame_num_minus4
	w.ue(2)                                       // pic_order_cnt_type
	w.ue(1)                                       // max_num_ref_frames
	w.put(0, 1)                                   // gaps_in_frame_num_value_allowed_flag
	w.ue(width - 1)
	w.ue(height - 1)
	w.put(0b11, 2) // frame_mbs_only_flag, direct_8x8_inference_flag
	w.put(0b00, 2) // frame_cropping_flag, vui_parameters_present_flag
	w.put(1, 1)    // rbsp_stop_one_bit
	return w.b
}

func TestChoose(t *testing.T) {
	video := func(back bool, f ...format.Format) *description.Media {
		return &description.Media{Type: description.MediaTypeVideo, IsBackChannel: back, Formats: f}
	}
	h264 := func(sps []byte) format.Format {
		return &format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: sps, PPS: []byte{0x68, 0xCE}}
	}
	for _, tt := range []struct {
		name   string
		medias []*description.Media
		want   Info
		sets   bool
		fails  bool
	}{
		{name: "nothing", fails: true},
		{name: "a codec that is not ours", medias: []*description.Media{video(false, &format.VP8{PayloadTyp: 96})}, fails: true},
		{name: "a way back to the camera", medias: []*description.Media{video(true, h264(sps(40, 20)))}, fails: true},
		{"with parameter sets", []*description.Media{video(false, h264(sps(40, 20)))}, Info{Width: 640, Height: 320, Codec: msg.H264}, true, false},
		{"the second of two", []*description.Media{video(false, &format.VP8{PayloadTyp: 97}, h264(sps(8, 8)))}, Info{Width: 128, Height: 128, Codec: msg.H264}, true, false},
		{"the largest", []*description.Media{video(false, h264(sps(MaxSide/16, 1)))}, Info{Width: MaxSide, Height: 16, Codec: msg.H264}, true, false},
		{"larger", []*description.Media{video(false, h264(sps(MaxSide/16+1, 1)))}, Info{Codec: msg.H264}, true, false},
		{"noise for a set", []*description.Media{video(false, h264([]byte{1, 2, 3}))}, Info{Codec: msg.H264}, true, false},
		{"without sets", []*description.Media{video(false, &format.H265{PayloadTyp: 96})}, Info{Codec: msg.H265}, false, false},
		{"MJPEG", []*description.Media{video(false, &format.MJPEG{})}, Info{Codec: msg.MJPEG}, false, false},
	} {
		v, err := Choose(&description.Session{Medias: tt.medias})
		if (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		if v.Info != tt.want || (len(v.Sets) > 0) != tt.sets {
			t.Errorf("%s: %+v, sets % x; want %+v", tt.name, v.Info, v.Sets, tt.want)
		}
	}
}
