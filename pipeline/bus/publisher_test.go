package bus

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"dashline/pipeline/bus/embedded"
	"dashline/pipeline/msg"
)

func detections(seq int) *msg.Detections {
	return &msg.Detections{
		Header: msg.Header{Camera: "front", Seq: uint64(seq), CapturedAt: time.Unix(1_700_000_000, int64(seq)).UTC()},
		Width:  960, Height: 540,
		Items: []msg.Detection{{Box: msg.Box{X0: 1, Y0: 2, X1: 3, Y1: 4}, Class: 2, Label: "car", Score: 0.75}},
	}
}

func TestPublishReachesASubscriber(t *testing.T) {
	s := builtIn(t)
	_, got := client(t, s.URL(), "dashline.>")
	p := connect(t, Options{URL: s.URL()})

	header := msg.Header{Camera: "front", Seq: 41, CapturedAt: time.Unix(1_700_000_000, 5).UTC(), PTS: time.Second}
	sent := map[string]any{
		"dashline.car.front.detections": &msg.Detections{Header: header, Width: 960},
		"dashline.car.front.tracks":     &msg.Tracks{Header: header, Only: true, Items: []msg.Track{{ID: 3, State: msg.TrackCoasting, Detection: -1}}},
		"dashline.car.front.lanes":      &msg.LaneSet{Header: header, EgoLeft: -1, EgoRight: -1},
		"dashline.car.front.plan":       &msg.Trajectory{Header: header, Mode: msg.PlanNoLanes, LeadObject: -1},
		"dashline.car.front.frames":     &msg.FrameReport{Header: header, Outcome: msg.OnTime},
	}
	p.Detections(sent["dashline.car.front.detections"].(*msg.Detections))
	p.Tracks(sent["dashline.car.front.tracks"].(*msg.Tracks))
	p.Lanes(sent["dashline.car.front.lanes"].(*msg.LaneSet))
	p.Plan(sent["dashline.car.front.plan"].(*msg.Trajectory))
	p.Frame(sent["dashline.car.front.frames"].(*msg.FrameReport))

	var payloads int
	for range sent {
		m := next(t, got)
		payloads += len(m.Data)
		read, err := Decode(m.Subject, m.Header, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(read.Value, sent[m.Subject]) || read.Count != 1 || read.Vehicle != "car" || read.Camera != "front" {
			t.Errorf("%s: read %+v, sent %+v", m.Subject, read, sent[m.Subject])
		}
		if at := m.Header.Get(HeaderCapturedAt); at != "2023-11-14T22:13:20.000000005Z" {
			t.Errorf("%s: captured at %q", m.Subject, at)
		}
	}
	if err := p.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	want := Stats{Offered: 5, Published: 5, Bytes: uint64(payloads)}
	if got := p.Stats(); got != want {
		t.Errorf("account is %+v, want %+v", got, want)
	}
}

func TestCaptureTimeThatIsNotKnownHasNoHeader(t *testing.T) {
	s := builtIn(t)
	_, got := client(t, s.URL(), "dashline.>")
	p := connect(t, Options{URL: s.URL()})
	p.Detections(&msg.Detections{Header: msg.Header{Camera: "front"}})
	m := next(t, got)
	if _, there := m.Header[HeaderCapturedAt]; there {
		t.Errorf("headers %v", m.Header)
	}
	if _, err := Decode(m.Subject, m.Header, m.Data); err != nil {
		t.Error(err)
	}
}

// Several stages publish at once; none may be lost, and each subject's count has no gap.
func TestConcurrentPublishing(t *testing.T) {
	s := builtIn(t)
	_, got := client(t, s.URL(), "dashline.>")
	p := connect(t, Options{URL: s.URL(), Buffer: 8000})
	const frames = 500
	var wg sync.WaitGroup
	for _, publish := range []func(h msg.Header){
		func(h msg.Header) { p.Detections(&msg.Detections{Header: h}) },
		func(h msg.Header) { p.Lanes(&msg.LaneSet{Header: h, EgoLeft: -1, EgoRight: -1}) },
		func(h msg.Header) { p.Plan(&msg.Trajectory{Header: h, LeadObject: -1}) },
		func(h msg.Header) { p.Frame(&msg.FrameReport{Header: h}) },
	} {
		wg.Go(func() {
			for i := range frames {
				publish(msg.Header{Camera: "front", Seq: uint64(i)})
				checkAccount(t, p.Stats())
			}
		})
	}
	wg.Wait()
	counts := map[string]uint64{}
	for range 4 * frames {
		m := next(t, got)
		read, err := Decode(m.Subject, m.Header, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		counts[m.Subject]++
		if read.Count != counts[m.Subject] || seqOf(read.Value) != read.Count-1 {
			t.Fatalf("%s: message %d is count %d, seq %d", m.Subject, counts[m.Subject], read.Count, seqOf(read.Value))
		}
	}
}

func TestWhatCannotBePublishedIsCounted(t *testing.T) {
	s := builtIn(t)
	_, got := client(t, s.URL(), "dashline.>")
	p := connect(t, Options{URL: s.URL()})
	p.Detections(&msg.Detections{Header: msg.Header{Camera: "front.left"}})
	p.Detections(&msg.Detections{Header: msg.Header{Camera: "front"}, Width: -1})
	p.Detections(detections(3))
	if m := next(t, got); m.Header.Get(HeaderSeq) != "3" || m.Header.Get(HeaderCount) != "2" {
		t.Errorf("headers %v", m.Header)
	}
	if err := p.Close(within(t)); err != nil {
		t.Error(err) // they were counted when they were offered
	}
	p.Detections(detections(4))
	st := p.Stats()
	checkAccount(t, st)
	if st.Offered != 4 || st.Published != 1 || st.Dropped != 3 || !strings.Contains(st.LastError, "closed") {
		t.Errorf("account is %+v", st)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for _, o := range []Options{
		{URL: "nats://127.0.0.1:1"},
		{URL: "nats://127.0.0.1:1", Vehicle: "my car"},
		{URL: "nats://127.0.0.1:1", Vehicle: "car", Buffer: -1},
		{URL: "nats://127.0.0.1:1", Vehicle: "car", Buffer: 1 << 30},
		{URL: "", Vehicle: "car"},
		{URL: "http://127.0.0.1:1", Vehicle: "car"},
		{URL: "nats://", Vehicle: "car"},
	} {
		if p, err := Connect(within(t), o); err == nil {
			t.Errorf("%+v was taken", o)
			_ = p.Close(within(t))
		}
	}
}

// The server is killed and started again on the same port while frames go on.
func TestServerGoesAwayAndComesBack(t *testing.T) {
	first := natsServer(t, nil)
	port := first.Addr().(*net.TCPAddr).Port
	_, got := client(t, first.ClientURL(), "dashline.>")
	p := connect(t, Options{URL: first.ClientURL(), Buffer: 10})

	p.Detections(detections(0))
	next(t, got)
	eventually(t, "the first message is confirmed", func() bool { return p.Stats().Published == 1 })
	shutdown(first)
	eventually(t, "the loss is seen", func() bool { return !p.Stats().Connected })

	// 30 frames with nobody there: the newest 10 wait.
	for i := 1; i <= 30; i++ {
		p.Detections(detections(i))
		checkAccount(t, p.Stats())
	}
	if st := p.Stats(); st.Waiting != 10 || st.Dropped != 20 {
		t.Errorf("without a server: %+v", st)
	}

	second := natsServer(t, func(o *server.Options) { o.Port = port })
	_, again := client(t, second.ClientURL(), "dashline.>") // may come before or after the publisher
	eventually(t, "the connection is back", func() bool { return p.Stats().Connected })
	for i := 31; ; i++ {
		p.Detections(detections(i))
		select {
		case <-again:
		case <-time.After(50 * time.Millisecond):
			if i < 200 {
				continue
			}
			t.Fatal("nothing comes after the restart")
		}
		break
	}
	if err := p.Close(within(t)); err != nil {
		t.Error(err)
	}
	st := p.Stats()
	checkAccount(t, st)
	if st.Reconnects != 1 || st.Waiting != 0 || st.Published < 11 {
		t.Errorf("after the restart: %+v", st)
	}
}

// A relay between publisher and server that can be frozen or cut: what was on
// its way must not count as published.
type relay struct {
	net.Listener
	mu     sync.Mutex
	frozen chan struct{} // closed to go on
	conns  []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	var wg sync.WaitGroup
	pump := func(dst, src net.Conn) {
		defer dst.Close()
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			r.mu.Lock()
			frozen := r.frozen
			r.mu.Unlock()
			if frozen != nil {
				<-frozen
			}
			if err != nil {
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, in, out)
			r.mu.Unlock()
			wg.Go(func() { pump(in, out) })
			wg.Go(func() { pump(out, in) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.cut()
		r.thaw()
		wg.Wait()
	})
	return r
}

func (r *relay) freeze() {
	r.mu.Lock()
	r.frozen = make(chan struct{})
	r.mu.Unlock()
}

func (r *relay) thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen != nil {
		close(r.frozen)
		r.frozen = nil
	}
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

func TestMessagesOnABrokenConnectionAreNotPublished(t *testing.T) {
	s := natsServer(t, nil)
	_, got := client(t, s.ClientURL(), "dashline.>")
	r := newRelay(t, s.Addr().String())
	p := connect(t, Options{URL: "nats://" + r.Addr().String()})

	p.Detections(detections(0))
	eventually(t, "the first message is confirmed", func() bool { return p.Stats().Published == 1 })
	r.freeze()
	p.Detections(detections(1)) // reaches the relay, never the server
	eventually(t, "the message has left the buffer", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.inFlight == 1
	})
	r.cut()
	r.thaw()
	eventually(t, "the message counts as dropped", func() bool { return p.Stats().Dropped == 1 })
	p.Detections(detections(2))
	if err := p.Close(within(t)); err != nil {
		t.Error(err)
	}
	if m := next(t, got); m.Header.Get(HeaderSeq) != "0" {
		t.Errorf("first is %v", m.Header)
	}
	if m := next(t, got); m.Header.Get(HeaderSeq) != "2" {
		t.Errorf("second is %v", m.Header)
	}
	st := p.Stats()
	checkAccount(t, st)
	if st.Published != 2 || st.Dropped != 1 {
		t.Errorf("account is %+v", st)
	}
}

// A confirmation on another connection than the one that carried the messages
// says nothing of them.
func TestConfirmationOfAnotherConnection(t *testing.T) {
	p := connect(t, Options{URL: builtIn(t).URL()})
	if err := p.confirm(0); err != nil {
		t.Error(err)
	}
	if err := p.confirm(1); err == nil {
		t.Error("the messages of another connection were confirmed")
	}
}

// A message that met a lost connection before a byte of it went out stays the
// next to be sent, unless newer ones have taken the room.
func TestUnsentMessages(t *testing.T) {
	p := &Publisher{queue: newRing(2, 100)}
	p.queue.push(entry{seq: 2})
	p.unsent(entry{seq: 1}, nats.ErrReconnectBufExceeded)
	p.unsent(entry{seq: 0}, nats.ErrReconnectBufExceeded)
	p.unsent(entry{seq: 5}, nats.ErrMaxPayload)
	first, _ := p.queue.pop()
	second, _ := p.queue.pop()
	if first.seq != 1 || second.seq != 2 || p.stats.Dropped != 2 {
		t.Errorf("waiting %d, %d; %d dropped", first.seq, second.seq, p.stats.Dropped)
	}
}

// A peer that stops answering must hold up neither the frame path nor Close.
func TestFrozenServer(t *testing.T) {
	s := natsServer(t, nil)
	r := newRelay(t, s.Addr().String())
	p := connect(t, Options{URL: "nats://" + r.Addr().String(), Buffer: 50})
	r.freeze()
	big := detections(0)
	big.Items[0].Label = strings.Repeat("x", 200_000)
	const frames = 400 // 80 MB: more than the sockets between take
	for range frames {
		p.Detections(big)
	}
	st := p.Stats()
	checkAccount(t, st)
	if st.Offered != frames || st.Published != 0 {
		t.Errorf("account is %+v", st)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err := p.Close(ctx)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("closing says %v", err)
	}
	if st = p.Stats(); st.Dropped != frames || st.Waiting != 0 || st.Connected {
		t.Errorf("account after closing is %+v", st)
	}
}

// One listener that does not read loses messages; the others and the publisher
// do not notice.
func TestSlowConsumer(t *testing.T) {
	s := builtIn(t)
	slow, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB dashline.> 1\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitSubscribers(within(t), "dashline.car.front.detections", 1); err != nil {
		t.Fatal(err)
	}
	_, got := client(t, s.URL(), "dashline.*.*.detections")
	p := connect(t, Options{URL: s.URL()})
	big := detections(0)
	big.Items[0].Label = strings.Repeat("x", 400_000)
	const frames = 300 // 120 MB: more than the server keeps for one client
	for i := range frames {
		big.Seq = uint64(i)
		p.Detections(big)
		if m := next(t, got); m.Header.Get(HeaderSeq) != strconv.Itoa(i) {
			t.Fatalf("frame %d: got %v", i, m.Header)
		}
	}
	eventually(t, "all are confirmed", func() bool { return p.Stats().Published == frames })
	slow.Close()
}

func TestCloseWithoutAServerEnds(t *testing.T) {
	s := natsServer(t, nil)
	p := connect(t, Options{URL: s.ClientURL()})
	shutdown(s)
	eventually(t, "the loss is seen", func() bool { return !p.Stats().Connected })
	p.Detections(detections(0))
	p.Detections(detections(1))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); err == nil || !strings.Contains(err.Error(), "2 messages could not be sent") {
		t.Errorf("closing says %v", err)
	}
	st := p.Stats()
	checkAccount(t, st)
	if st.Dropped != 2 || st.Waiting != 0 {
		t.Errorf("account is %+v", st)
	}
}

func TestConnectSaysWhyNot(t *testing.T) {
	locked := natsServer(t, func(o *server.Options) { o.Username, o.Password = "drive", "right" })
	full := natsServer(t, func(o *server.Options) { o.MaxConn = 1 })
	_, _ = client(t, full.ClientURL(), "x")
	greeter := fakeServer(t, "SSH-2.0-OpenSSH_9.2\r\n")
	silent := fakeServer(t, "")
	hangsUp := fakeServer(t, "bye")

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	tests := []struct {
		name, url string
		bound     time.Duration
		want      []string
	}{
		{"port refused", "nats://" + closed.Addr().String(), long, []string{"connection refused", "Start one with nats-server"}},
		{"no such host", "nats://drive:hunter2@host.invalid:4222", long, []string{"nats://host.invalid:4222", "Start one with nats-server"}},
		{"no credentials", locked.ClientURL(), long, []string{"refuses the credentials", "nats://user:password@host:4222"}},
		{"wrong credentials", strings.Replace(locked.ClientURL(), "://", "://drive:hunter2@", 1), long, []string{"refuses the credentials"}},
		{"wrong token", strings.Replace(locked.ClientURL(), "://", "://hunter2@", 1), long, []string{"refuses the credentials"}},
		{"full", full.ClientURL(), long, []string{"maximum connections", "max_connections"}},
		{"not NATS", "nats://hunter2@" + greeter, long, []string{"does not speak NATS"}},
		{"hangs up", "nats://" + hangsUp, long, []string{"does not speak NATS"}},
		{"silent", "nats://" + silent, long, []string{"no greeting"}},
		{"silent, short patience", "nats://" + silent, 50 * time.Millisecond, []string{"deadline exceeded"}},
		{"not a URL", "nats://drive:hunter2@[::1", long, []string{"is not a URL", "nats://user:password@host"}},
		{"password with an odd character", "nats://drive:hunter2%zz@host", long, []string{"is not a URL", "as %XX"}},
		{"no host", "nats://drive:hunter2@", long, []string{"is not a URL"}},
		{"scheme", "kafka://drive:hunter2@host", long, []string{"nats, tls, ws or wss"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), tt.bound)
			defer cancel()
			p, err := Connect(ctx, Options{URL: tt.url, Vehicle: "car"})
			if err == nil {
				_ = p.Close(ctx)
				t.Fatal("connected")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

// fakeServer takes connections, says greeting and then nothing; "bye" hangs up.
func fakeServer(t *testing.T, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if greeting == "bye" {
				c.Close()
				continue
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.WriteString(c, greeting)
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// Credentials that stop being right while the program runs do not end it.
func TestAuthRefusedAfterTheStart(t *testing.T) {
	s := natsServer(t, func(o *server.Options) { o.Username, o.Password = "drive", "right" })
	port := s.Addr().(*net.TCPAddr).Port
	p := connect(t, Options{URL: strings.Replace(s.ClientURL(), "://", "://drive:right@", 1)})
	shutdown(s)
	changed := natsServer(t, func(o *server.Options) { o.Port, o.Username, o.Password = port, "drive", "other" })
	eventually(t, "it is refused and tries again", func() bool {
		v, err := changed.Varz(nil)
		return err == nil && v.TotalConnections > 3 && strings.Contains(p.Stats().LastError, "uthorization")
	})
	p.Detections(detections(0))
	shutdown(changed)
	natsServer(t, func(o *server.Options) { o.Port, o.Username, o.Password = port, "drive", "right" })
	eventually(t, "the message arrives", func() bool { return p.Stats().Published == 1 })
}

func TestNoPermissionToPublishIsADrop(t *testing.T) {
	s := natsServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "drive", Password: "right",
			Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"dashline.*.*.frames"}}}}}
	})
	p := connect(t, Options{URL: strings.Replace(s.ClientURL(), "://", "://drive:right@", 1)})
	p.Detections(detections(0))
	p.Frame(&msg.FrameReport{Header: msg.Header{Camera: "front"}})
	eventually(t, "one is published, one refused", func() bool {
		st := p.Stats()
		return st.Published == 1 && st.Dropped == 1 && strings.Contains(strings.ToLower(st.LastError), "permissions violation")
	})
	checkAccount(t, p.Stats())
}

// Under a server with a smaller payload limit than ours, what is too large is
// dropped and the rest goes on.
func TestPayloadTooLargeForTheServer(t *testing.T) {
	s := natsServer(t, func(o *server.Options) { o.MaxPayload = 2000 })
	_, got := client(t, s.ClientURL(), "dashline.>")
	p := connect(t, Options{URL: s.ClientURL()})
	big := detections(0)
	big.Items[0].Label = strings.Repeat("x", 3000)
	p.Detections(big)
	p.Detections(detections(1))
	if m := next(t, got); m.Header.Get(HeaderSeq) != "1" {
		t.Errorf("got %v", m.Header)
	}
	eventually(t, "one is published, one dropped", func() bool {
		st := p.Stats()
		return st.Published == 1 && st.Dropped == 1
	})
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"nats://user:secret@host:4222":               "nats://host:4222",
		"secret@host:4222":                           "nats://host:4222",
		"nats://secret@a:1, nats://b:2":              "nats://a:1,nats://b:2",
		"nats://user:se cret@host":                   "the NATS address",
		"nats://user:secret@host:4222/?token=secret": "nats://host:4222",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	for n := range 70 {
		d := backoff(n)
		if d < 25*time.Millisecond || d > 5*time.Second || n > 8 && d < 2500*time.Millisecond {
			t.Errorf("attempt %d waits %v", n, d)
		}
	}
}

func TestRingKeepsOrderAndBounds(t *testing.T) {
	r := newRing(3, 100)
	add := func(seq uint64, bytes int) {
		for r.full(bytes) {
			r.pop()
		}
		r.push(entry{seq: seq, payload: zeros(bytes)})
	}
	for i := range uint64(5) {
		add(i, 10)
	}
	e, _ := r.pop()
	if e.seq != 2 {
		t.Fatalf("oldest is %d", e.seq)
	}
	r.pushOldest(e)
	add(9, 95) // only fits alone
	e, ok := r.pop()
	if !ok || e.seq != 9 || r.len() != 0 || r.bytes != 0 {
		t.Errorf("left %d entries, %d bytes, newest %d", r.len(), r.bytes, e.seq)
	}
}

func zeros(n int) []byte { return make([]byte, n) }

// Offering costs the frame path no more with a server than without one.
func BenchmarkOffer(b *testing.B) {
	s, err := embedded.Start(within(b), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	p, err := Connect(within(b), Options{URL: s.URL(), Vehicle: "car"})
	if err != nil {
		b.Fatal(err)
	}
	d := detections(0)
	for len(d.Items) < 20 {
		d.Items = append(d.Items, d.Items[0])
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Detections(d)
	}
	b.StopTimer()
	_ = p.Close(within(b))
	_ = s.Close(within(b))
	if st := p.Stats(); st.Dropped > 0 {
		b.ReportMetric(float64(st.Dropped)/float64(st.Offered), "dropped/op")
	}
}
