package rtsp_test

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/pipeline/msg"
	"dashline/sensors/camera"
	"dashline/sensors/coded"
	"dashline/sensors/rtsp"
)

var (
	lossFor  = flag.Duration("loss", 60*time.Second, "how long TestOnePercentLoss runs")
	restarts = flag.Int("restarts", 20, "how often TestCameraComesBack kills the camera")
)

// 1 % random loss over UDP: nothing stalls, nothing is shown that is not exactly
// what the camera took, and every frame is accounted for.
//
// How long no picture is shown is up to the camera: a lost one takes those along
// that refer to it, up to the next key picture that is whole. With one every
// other frame that stays below 300 ms, too.
func TestOnePercentLoss(t *testing.T) {
	t.Parallel()
	for _, gop := range []int{2, 15} {
		f := newFilm(t, "h264", 150, gop, 0)
		t.Run(fmt.Sprintf("a key picture in %d", gop), func(t *testing.T) {
			t.Parallel()
			var c sent
			cam := start(t, camera.Options{Source: f.path, OnFrame: c.add, Seed: 1, Faults: camera.Faults{Loss: 0.01}})
			s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "udp"})
			slept := oversleep(t.Context())
			events := during(t, s, *lossFor)
			allowed := 300*time.Millisecond + 2*slept()
			account(t, f, &c, events)

			ok := good(events)
			event, picture := longest(events), longest(ok)
			t.Logf("%d frames in %v: %d shown, %v; %d of %d packets lost; longest time between two frames %v, between two that are shown %v",
				len(events), *lossFor, len(ok), reasons(events), s.State().Lost, s.State().Packets+s.State().Lost, event, picture)
			if st := cam.Stats(0); st.Lost == 0 || s.State().Lost == 0 {
				t.Errorf("nothing was lost: %+v", st)
			}
			if event > allowed {
				t.Errorf("the stream stalled for %v; want at most %v", event, allowed)
			}
			if gop == 2 && picture > allowed {
				t.Errorf("no picture for %v; want at most %v", picture, allowed)
			}
			if len(ok) < len(events)/2 {
				t.Errorf("%d of %d frames are shown", len(ok), len(events))
			}
			if s.State().Sessions != 1 {
				t.Errorf("%d sessions; want 1", s.State().Sessions)
			}
		})
	}
}

// longest is the longest time between two events.
func longest(events []event) (d time.Duration) {
	for i := 1; i < len(events); i++ {
		d = max(d, events[i].at.Sub(events[i-1].at))
	}
	return d
}

// 10 % loss: alive, accounted for, and whole again when it ends.
func TestTenPercentLoss(t *testing.T) {
	t.Parallel()
	for _, bframes := range []int{0, 2} {
		t.Run(name("h264", bframes, "udp"), func(t *testing.T) {
			t.Parallel()
			f := newFilm(t, "h264", 60, 15, bframes)
			var c sent
			cam := start(t, camera.Options{Source: f.path, OnFrame: c.add, Seed: 2, Faults: camera.Faults{Loss: 0.1}})
			s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "udp"})
			events := during(t, s, 8*time.Second)
			if err := cam.SetFaults(0, camera.Faults{}); err != nil {
				t.Fatal(err)
			}
			ended := time.Now()
			after := during(t, s, 4*time.Second)
			account(t, f, &c, append(events, after...))
			t.Logf("%d frames: %d shown, %v; then %d: %d shown, %v", len(events), len(good(events)), reasons(events), len(after), len(good(after)), reasons(after))
			if len(events) < 200 || len(good(events)) == 0 || reasons(events)[coded.Lost] == 0 {
				t.Errorf("under loss: %d frames, %d shown, %v", len(events), len(good(events)), reasons(events))
			}
			last := slices.IndexFunc(reversed(after), func(e event) bool { return e.reason != "" })
			if last >= 0 {
				e := after[len(after)-1-last]
				if took := e.at.Sub(ended); took > 2*time.Second {
					t.Errorf("frame %d is %s, %v after the loss ended", e.Seq, e.reason, took)
				}
			}
			if len(good(after)) < 45 {
				t.Errorf("%d frames are shown in 4 s after the loss", len(good(after)))
			}
		})
	}
}

func reversed(e []event) []event {
	e = slices.Clone(e)
	slices.Reverse(e)
	return e
}

// A camera that loses its power, again and again. No other test runs beside this
// one: it counts the process's descriptors.
func TestCameraComesBack(t *testing.T) {
	f := newFilm(t, "h264", 60, 15, 0)
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			o := camera.Options{Listen: "127.0.0.1:0", Source: f.path}
			cam, err := camera.Start(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			address := cam.URLs()[0]
			u, _ := url.Parse(address)
			o.Listen = u.Host
			s := open(t, rtsp.Options{URL: address, Transport: transport})
			events := shown(t, s, 3)
			before := testkit.Descriptors(t)
			var took []time.Duration
			for range *restarts {
				cam.Kill()
				events = append(events, during(t, s, 200*time.Millisecond)...)
				if cam, err = camera.Start(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				back := time.Now()
				events = append(events, shown(t, s, 2)...) // one may have waited since before
				took = append(took, time.Since(back))
			}
			after := testkit.Descriptors(t)
			slices.Sort(took)
			t.Logf("streaming again after %v to %v, half within %v; %d sessions", took[0], took[len(took)-1], took[len(took)/2], s.State().Sessions)
			if worst := took[len(took)-1]; worst > 2*time.Second {
				t.Errorf("streaming again after %v; want at most 2 s", worst)
			}
			for i, e := range events {
				if e.Seq != uint64(i) {
					t.Fatalf("frame %d has the number %d", i, e.Seq)
				}
				if i > 0 && e.PTS < events[i-1].PTS {
					t.Fatalf("frame %d at %v comes after one at %v", i, e.PTS, events[i-1].PTS)
				}
			}
			// What leaks does so each time. The other camera, which is there in one count
			// and perhaps not in the other, has fewer than 12.
			if after >= before+max(12, *restarts) {
				t.Errorf("%d descriptors are open, %d were", after, before)
			}
			if err := cam.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A camera that freezes keeps its session; the source does not.
func TestFreezeIsAStall(t *testing.T) {
	t.Parallel()
	f := newFilm(t, "h264", 60, 15, 0)
	cam := start(t, camera.Options{Source: f.path})
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "tcp", Stall: automatic})
	var states []msg.CameraState
	s.Watch(func(st msg.CameraState) { states = append(states, st) })
	shown(t, s, 5)
	if err := cam.SetFaults(0, camera.Faults{Freeze: true}); err != nil {
		t.Fatal(err)
	}
	during(t, s, 3500*time.Millisecond)
	if err := cam.SetFaults(0, camera.Faults{}); err != nil {
		t.Fatal(err)
	}
	shown(t, s, 20)
	_ = s.Close() // states are ours from here
	var order []msg.CameraStatus
	for _, st := range states {
		if n := len(order); n == 0 || order[n-1] != st.Status {
			order = append(order, st.Status)
		}
		if st.Status == msg.CameraStalled && !strings.Contains(st.Detail, "no picture for") {
			t.Errorf("stalled, and says %q", st.Detail)
		}
	}
	stalled := slices.Index(order, msg.CameraStalled)
	if stalled < 0 || order[0] != msg.CameraConnecting || order[len(order)-1] != msg.CameraStreaming || !slices.Contains(order[:stalled], msg.CameraStreaming) {
		t.Errorf("states %v", order)
	}
}

// A state that does not change is told again, also while nothing comes.
func TestStatesAreToldAgain(t *testing.T) {
	t.Parallel()
	cam := start(t, camera.Options{Source: newFilm(t, "h264", 60, 15, 0).path})
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "tcp", Stall: 20 * time.Second})
	var states []msg.CameraState
	s.Watch(func(st msg.CameraState) { states = append(states, st) })
	shown(t, s, 5)
	if err := cam.SetFaults(0, camera.Faults{Freeze: true}); err != nil {
		t.Fatal(err)
	}
	frozen := time.Now()
	during(t, s, 6*time.Second)
	_ = s.Close() // states are ours from here
	n := 0
	for _, st := range states {
		if st.At.After(frozen.Add(time.Second)) && st.Status == msg.CameraStreaming {
			n++
		}
	}
	if n == 0 {
		t.Errorf("none of %d states was told in 5 s without a picture", len(states))
	}
}

// What cameras do in the field, one after the other: the stream goes on, and
// nothing is shown that is not the film's.
func TestFieldFaults(t *testing.T) {
	t.Parallel()
	const (
		all  = "all but what comes before the first key picture"
		most = "most and not all (a busy machine: a third)"
	)
	f := newFilm(t, "h264", 60, 15, 0)
	for _, tt := range []struct {
		name      string
		faults    camera.Faults
		transport string
		want      string // what is shown
		sessions  bool   // more than one
		anew      bool   // the camera encodes the film anew: its pictures are not the film's bit by bit
	}{
		{name: "no parameter sets in the SDP", faults: camera.Faults{SDP: camera.SDPMissing}, transport: "udp", want: all},
		{name: "wrong parameter sets in the SDP", faults: camera.Faults{SDP: camera.SDPGarbage}, transport: "udp", want: all},
		{name: "no RTCP", faults: camera.Faults{NoRTCP: true}, transport: "tcp", want: all},
		{name: "bursts", faults: camera.Faults{Burst: 0.005, BurstLength: 8}, transport: "udp", want: most},
		// Of the film's 83 kB/s its first key picture has 15 kB and does not fit into
		// the queue; the others have 9 kB and do.
		{name: "a link that is too slow", faults: camera.Faults{Bandwidth: 240_000, Queue: 13_000}, transport: "udp", want: most},
		{name: "disconnects", faults: camera.Faults{DisconnectEvery: camera.Duration(time.Second)}, transport: "tcp", sessions: true},
		{name: "seldom a key frame", faults: camera.Faults{NoKeyFrames: camera.Duration(1500 * time.Millisecond)}, transport: "udp", want: all, anew: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cam := start(t, camera.Options{Source: f.path, Faults: tt.faults, Seed: 5})
			s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: tt.transport})
			events := shown(t, s, 60)
			for _, e := range good(events) {
				if _, ok := f.pictures[e.hash]; !ok && !tt.anew {
					t.Fatalf("frame %d is shown and is no picture of the film", e.Seq)
				}
				if e.lag < 0 {
					t.Fatalf("frame %d has a lag of %v", e.Seq, e.lag)
				}
			}
			lost := reasons(events)
			delete(lost, coded.Join)
			t.Logf("%d frames: %d shown, %v, %+v", len(events), len(good(events)), reasons(events), s.State())
			n := 0
			for _, count := range lost {
				n += count
			}
			if tt.want == all && n > 0 || tt.want == most && (n == 0 || n >= 2*len(good(events))) {
				t.Errorf("%d of %d frames are shown, lost are %v; want %s", len(good(events)), len(events), lost, tt.want)
			}
			if sessions := s.State().Sessions; tt.sessions && sessions < 2 {
				t.Errorf("%d sessions", sessions)
			}
		})
	}
}

// Payloads that are cut short or have wrong bits: nothing breaks. UDP's checksum
// keeps such from a real receiver; a camera can still send them.
func TestDamagedPayloads(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"h264", "h265", "mjpeg"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			f := newFilm(t, codec, 60, 10, 0)
			cam := start(t, camera.Options{Source: f.path, Seed: 4, Faults: camera.Faults{Truncate: 0.02, Flip: 0.02}})
			s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "tcp"})
			events := during(t, s, 5*time.Second)
			whole := 0
			for _, e := range good(events) {
				if _, ok := f.pictures[e.hash]; ok {
					whole++
				}
			}
			t.Logf("%d frames: %d shown, %d of them whole, %v", len(events), len(good(events)), whole, reasons(events))
			if whole < 10 || len(reasons(events)) == 0 {
				t.Errorf("%d whole frames, %v", whole, reasons(events))
			}
		})
	}
}

func TestResolutionSwitch(t *testing.T) {
	t.Parallel()
	cam := start(t, camera.Options{
		Source: newFilm(t, "h264", 60, 15, 0).path, Faults: camera.Faults{ResolutionEvery: camera.Duration(time.Second)},
	})
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "udp"})
	widths := map[int]int{}
	for _, e := range good(during(t, s, 5*time.Second)) {
		widths[e.width]++
	}
	if widths[640] < 10 || widths[320] < 10 || len(widths) != 2 {
		t.Errorf("frames by width: %v", widths)
	}
	if n := s.State().Sessions; n != 1 {
		t.Errorf("%d sessions; want 1", n)
	}
}

// The camera's clock drifts and jumps: both are said, and ages stay right.
func TestClockFaults(t *testing.T) {
	t.Parallel()
	const ppm = 5000 // far more than a crystal's, to be seen in seconds
	cam := start(t, camera.Options{Source: newFilm(t, "h264", 60, 15, 0).path, Faults: camera.Faults{ClockDrift: ppm}})
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "tcp"})
	events := during(t, s, 14*time.Second)
	if st := s.State(); st.ClockDrift < ppm/2 || st.ClockDrift > ppm*2 || st.ClockSteps != 0 {
		t.Errorf("a drift of %d ppm is seen as %.0f, with %d steps", ppm, st.ClockDrift, st.ClockSteps)
	}
	if err := cam.SetFaults(0, camera.Faults{ClockJump: camera.Duration(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	events = append(events, during(t, s, 3*time.Second)...)
	st := s.State()
	if st.ClockSteps == 0 || st.ClockOffset < 59*time.Minute || st.ClockOffset > 61*time.Minute {
		t.Errorf("a jump of an hour: %d steps, offset %v", st.ClockSteps, st.ClockOffset)
	}
	slept := oversleep(t.Context())
	late := during(t, s, time.Second)
	allowed := 200*time.Millisecond + 2*slept()
	for _, e := range append(events, late...) {
		if e.lag < 0 {
			t.Fatalf("frame %d has a lag of %v", e.Seq, e.lag)
		}
	}
	for _, e := range late {
		if e.lag > allowed {
			t.Errorf("frame %d has a lag of %v with a clock that is an hour ahead; want at most %v", e.Seq, e.lag, allowed)
			break
		}
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	f := newFilm(t, "h264", 60, 15, 0)
	const user, password = "driver", "s3cret/&%?pass"
	for _, auth := range [][]string{{camera.AuthBasic}, {camera.AuthDigest}} {
		for _, transport := range []string{"udp", "tcp"} {
			cam := start(t, camera.Options{Source: f.path, User: user, Password: password, Auth: auth})
			s := open(t, rtsp.Options{URL: cam.URLs()[0], User: user, Password: password, Transport: transport})
			shown(t, s, 3)
			for _, wrong := range []string{"", "wrong-password"} {
				o := rtsp.Options{URL: cam.URLs()[0], Camera: "front", User: user, Password: wrong}
				if wrong == "" {
					o.User = ""
				}
				_, err := rtsp.Open(t.Context(), o)
				if _, final := errors.AsType[*rtsp.FinalError](err); !final {
					t.Errorf("%v with password %q: %v", auth, wrong, err)
				} else if strings.Contains(err.Error(), "wrong-password") || strings.Contains(err.Error(), user) {
					t.Errorf("the error shows credentials: %v", err)
				}
			}
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	f := newFilm(t, "h264", 60, 15, 0)
	cam := start(t, camera.Options{Source: f.path, TLS: true, User: "u", Password: "p"})
	address := cam.URLs()[0]
	trusting := open(t, rtsp.Options{URL: address, User: "u", Password: "p", TLS: trust(t, cam.Certificate())})
	shown(t, trusting, 5)
	s := open(t, rtsp.Options{URL: address, User: "u", Password: "p"})
	if got := good(during(t, s, time.Second)); len(got) > 0 {
		t.Errorf("%d frames came from a camera whose certificate nobody vouches for", len(got))
	}
	if st := s.State(); st.Status != msg.CameraFailed && st.Status != msg.CameraConnecting || !strings.Contains(st.Detail, "certificate") {
		t.Errorf("state %+v", st)
	}
}

// With nothing said UDP is tried, and TCP where no packet comes.
func TestTransportIsChosen(t *testing.T) {
	t.Parallel()
	f := newFilm(t, "h264", 60, 15, 0)
	for want, o := range map[string]camera.Options{"udp": {Source: f.path}, "tcp": {Source: f.path, UDPPort: -1}} {
		cam := start(t, o)
		s := open(t, rtsp.Options{URL: cam.URLs()[0]})
		shown(t, s, 5)
		if got := s.State().Transport; got != want {
			t.Errorf("transport %s; want %s", got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	cam := start(t, camera.Options{Source: filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4")})
	for _, tt := range []struct {
		o    rtsp.Options
		want string
	}{
		{rtsp.Options{URL: "rtsp://user:secret@127.0.0.1/x"}, "credentials"},
		{rtsp.Options{URL: "http://127.0.0.1/x"}, "rtsp://"},
		{rtsp.Options{URL: "rtsp://%zz:secret@/"}, "no address"},
		{rtsp.Options{URL: "rtsp://"}, "no address of a camera"},
		{rtsp.Options{URL: "rtsp://127.0.0.1/x", Transport: "pigeon"}, "udp, tcp or auto"},
		{rtsp.Options{URL: "rtsps://127.0.0.1/x", Transport: "udp"}, "tcp or auto"},
		{rtsp.Options{URL: cam.URLs()[0] + "/nothing"}, "no such stream"},
	} {
		s, err := rtsp.Open(t.Context(), tt.o)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s is opened", tt.o.URL)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", tt.o.URL, err)
		}
	}
}

// A camera that is not there yet is waited for.
func TestCameraThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	f := newFilm(t, "h264", 60, 15, 0)
	o := camera.Options{Listen: "127.0.0.1:0", Source: f.path}
	first := start(t, o)
	address := first.URLs()[0]
	first.Kill()
	s := open(t, rtsp.Options{URL: address})
	if got := during(t, s, 500*time.Millisecond); len(got) > 0 {
		t.Fatalf("%d frames of no camera", len(got))
	}
	if st := s.State(); !strings.Contains(st.Detail, "refused") {
		t.Errorf("state %+v", st)
	}
	u, _ := url.Parse(address)
	o.Listen = u.Host
	start(t, o)
	shown(t, s, 3)
}

// RTP time that is set back, as by cameras that take it from their time of day:
// time goes on, ages stay right, and it is said.
func TestRTPTimeIsSetBack(t *testing.T) {
	t.Parallel()
	cam := start(t, camera.Options{Source: newFilm(t, "h264", 60, 15, 0).path})
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "tcp", Deadline: 10 * time.Second})
	events := during(t, s, 2*time.Second)
	if err := cam.SetFaults(0, camera.Faults{RTPJump: camera.Duration(-2 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	slept := oversleep(t.Context())
	after := during(t, s, 3*time.Second)
	allowed := 300*time.Millisecond + 2*slept()
	for i, e := range append(events, after...) {
		if all := append(events, after...); i > 0 && e.PTS <= all[i-1].PTS {
			t.Fatalf("frame %d at %v comes after one at %v", e.Seq, e.PTS, all[i-1].PTS)
		}
	}
	for _, e := range after[len(after)/2:] {
		if e.lag > allowed || e.reason != "" {
			t.Fatalf("frame %d after the step: %q, a lag of %v", e.Seq, e.reason, e.lag)
		}
	}
	if st := s.State(); st.ClockSteps == 0 || st.Sessions != 1 {
		t.Errorf("state %+v", st)
	}
}

// A camera whose clock runs faster than ours, and sessions that break: time never
// runs back.
func TestTimeRisesOverSessions(t *testing.T) {
	t.Parallel()
	cam := start(t, camera.Options{Source: newFilm(t, "h264", 60, 15, 0).path, Faults: camera.Faults{
		ClockDrift: 100_000, DisconnectEvery: camera.Duration(1500 * time.Millisecond),
	}})
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "udp"})
	events := during(t, s, 7*time.Second)
	for i := range events[1:] {
		if events[i+1].PTS <= events[i].PTS {
			t.Fatalf("frame %d at %v comes after one at %v", events[i+1].Seq, events[i+1].PTS, events[i].PTS)
		}
	}
	if st := s.State(); st.Sessions < 3 || strings.Contains(st.Detail, "B pictures") {
		t.Errorf("state %+v", st)
	}
}

// A camera that is set to another codec while it is watched.
func TestCodecChange(t *testing.T) {
	t.Parallel()
	first, second := newFilm(t, "h264", 60, 15, 2), newFilm(t, "h265", 60, 15, 0)
	o := camera.Options{Listen: "127.0.0.1:0", Source: first.path}
	cam := start(t, o)
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "tcp"})
	events := shown(t, s, 20)
	u, _ := url.Parse(cam.URLs()[0])
	o.Listen, o.Source = u.Host, second.path
	cam.Kill()
	start(t, o)
	before := len(good(events))
	events = append(events, shown(t, s, 40)...)
	var old, fresh int
	for i, e := range events {
		if e.Seq != uint64(i) {
			t.Fatalf("frame %d has the number %d", i, e.Seq)
		}
		if _, ok := first.pictures[e.hash]; ok {
			old++
		}
		if _, ok := second.pictures[e.hash]; ok {
			fresh++
		}
		if e.reason == coded.Reference {
			t.Errorf("frame %d: %s", e.Seq, e.reason)
		}
	}
	if old < before || fresh < 20 {
		t.Errorf("%d pictures of the first codec, %d of the second", old, fresh)
	}
	if st := s.State(); st.Codec != "h265" || st.Detail != "" {
		t.Errorf("state %+v", st)
	}
}

// A bound on silence that the user has set holds, whatever it is.
func TestStallAsSet(t *testing.T) {
	t.Parallel()
	cam := start(t, camera.Options{Source: newFilm(t, "h264", 60, 15, 0).path})
	s := open(t, rtsp.Options{URL: cam.URLs()[0], Transport: "tcp", Stall: 30 * time.Second})
	shown(t, s, 3)
	if err := cam.SetFaults(0, camera.Faults{Freeze: true}); err != nil {
		t.Fatal(err)
	}
	during(t, s, 7*time.Second)
	if st := s.State(); st.Sessions != 1 || st.Status != msg.CameraStreaming {
		t.Errorf("state %+v", st)
	}
}
