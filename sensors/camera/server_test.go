package camera

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"dashline/internal/avenc"
)

// frames records what OnFrame is told, by camera.
type frames struct {
	mu  sync.Mutex
	all map[int][]FrameInfo
}

func (f *frames) add(camera int, info FrameInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[int][]FrameInfo{}
	}
	f.all[camera] = append(f.all[camera], info)
}

func (f *frames) of(camera int) []FrameInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all[camera])
}

func serve(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// watcher is a client that records all that comes.
type watcher struct {
	*gortsplib.Client
	desc *description.Session

	mu      sync.Mutex
	packets []*rtp.Packet
	reports []*rtcp.SenderReport
	played  time.Time
	first   time.Time // sender report
}

// join begins to watch. The transport is TCP unless o sets another.
func join(t testing.TB, address string, set func(*gortsplib.Client)) (*watcher, error) {
	t.Helper()
	u, err := base.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	tcp := gortsplib.TransportTCP
	w := &watcher{Client: &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &tcp, OnDecodeError: func(error) {}, OnPacketsLost: func(uint64) {}}}
	if set != nil {
		set(w.Client)
	}
	if err := w.Start2(); err != nil {
		return nil, err
	}
	t.Cleanup(w.Close)
	if w.desc, _, err = w.Describe(u); err != nil {
		return w, err
	}
	if err := w.SetupAll(w.desc.BaseURL, w.desc.Medias); err != nil {
		return w, err
	}
	w.OnPacketRTPAny(func(_ *description.Media, _ format.Format, p *rtp.Packet) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.packets = append(w.packets, p)
	})
	w.OnPacketRTCPAny(func(_ *description.Media, p rtcp.Packet) {
		if sr, ok := p.(*rtcp.SenderReport); ok {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.first.IsZero() {
				w.first = time.Now()
			}
			w.reports = append(w.reports, sr)
		}
	})
	w.played = time.Now()
	_, err = w.Play(nil)
	return w, err
}

func mustJoin(t testing.TB, address string, set func(*gortsplib.Client)) *watcher {
	t.Helper()
	w, err := join(t, address, set)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *watcher) got() []*rtp.Packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.packets)
}

func (w *watcher) heard() []*rtcp.SenderReport {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.reports)
}

// until waits for something that comes by itself.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for begin := time.Now(); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (w *watcher) receive(t testing.TB, n int) []*rtp.Packet {
	t.Helper()
	want := len(w.got()) + n
	until(t, "packets came", func() bool { return len(w.got()) >= want })
	return w.got()
}

// missing counts the sequence numbers from the first to the last that did not come.
func missing(packets []*rtp.Packet) int {
	seen := map[uint16]bool{}
	for _, p := range packets {
		seen[p.SequenceNumber] = true
	}
	n := 0
	for s := packets[0].SequenceNumber; s != packets[len(packets)-1].SequenceNumber; s++ {
		if !seen[s] {
			n++
		}
	}
	return n
}

// Each frame that comes has the timestamp that the camera says, its packets end
// with a marker, and the film begins anew without a break.
func TestFramesComeAsTheCameraSays(t *testing.T) {
	for name, o := range map[string]avenc.Options{
		"H.264":          {BFrames: -1},
		"H.264 B-frames": {BFrames: 2},
		"H.265":          {Codec: avenc.H265, BFrames: 2, Preset: "ultrafast"},
		"MJPEG":          {Codec: avenc.MJPEG},
	} {
		for transport, v := range map[string]gortsplib.Transport{"TCP": gortsplib.TransportTCP, "UDP": gortsplib.TransportUDP} {
			t.Run(name+" "+transport, func(t *testing.T) {
				t.Parallel()
				o := o
				o.Keyframes = 10
				var said frames
				s := serve(t, Options{Source: testFilm(t, 30, o), OnFrame: said.add, Seed: 5})
				w := mustJoin(t, s.URLs()[0], func(c *gortsplib.Client) { c.Transport = &v })
				until(t, "some rounds are over", func() bool {
					p := w.got()
					return len(p) > 0 && len(said.of(0)) > 100 && int(p[len(p)-1].SequenceNumber-p[0].SequenceNumber) > 100
				})
				packets := w.got()
				w.Close()
				byStamp := map[uint32]FrameInfo{}
				rounds := 0
				for _, f := range said.of(0) {
					byStamp[f.RTP] = f
					rounds = max(rounds, f.Round)
				}
				if rounds < 2 {
					t.Fatalf("%d rounds", rounds)
				}
				count := map[uint32]int{}
				for i, p := range packets {
					f, known := byStamp[p.Timestamp]
					if !known {
						if i > len(packets)-200 { // told after it is sent
							continue
						}
						t.Fatalf("packet %d has timestamp %d, which no frame has", i, p.Timestamp)
					}
					count[p.Timestamp]++
					if last := int(p.SequenceNumber-f.Sequence) == f.Packets-1; last != p.Marker {
						t.Errorf("packet %d of %d of a frame has marker %v", p.SequenceNumber-f.Sequence, f.Packets, p.Marker)
					}
				}
				if transport == "TCP" {
					if n := missing(packets); n != 0 {
						t.Errorf("%d packets did not come", n)
					}
					whole := 0
					for stamp, n := range count {
						if n == byStamp[stamp].Packets {
							whole++
						}
					}
					if whole < len(count)-2 { // the first and the last may be cut
						t.Errorf("%d of %d frames are whole", whole, len(count))
					}
				}
				checkTimes(t, said.of(0))
			})
		}
	}
}

// checkTimes wants the frames' times to be those of a film of 30 frames at 100 a
// second, round after round.
func checkTimes(t *testing.T, all []FrameInfo) {
	t.Helper()
	first := all[0]
	for _, f := range all {
		n := f.Round*30 + f.Index
		since := time.Duration(n-first.Index-30*first.Round) * 10 * time.Millisecond
		if d := f.NTP.Sub(first.NTP) - since; d.Abs() > time.Millisecond {
			t.Fatalf("frame %d of round %d was taken %v after the first; want %v", f.Index, f.Round, f.NTP.Sub(first.NTP), since)
		}
		if d := int32(f.RTP - first.RTP - uint32(since.Seconds()*90000)); d < -2 || d > 2 {
			t.Fatalf("frame %d of round %d is %d ticks beside its time", f.Index, f.Round, d)
		}
		if f.SentAt.Before(f.TakenAt.Add(-time.Millisecond)) {
			t.Fatalf("frame %d of round %d is sent %v before it is taken", f.Index, f.Round, f.TakenAt.Sub(f.SentAt))
		}
	}
}

// Sender reports begin at once, and give each frame the time at which it was
// taken.
func TestReportsGiveTheTimeOfFrames(t *testing.T) {
	t.Parallel()
	var said frames
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{}), OnFrame: said.add, Faults: Faults{ClockJump: Duration(time.Hour)}})
	w := mustJoin(t, s.URLs()[0], nil)
	until(t, "three sender reports came", func() bool { return len(w.heard()) >= 3 })
	if d := w.first.Sub(w.played); d > 2*time.Second { // 10 ms on an idle machine; gortsplib's own come after 10 s
		t.Errorf("the first sender report came %v after PLAY", d)
	}
	for _, sr := range w.heard() {
		at := time.Unix(int64(sr.NTPTime>>32)-2208988800, int64(sr.NTPTime&0xffffffff*1e9>>32))
		for _, f := range said.of(0) {
			got := at.Add(time.Duration(int32(f.RTP-sr.RTPTime)) * time.Second / 90000)
			if d := got.Sub(f.NTP); d.Abs() > 100*time.Microsecond {
				t.Fatalf("by the report the frame was taken at %v; the camera says %v", got, f.NTP)
			}
			if d := f.NTP.Sub(f.TakenAt); (d - time.Hour).Abs() > time.Millisecond {
				t.Fatalf("the camera's clock is %v ahead; want an hour", d)
			}
		}
	}
}

func TestLossIsCountedExactly(t *testing.T) {
	for name, f := range map[string]Faults{
		"loss":   {Loss: 0.1},
		"bursts": {Burst: 0.03, BurstLength: 4},
		"both":   {Loss: 0.05, Burst: 0.02},
		"slow":   {Bandwidth: 60_000, Queue: 4000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said frames
			s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{CRF: 12}), OnFrame: said.add, Seed: 3})
			w := mustJoin(t, s.URLs()[0], nil)
			w.receive(t, 30)
			if err := s.SetFaults(0, f); err != nil {
				t.Fatal(err)
			}
			before := len(said.of(0))
			until(t, "a hundred frames were sent", func() bool { return len(said.of(0)) > before+100 })
			if err := s.SetFaults(0, Faults{}); err != nil {
				t.Fatal(err)
			}
			lost := func() uint64 { st := s.Stats(0); return st.Lost + st.BurstLost + st.Overflowed }
			w.receive(t, 30)
			until(t, "what the slow link held has come, and the rest is counted", func() bool { return uint64(missing(w.got())) == lost() })
			st := s.Stats(0)
			packets := w.got()
			if n := missing(packets); uint64(n) != lost() || lost() < 20 {
				t.Errorf("%d packets did not come; the camera counted %d: %+v", n, lost(), st)
			}
			told := 0
			for _, f := range said.of(0) {
				told += f.Lost
			}
			if uint64(told) != lost() {
				t.Errorf("frames say that %d packets were lost; counted %d", told, lost())
			}
		})
	}
}

func TestCopiesAndOvertakenPacketsAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{})})
	w := mustJoin(t, s.URLs()[0], nil)
	w.receive(t, 30)
	if err := s.SetFaults(0, Faults{Duplicate: 0.1, Reorder: 0.1, ReorderDepth: 2}); err != nil {
		t.Fatal(err)
	}
	w.receive(t, 300)
	if err := s.SetFaults(0, Faults{}); err != nil {
		t.Fatal(err)
	}
	w.receive(t, 100)
	st := s.Stats(0)
	var seen []uint16
	copies, late := uint64(0), uint64(0)
	highest := w.got()[0].SequenceNumber
	for _, p := range w.got() {
		switch d := int16(p.SequenceNumber - highest); {
		case slices.Contains(seen, p.SequenceNumber):
			copies++
		case d < 0:
			late++
		default:
			highest = p.SequenceNumber
		}
		seen = append(seen, p.SequenceNumber)
	}
	if copies != st.Duplicated || late != st.Reordered || copies < 10 || late < 10 {
		t.Errorf("%d copies and %d late; counted %d and %d", copies, late, st.Duplicated, st.Reordered)
	}
}

func TestFreezeKeepsTheSession(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{Keyframes: 10})})
	w := mustJoin(t, s.URLs()[0], nil)
	w.receive(t, 10)
	if err := s.SetFaults(0, Faults{Freeze: true}); err != nil {
		t.Fatal(err)
	}
	until(t, "nothing comes", func() bool {
		n := len(w.got())
		time.Sleep(200 * time.Millisecond)
		return len(w.got()) == n
	})
	n := len(w.got())
	if err := s.SetFaults(0, Faults{}); err != nil {
		t.Fatal(err)
	}
	packets := w.receive(t, 10)
	if m := missing(packets); m != 0 {
		t.Errorf("%d sequence numbers are missing", m)
	}
	if step := packets[n].Timestamp - packets[n-1].Timestamp; step < 90000/5 {
		t.Errorf("timestamps went on by %d over the freeze", step)
	}
	form := w.desc.Medias[0].Formats[0].(*format.H264)
	if !form.PTSEqualsDTS(packets[n]) {
		t.Error("what comes first after the freeze is no key frame")
	}
	if st := s.Stats(0); st.NotSent == 0 || st.Sessions != 1 || st.Clients != 1 {
		t.Errorf("counts %+v", st)
	}
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{})})
	if err := s.SetFaults(0, Faults{DisconnectEvery: Duration(time.Second)}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		w := mustJoin(t, s.URLs()[0], nil)
		ended := make(chan error, 1)
		go func() { ended <- w.Wait() }()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("the session ended without an error")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the session goes on")
		}
		until(t, "it is counted", func() bool { return s.Stats(0).Disconnect == uint64(i+1) && s.Stats(0).Clients == 0 })
	}
}

func TestNoRTCP(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{}), Faults: Faults{NoRTCP: true}})
	w := mustJoin(t, s.URLs()[0], nil)
	time.Sleep(1200 * time.Millisecond)
	if n := len(w.heard()); n != 0 || s.Stats(0).Reports != 0 {
		t.Errorf("%d sender reports came", n)
	}
	if err := s.SetFaults(0, Faults{}); err != nil {
		t.Fatal(err)
	}
	until(t, "sender reports come again", func() bool { return len(w.heard()) > 0 })
}

func TestDriftAndJump(t *testing.T) {
	t.Parallel()
	var said frames
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{BFrames: -1}), OnFrame: said.add, Faults: Faults{ClockDrift: 50_000}})
	until(t, "a second was shown", func() bool { return len(said.of(0)) > 100 })
	if err := s.SetFaults(0, Faults{ClockDrift: 50_000, ClockJump: Duration(-3 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	until(t, "another frame was shown", func() bool { return len(said.of(0)) > 120 })
	all := said.of(0)
	a, b := all[0], all[99]
	if rate := float64(b.NTP.Sub(a.NTP)) / float64(b.TakenAt.Sub(a.TakenAt)); rate < 1.0499 || rate > 1.0501 {
		t.Errorf("its clock runs %g times as fast as this machine's; want 1.05", rate)
	}
	if ticks := b.RTP - a.RTP; ticks < 99*900-2 || ticks > 99*900+2 {
		t.Errorf("99 frames are %d ticks; want %d", ticks, 99*900)
	}
	jumps := 0
	for i := 1; i < len(all); i++ {
		if d := all[i].NTP.Sub(all[i-1].NTP); d < 0 {
			jumps++
			if (d + 3*time.Second - 10*time.Millisecond).Abs() > time.Millisecond {
				t.Errorf("it jumped by %v", d)
			}
		}
	}
	if jumps != 1 {
		t.Errorf("%d jumps", jumps)
	}
}

// A jump moves the timestamps and not the time of day, and the reports after it
// tie the ones to the other.
func TestRTPJump(t *testing.T) {
	for _, jump := range []time.Duration{-90 * time.Second, 5 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			var said frames
			s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{BFrames: -1}), OnFrame: said.add})
			w := mustJoin(t, s.URLs()[0], nil)
			until(t, "sender reports came", func() bool { return len(w.heard()) >= 3 })
			if err := s.SetFaults(0, Faults{RTPJump: Duration(jump)}); err != nil {
				t.Fatal(err)
			}
			before := len(w.heard())
			until(t, "two more reports came", func() bool { return len(w.heard()) >= before+2 })
			all := said.of(0)
			jumps, ticks := 0, int64(jump)*9/100_000
			for i := 1; i < len(all); i++ {
				if d := all[i].NTP.Sub(all[i-1].NTP) - 10*time.Millisecond; d.Abs() > time.Millisecond {
					t.Fatalf("the time of day went on by %v", d)
				}
				switch on := int64(int32(all[i].RTP - all[i-1].RTP)); on {
				case 899, 900, 901:
				case ticks - 1 + 900, ticks + 900, ticks + 1 + 900:
					jumps++
				default:
					t.Fatalf("the timestamp went on by %d ticks", on)
				}
			}
			if jumps != 1 {
				t.Errorf("timestamps jumped %d times", jumps)
			}
			heard := w.heard()
			sr, f := heard[len(heard)-1], all[len(all)-1]
			at := time.Unix(int64(sr.NTPTime>>32)-2208988800, int64(sr.NTPTime&0xffffffff*1e9>>32))
			got := at.Add(time.Duration(int32(f.RTP-sr.RTPTime)) * time.Second / 90000)
			if d := got.Sub(f.NTP); d.Abs() > 100*time.Microsecond {
				t.Errorf("by the report after the jump the frame was taken at %v; the camera says %v", got, f.NTP)
			}
		})
	}
}

func TestSDPFaults(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{H264, H265} {
		s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{Codec: codec})})
		sets := func(kind string) [][]byte {
			t.Helper()
			if err := s.SetFaults(0, Faults{SDP: kind}); err != nil {
				t.Fatal(err)
			}
			switch f := s.cameras[0].shape.format.(type) {
			case *format.H264:
				sps, pps := f.SafeParams()
				return [][]byte{sps, pps}
			case *format.H265:
				vps, sps, pps := f.SafeParams()
				return [][]byte{vps, sps, pps}
			}
			t.Fatal("another format")
			return nil
		}
		right := sets(SDPRight)
		if !slices.EqualFunc(right, s.base.sets, bytes.Equal) {
			t.Errorf("%s: the sets in the SDP are not the film's", codec)
		}
		for _, set := range sets(SDPMissing) {
			if set != nil {
				t.Errorf("%s: a set is there", codec)
			}
		}
		if codec == H264 { // a client sees it; gortsplib's refuses H.265 with wrong sets
			mustJoin(t, s.URLs()[0], nil).receive(t, 10)
		}
		for i, set := range sets(SDPGarbage) {
			if len(set) == 0 || bytes.Equal(set, right[i]) {
				t.Errorf("%s: a set is right", codec)
			}
		}
		if got := sets(SDPNone); !slices.EqualFunc(got, right, bytes.Equal) {
			t.Errorf("%s: the sets are not right again", codec)
		}
	}
}

func TestResolutionChanges(t *testing.T) {
	for _, codec := range []string{H264, H265, MJPEG} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			var said frames
			s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{Codec: codec, Keyframes: 10}), OnFrame: said.add})
			if err := s.SetFaults(0, Faults{ResolutionEvery: Duration(500 * time.Millisecond)}); err != nil {
				t.Fatal(err)
			}
			until(t, "the size changed three times", func() bool { return s.Stats(0).Switches >= 3 })
			all := said.of(0)
			changes := 0
			for i := 1; i < len(all); i++ {
				a, b := all[i-1], all[i]
				if a.Width == b.Width {
					continue
				}
				changes++
				if !b.Key || b.Width*a.Width != 160*80 {
					t.Errorf("from %dx%d to %dx%d, key frame %v", a.Width, a.Height, b.Width, b.Height, b.Key)
				}
				if a.Width == 80 && b.Width == 160 && b.Index != (a.Index+1)%30 {
					t.Errorf("picture %d follows picture %d", b.Index, a.Index)
				}
			}
			if changes < 2 {
				t.Errorf("%d changes", changes)
			}
			checkTimes(t, all)
		})
	}
}

func TestKeyFramesFarApart(t *testing.T) {
	t.Parallel()
	var said frames
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{Keyframes: 10}), OnFrame: said.add, Faults: Faults{NoKeyFrames: Duration(time.Second)}})
	until(t, "a second was shown", func() bool { return len(said.of(0)) > 220 })
	var keys []int
	for i, f := range said.of(0) {
		if f.Key {
			keys = append(keys, i)
		}
		if f.Index != i%30 {
			t.Fatalf("frame %d is picture %d", i, f.Index)
		}
	}
	if len(keys) != 2 && len(keys) != 3 || keys[0] != 0 || keys[1] < 100 {
		t.Errorf("key frames are %v; want them 100 or more apart", keys)
	}
	if err := s.SetFaults(0, Faults{}); err != nil {
		t.Fatal(err)
	}
	until(t, "key frames are near again", func() bool {
		all := said.of(0)
		return slices.ContainsFunc(all[len(keys):], func(f FrameInfo) bool { return f.Key && f.Index == 10 })
	})
}

func TestWhoMayWatch(t *testing.T) {
	t.Parallel()
	film := testFilm(t, 10, avenc.Options{})
	for _, ways := range [][]string{nil, {AuthBasic}, {AuthDigest}} {
		s := serve(t, Options{Source: film, User: "guest", Password: "pass word/1", Auth: ways})
		with := func(user *url.Userinfo) string {
			u, err := url.Parse(s.URLs()[0])
			if err != nil {
				t.Fatal(err)
			}
			u.User = user
			return u.String()
		}
		mustJoin(t, with(url.UserPassword("guest", "pass word/1")), nil).receive(t, 5)
		for _, wrong := range []*url.Userinfo{nil, url.UserPassword("guest", "x"), url.UserPassword("x", "pass word/1")} {
			if _, err := join(t, with(wrong), nil); err == nil {
				t.Errorf("%v: %v was let in", ways, wrong)
			}
		}
		if strings.Contains(s.URLs()[0], "pass") {
			t.Error("the password is in the address")
		}
	}
}

func TestRTSPS(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Source: testFilm(t, 10, avenc.Options{}), TLS: true})
	if !strings.HasPrefix(s.URLs()[0], "rtsps://") {
		t.Errorf("address %s", s.URLs()[0])
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.Certificate()) {
		t.Fatal("the certificate is not PEM")
	}
	w := mustJoin(t, s.URLs()[0], func(c *gortsplib.Client) { c.TLSConfig = &tls.Config{RootCAs: pool} })
	w.receive(t, 20)
	if _, err := join(t, s.URLs()[0], func(c *gortsplib.Client) { c.TLSConfig = &tls.Config{} }); err == nil {
		t.Error("a client that does not know the certificate was content")
	}
}

// The same seed loses the same packets of the same frames, for each camera
// others.
func TestTheSameSeedDoesTheSame(t *testing.T) {
	t.Parallel()
	film := testFilm(t, 30, avenc.Options{})
	run := func(seed uint64) [2][]FrameInfo {
		var said frames
		s := serve(t, Options{Source: film, Count: 2, Seed: seed, OnFrame: said.add, Faults: Faults{Loss: 0.2, Flip: 0.1}})
		until(t, "frames were sent", func() bool { return len(said.of(0)) > 60 && len(said.of(1)) > 60 })
		s.Kill()
		var all [2][]FrameInfo
		for i := range all {
			for _, f := range said.of(i)[:60] {
				f.NTP, f.TakenAt, f.SentAt = time.Time{}, time.Time{}, time.Time{}
				all[i] = append(all[i], f)
			}
		}
		return all
	}
	a, b, c := run(1), run(1), run(2)
	if !slices.Equal(a[0], b[0]) || !slices.Equal(a[1], b[1]) {
		t.Error("the same seed did something else")
	}
	if slices.Equal(a[0], c[0]) || slices.Equal(a[0], a[1]) {
		t.Error("another seed or camera did the same")
	}
}
