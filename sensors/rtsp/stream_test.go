package rtsp_test

import (
	"testing"
	"time"

	"dashline/pipeline/msg"
	"dashline/sensors/camera"
	"dashline/sensors/coded"
	"dashline/sensors/rtsp"
)

// Every codec over every transport: what is shown is what was sent, bit by bit,
// and was taken when the camera says.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		codec   string
		bframes int
	}{{"h264", 0}, {"h264", 2}, {"h265", 0}, {"h265", 2}, {"mjpeg", 0}} {
		f := newFilm(t, tt.codec, 60, 15, tt.bframes)
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(name(tt.codec, tt.bframes, transport), func(t *testing.T) {
				t.Parallel()
				var c sent
				cam := start(t, camera.Options{Source: f.path, OnFrame: c.add})
				s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: transport, Stall: 20 * time.Second})
				timed := 0
				events := watch(t, s, 30*time.Second, func(e []event) bool {
					if n := len(e); n > 0 && e[n-1].reason == "" && e[n-1].CaptureClock == msg.SenderClock {
						timed++
					}
					return timed < 45
				})
				// Leave out what came before the first report or key picture. The last of
				// it may be shown behind B pictures that came after the report.
				for i, e := range reversed(events) {
					if e.CaptureClock != msg.SenderClock || e.reason == coded.Join {
						events = events[len(events)-i:]
						break
					}
				}
				if len(events) < 40 { // a few of the 45 are shown before that last one
					t.Fatalf("%d frames with the camera's own time", len(events))
				}
				infos := account(t, f, &c, events)
				for i, e := range events {
					if e.reason != "" {
						t.Errorf("frame %d: %s", e.Seq, e.reason)
					}
					if !near(e.CapturedAt, infos[i].NTP) {
						t.Errorf("frame %d was taken at %v; the message says %v", e.Seq, infos[i].NTP, e.CapturedAt)
					}
					if e.lag < 0 || e.lag < infos[i].SentAt.Sub(infos[i].TakenAt) {
						t.Errorf("frame %d is %v old, and waited %v in the camera alone", e.Seq, e.lag, infos[i].SentAt.Sub(infos[i].TakenAt))
					}
				}
				if st := s.State(); st.Status != msg.CameraStreaming || st.Transport != transport || st.Codec != tt.codec || st.Lost != 0 {
					t.Errorf("state %+v", st)
				}
				if note := s.State().Detail; (note != "") != (tt.bframes > 0) {
					t.Errorf("the state says %q of a stream with %d B pictures", note, tt.bframes)
				}
				if in := s.Info(); tt.codec != "mjpeg" && (in.Width != 640 || in.Height != 360 || in.FPS != 30) {
					t.Errorf("info %+v", in)
				}
			})
		}
	}
}

func name(codec string, bframes int, transport string) string {
	if bframes > 0 {
		codec += "+B"
	}
	return codec + "/" + transport
}

// Packets that overtake each other, come twice or come late lose no frame.
func TestDisorderLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFilm(t, "h264", 60, 10, 0)
	var c sent
	cam := start(t, camera.Options{Source: f.path, OnFrame: c.add, Seed: 3, Faults: camera.Faults{
		Reorder: 0.1, ReorderDepth: 4, Duplicate: 0.1, Jitter: camera.Duration(5 * time.Millisecond),
	}})
	// All of them come: on a busy machine late, which is not what this is about.
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "udp", Reorder: 2 * time.Second, Stall: 20 * time.Second})
	events := shown(t, s, 150)
	account(t, f, &c, events)
	if got := reasons(events); len(got) > 0 && got[coded.Join] == 0 || len(got) > 1 {
		t.Errorf("lost: %v; camera: %+v", got, s.State())
	}
	if st := cam.Stats(0); st.Reordered < 5 || st.Duplicated < 5 {
		t.Errorf("the camera did no wrong: %+v", st)
	}
}
