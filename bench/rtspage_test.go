package bench_test

import (
	"context"
	"errors"
	"flag"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"dashline/detect"
	"dashline/internal/obs"
	"dashline/lanes/ground"
	flow "dashline/pipeline"
	"dashline/pipeline/bus"
	"dashline/pipeline/bus/embedded"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/planner"
	"dashline/sensors/camera"
	"dashline/sensors/rtsp"
)

var ageFor = flag.Duration("age", 30*time.Second, "how long each measurement of BenchmarkRTSPAge lasts")

// BenchmarkRTSPAge measures how old a camera's picture is when its detections
// reach a subscriber, and which part of that the way over RTSP adds: from the
// camera's handing a frame to the network to its picture being in the pipeline,
// less the time that decoding and converting it took. The camera, the pipeline
// with the smallest network, the NATS server and the subscriber are real, and
// share this process. How much later than asked a sleeping goroutine is woken
// meanwhile says what part of it the machine adds.
//
//	go test ./bench -run '^$' -bench RTSPAge -benchtime 1x
func BenchmarkRTSPAge(b *testing.B) {
	for _, transport := range []string{"tcp", "udp"} {
		b.Run(transport, func(b *testing.B) {
			var all aged
			for range b.N {
				all.add(measureAge(b, transport, *ageFor))
			}
			for _, v := range all.views() {
				if len(*v.values) == 0 {
					b.Fatalf("%s: nothing was measured", v.name)
				}
				b.Logf("%-9s p50 %6.2f ms, p99 %6.2f ms, max %6.2f ms of %d", v.name,
					ms(quantile(*v.values, 0.5)), ms(quantile(*v.values, 0.99)), ms(quantile(*v.values, 1)), len(*v.values))
				b.ReportMetric(ms(quantile(*v.values, 0.5)), v.name+"-p50-ms")
				b.ReportMetric(ms(quantile(*v.values, 0.99)), v.name+"-p99-ms")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// The way over RTSP adds less than a third of a frame period to half of the
// frames, over what the machine keeps any goroutine waiting.
func TestRTSPAge(t *testing.T) {
	for _, transport := range []string{"tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			const period = time.Second / cameraRate
			a := measureAge(t, transport, 3*time.Second)
			if len(a.added) < 20 || len(a.message) == 0 {
				t.Fatalf("%d frames and %d messages were measured; want at least 20 and 1", len(a.added), len(a.message))
			}
			added, slept := quantile(a.added, 0.5), quantile(a.overslept, 0.5)
			t.Logf("half of %d frames: %v added, %v old at the subscriber; a sleeper woke %v late", len(a.added), added, quantile(a.message, 0.5), slept)
			if least := slices.Min(a.way); least < 0 {
				t.Errorf("a frame was in the pipeline %v before the camera sent it", -least)
			}
			if added > period/3+slept {
				t.Errorf("RTSP adds %v; want at most %v", added, period/3+slept)
			}
			if slices.Min(a.message) < slices.Min(a.decode)+slices.Min(a.network) {
				t.Error("a message is younger than what it went through")
			}
		})
	}
}

// aged holds a value for each frame, and for each sleep.
type aged struct {
	camera    []time.Duration // from capture to being handed to the link
	way       []time.Duration // from there into the pipeline
	added     []time.Duration // that less decoding; below 0 where a reader lost its core while nothing had come
	quiet     []time.Duration // that of frames meanwhile no sleeper had to wait for a core
	decode    []time.Duration // to BGR
	network   []time.Duration // preprocessing to boxes
	published []time.Duration // from capture to publication
	message   []time.Duration // from capture to a subscriber
	overslept []time.Duration
}

type ageView struct {
	name   string
	values *[]time.Duration
}

func (a *aged) views() []ageView {
	return []ageView{
		{"camera", &a.camera}, {"way", &a.way}, {"added", &a.added}, {"quiet", &a.quiet}, {"decode", &a.decode}, {"network", &a.network},
		{"published", &a.published}, {"message", &a.message}, {"oversleep", &a.overslept},
	}
}

func (a *aged) add(b *aged) {
	from := b.views()
	for i, v := range a.views() {
		*v.values = append(*v.values, *from[i].values...)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile of values, of which there must be one.
func quantile(v []time.Duration, q float64) time.Duration {
	v = slices.Sorted(slices.Values(v))
	return v[min(int(q*float64(len(v))), len(v)-1)]
}

// moments is what happens to frames, and when. It stands between source and
// pipeline, and between pipeline and bus.
type moments struct {
	*rtsp.Source
	*bus.Publisher
	mu        sync.Mutex
	sent      []camera.FrameInfo
	arrived   []arrival
	published map[uint64]time.Time // its detections, by frame number
	received  map[uint64]time.Time
	reports   []msg.FrameReport
}

// arrival is a frame that is in the pipeline, whatever becomes of it there.
type arrival struct {
	msg.Header
	at   time.Time
	took time.Duration // decoding and converting it
}

// Next is the source's.
func (m *moments) Next(ctx context.Context, f *frame.Frame) error {
	began := time.Now()
	if err := m.Source.Next(ctx, f); err != nil {
		return err
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arrived = append(m.arrived, arrival{f.Header, now, now.Sub(began) - f.Idle})
	return nil
}

func (m *moments) send(_ int, f camera.FrameInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, f)
}

func (m *moments) Detections(d *msg.Detections) {
	m.Publisher.Detections(d)
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.published[d.Seq] = now
}

func (m *moments) Frame(r *msg.FrameReport) {
	m.Publisher.Frame(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, *r)
}

func (m *moments) receive(n *nats.Msg) error {
	now := time.Now()
	d, err := bus.Decode(n.Subject, n.Header, n.Data)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.received[d.Value.(*msg.Detections).Seq] = now
	return nil
}

// measureAge runs a camera and a pipeline that reads it for a time.
func measureAge(t testing.TB, transport string, d time.Duration) *aged {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pub, err := bus.Connect(t.Context(), bus.Options{URL: server.URL(), Vehicle: "ego"})
	if err != nil {
		t.Fatal(err)
	}
	m := &moments{Publisher: pub, published: map[uint64]time.Time{}, received: map[uint64]time.Time{}}
	cam := cameraOptions(cameraFilm(), 1)
	cam.OnFrame = m.send
	cameras, err := camera.Start(t.Context(), cam)
	if err != nil {
		t.Fatal(err)
	}
	source, err := rtsp.Open(t.Context(), rtsp.Options{
		URL: cameras.URLs()[0], Camera: "front", Transport: transport, Deadline: time.Second, Reorder: 25 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	spec, net := openNetwork(t, "dashline-tiny")
	det, err := detect.New(net, spec, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := planner.New(planner.Default())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var beside sync.WaitGroup
	listening := make(chan struct{})
	beside.Go(func() {
		o := bus.ListenOptions{URL: server.URL(), Subject: "dashline.*.*.detections"}
		if err := bus.Listen(ctx, o, func() { close(listening) }, m.receive); err != nil {
			t.Error(err)
		}
	})
	var a aged
	var sleeps []sleep
	beside.Go(func() { sleeps = oversleep(ctx) })
	select {
	case <-listening:
	case <-ctx.Done():
		t.Fatal("nobody listens")
	}
	begun := time.Now()
	m.Source = source
	err = errors.Join(flow.Run(ctx, flow.Engine{
		Rungs: []flow.Rung{{Name: "only"}},
		Crews: []flow.Crew{{Detectors: []flow.Detector{seeing{det}}}},
	}, flow.Feed{
		Config:  flow.Config{Camera: "front", Deadline: time.Second, Policy: flow.Newest, Speed: 20},
		Stages:  flow.Stages{Source: m, Locator: &placing{ground.Default(640, 360)}, Planner: plan, Publisher: m},
		Account: obs.NewAccount(),
	})...)
	beside.Wait()
	for _, err := range []error{
		err, source.Close(), cameras.Close(), det.Close(), pub.Close(context.Background()), server.Close(context.Background()),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, s := range sleeps {
		a.overslept = append(a.overslept, s.woke.Sub(s.due))
	}
	m.sum(&a, begun.Add(time.Second), sleeps)
	return &a
}

// sum puts together what belongs to one frame, of those that were in the pipeline
// after a moment: the network is slow at first. Frames are known by the camera's
// own capture time, so those before its first report are left out.
func (m *moments) sum(a *aged, after time.Time, sleeps []sleep) {
	reports := map[uint64]msg.FrameReport{}
	for _, r := range m.reports {
		reports[r.Seq] = r
	}
	for _, f := range m.arrived {
		sent, known := m.find(f.CapturedAt)
		if f.CaptureClock != msg.SenderClock || !known || f.at.Before(after) {
			continue
		}
		a.camera = append(a.camera, sent.SentAt.Sub(sent.TakenAt))
		a.way = append(a.way, f.at.Sub(sent.SentAt))
		a.added = append(a.added, f.at.Sub(sent.SentAt)-f.took)
		a.decode = append(a.decode, f.took)
		if !disturbed(sleeps, sent.SentAt, f.at) {
			a.quiet = append(a.quiet, f.at.Sub(sent.SentAt)-f.took)
		}
		received, ok := m.received[f.Seq]
		if !ok {
			continue // let go, for a newer one
		}
		took := map[string]time.Duration{}
		for _, s := range reports[f.Seq].Stages {
			took[s.Stage] = s.Took
		}
		a.network = append(a.network, took[flow.StagePreprocess]+took[flow.StageForward]+took[flow.StageDecode])
		a.published = append(a.published, m.published[f.Seq].Sub(sent.TakenAt))
		a.message = append(a.message, received.Sub(sent.TakenAt))
	}
}

// find is the frame that was taken at a time, by the camera's clock; RTP tells
// that to a ninetieth of a millisecond.
func (m *moments) find(at time.Time) (camera.FrameInfo, bool) {
	i := slices.IndexFunc(m.sent, func(f camera.FrameInfo) bool { return f.NTP.Sub(at).Abs() < time.Millisecond })
	if i < 0 {
		return camera.FrameInfo{}, false
	}
	return m.sent[i], true
}

// sleep is one of a sleeper's naps: when it was to wake, and when it did.
type sleep struct{ due, woke time.Time }

// oversleep sleeps again and again: it sees what this machine makes any goroutine
// wait for a core.
func oversleep(ctx context.Context) (all []sleep) {
	for ctx.Err() == nil {
		due := time.Now().Add(2 * time.Millisecond)
		time.Sleep(time.Until(due))
		all = append(all, sleep{due, time.Now()})
	}
	return all
}

// disturbed says that a sleeper was due between two moments and had to wait.
func disturbed(sleeps []sleep, from, to time.Time) bool {
	i, _ := slices.BinarySearchFunc(sleeps, from, func(s sleep, t time.Time) int { return s.woke.Compare(t) })
	for ; i < len(sleeps) && sleeps[i].due.Before(to); i++ {
		if sleeps[i].woke.Sub(sleeps[i].due) > time.Millisecond {
			return true
		}
	}
	return false
}
