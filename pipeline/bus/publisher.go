package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"dashline/pipeline/msg"
)

// Options says where and as whom to publish.
type Options struct {
	// URL is the server's address, or several of one cluster, comma-separated.
	// Credentials go in it: nats://user:password@host:4222.
	URL string
	// Vehicle is the second token of every subject; see [CheckName].
	Vehicle string
	// Buffer is how many messages wait for the server before the oldest is
	// dropped; 0 means 1024. At most 32 MiB wait, whatever their number.
	Buffer int
}

const (
	defaultBuffer = 1024
	maxBuffered   = 32 << 20
	// closeBound is how long Close waits where its context sets no time.
	closeBound = 5 * time.Second
	// batch is how many messages are sent before the server must confirm.
	batch = 64
)

// Stats is a publisher's account: Offered = Published + Dropped + Waiting.
type Stats struct {
	Offered    uint64 // messages that the publisher was given
	Published  uint64 // messages that the server confirmed
	Dropped    uint64 // messages that did not fit, could not be encoded, were refused, or whose arrival is not known
	Waiting    uint64 // messages in the buffer or on their way
	Bytes      uint64 // payload bytes of the published messages
	Reconnects uint64 // times that a lost connection came back
	Connected  bool   // whether there is a connection now
	LastError  string // the newest trouble, without credentials; empty when there was none
}

// Publisher sends results to NATS. Its methods are safe for concurrent use and,
// apart from Close, do not wait for the network.
type Publisher struct {
	vehicle string
	nc      *nats.Conn
	abort   func() // breaks the connection, also one that a write hangs on
	wake    chan struct{}
	done    chan struct{} // closed when the sender has ended

	mu       sync.Mutex
	queue    *ring
	free     [][]byte // payload buffers to use again
	cameras  map[string]*[len(topics)]feed
	closing  bool
	stopped  bool // nothing more is sent
	inFlight uint64
	refused  uint64 // confirmed as received, but not delivered for lack of permission
	stats    Stats  // without Waiting and refused
}

// feed is what is known of one camera's messages of one kind.
type feed struct {
	subject string
	count   uint64
}

// Connect makes a publisher. A server that is absent, refuses or does not answer
// within 5 s or ctx is an error that says what to do; see the package comment
// for what happens when it is lost later. End the publisher with Close.
func Connect(ctx context.Context, o Options) (*Publisher, error) {
	if err := CheckName(o.Vehicle); err != nil {
		return nil, fmt.Errorf("vehicle: %w", err)
	}
	if o.Buffer < 0 || o.Buffer > 1<<20 {
		return nil, fmt.Errorf("the bus buffer of %d messages is out of range: use 1 to %d, or 0 for %d", o.Buffer, 1<<20, defaultBuffer)
	}
	if o.Buffer == 0 {
		o.Buffer = defaultBuffer
	}
	p := &Publisher{
		vehicle: o.Vehicle,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		queue:   newRing(o.Buffer, maxBuffered),
		cameras: map[string]*[len(topics)]feed{},
		stats:   Stats{Connected: true},
	}
	var err error
	p.nc, p.abort, err = dial(ctx, o.URL, "dashline "+o.Vehicle,
		nats.NoEcho(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { p.connected(false, err) }),
		nats.ReconnectHandler(func(*nats.Conn) { p.connected(true, nil) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { p.trouble(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { p.serverError(err) }),
		nats.ClosedHandler(func(*nats.Conn) { p.connected(false, nil) }),
	)
	if err != nil {
		return nil, err
	}
	go p.run()
	return p, nil
}

// Detections offers d, which is encoded before the method returns. As with the
// others, what cannot be published is counted in Stats, not reported here.
func (p *Publisher) Detections(d *msg.Detections) { p.offer(0, d) }

// Tracks offers t.
func (p *Publisher) Tracks(t *msg.Tracks) { p.offer(1, t) }

// Lanes offers l.
func (p *Publisher) Lanes(l *msg.LaneSet) { p.offer(2, l) }

// Plan offers t.
func (p *Publisher) Plan(t *msg.Trajectory) { p.offer(3, t) }

// Frame offers f.
func (p *Publisher) Frame(f *msg.FrameReport) { p.offer(4, f) }

// Camera offers the state of a live camera.
func (p *Publisher) Camera(c *msg.CameraState) { p.offer(5, c) }

// Stats returns the account so far. It does not wait for the network.
func (p *Publisher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Waiting = uint64(p.queue.len()) + p.inFlight
	// The refusal may be known before the confirmation.
	refused := min(p.refused, s.Published)
	s.Published -= refused
	s.Dropped += refused
	return s
}

// Close sends what waits and ends the connection. It takes as long as ctx
// allows, 5 s where ctx has no deadline, and counts what could not be sent as
// dropped: the error then says how many. Messages offered later are dropped.
func (p *Publisher) Close(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, closeBound)
		defer cancel()
	}
	p.mu.Lock()
	p.closing = true
	before := p.stats.Dropped
	p.mu.Unlock()
	p.signal()

	select {
	case <-p.done:
	case <-ctx.Done():
		p.mu.Lock()
		p.stopped = true
		p.mu.Unlock()
		p.abort()
		p.signal()
		<-p.done
	}
	p.nc.Close()
	p.abort()

	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connected = false
	if lost := p.stats.Dropped - before; lost > 0 {
		return fmt.Errorf("%d messages could not be sent to NATS before the end: %w", lost, context.Cause(ctx))
	}
	return nil
}

// offer encodes v, of topics[topic], and queues it.
func (p *Publisher) offer(topic int, v any) {
	camera, h := frameOf(v)
	payload, err := appendMessage(p.buffer(), v)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Offered++
	f, nameErr := p.feed(camera, topic)
	if nameErr != nil {
		p.drop(payload, nameErr)
		return
	}
	f.count++
	if err != nil {
		p.drop(payload, err)
		return
	}
	if p.closing {
		p.drop(payload, errors.New("the publisher is closed"))
		return
	}
	for p.queue.full(len(payload)) {
		old, _ := p.queue.pop()
		p.drop(old.payload, errors.New("the buffer was full: the oldest message was dropped"))
	}
	e := entry{subject: f.subject, schema: topics[topic].Schema, count: f.count, payload: payload}
	p.queue.push(e.of(h))
	p.signal()
}

// of is e as a message of the frame h; nil is no frame.
func (e entry) of(h *msg.Header) entry {
	if h == nil {
		return e
	}
	e.frame, e.seq = true, h.Seq
	if timeKnown(h.CapturedAt) {
		e.capturedAt = h.CapturedAt
	}
	return e
}

// drop counts one message that will not be sent. The caller holds mu.
func (p *Publisher) drop(payload []byte, why error) {
	p.stats.Dropped++
	p.stats.LastError = why.Error()
	p.recycle(payload)
}

// feed returns the camera's feed; the caller holds mu.
func (p *Publisher) feed(camera string, topic int) (*feed, error) {
	feeds := p.cameras[camera]
	if feeds == nil {
		feeds = new([len(topics)]feed)
		for i, t := range topics {
			var err error
			if feeds[i].subject, err = Subject(p.vehicle, camera, t.Kind); err != nil {
				return nil, err
			}
		}
		p.cameras[camera] = feeds
	}
	return &feeds[topic], nil
}

func (p *Publisher) buffer() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b[:0]
	}
	return nil
}

// recycle keeps a payload's memory for another; the caller holds mu. A few are
// enough: in the steady state the sender is at most a frame behind.
func (p *Publisher) recycle(b []byte) {
	if len(p.free) < 16 && cap(b) > 0 && cap(b) <= 64<<10 {
		p.free = append(p.free, b)
	}
}

func (p *Publisher) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run is the sender, the only one that publishes.
func (p *Publisher) run() {
	defer close(p.done)
	m := &nats.Msg{Header: nats.Header{}}
	for p.ready() {
		p.send(m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
	for {
		e, ok := p.queue.pop()
		if !ok {
			return
		}
		p.drop(e.payload, errors.New("the publisher was closed before the message was sent"))
	}
}

// ready waits until there is something to send and a connection to send it on.
// It is false when nothing more is to be sent.
func (p *Publisher) ready() bool {
	for {
		p.mu.Lock()
		waiting, closing, stopped := p.queue.len() > 0, p.closing, p.stopped
		p.mu.Unlock()
		if stopped || closing && !waiting || p.nc.IsClosed() {
			return false
		}
		if waiting && p.nc.IsConnected() {
			return true
		}
		<-p.wake
	}
}

// send publishes a batch and waits until the server has confirmed it, so that
// what counts as published has arrived. Meanwhile new messages queue up in our
// buffer, bounded and counted, and not in the connection's.
//
// A PONG confirms all that went before its PING on the same connection, so the
// number of reconnects must be the same before the first message and after the
// PONG. If not, nobody knows which messages arrived.
func (p *Publisher) send(m *nats.Msg) {
	connection := p.nc.Stats().Reconnects
	var sent, bytes uint64
	for sent < batch {
		p.mu.Lock()
		e, ok := p.queue.pop()
		if ok {
			p.inFlight++
		}
		p.mu.Unlock()
		if !ok {
			break
		}
		fill(m, e)
		err := p.nc.PublishMsg(m)
		p.mu.Lock()
		if err != nil {
			p.inFlight--
			p.unsent(e, err)
			p.mu.Unlock()
			break
		}
		sent++
		bytes += uint64(len(e.payload))
		p.recycle(e.payload) // nats.go has copied it
		p.mu.Unlock()
	}
	if sent == 0 {
		return
	}
	err := p.confirm(connection)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight -= sent
	if err != nil {
		p.stats.Dropped += sent
		p.stats.LastError = err.Error()
		return
	}
	p.stats.Published += sent
	p.stats.Bytes += bytes
}

// unsent deals with a message that could not be published; the caller holds mu.
func (p *Publisher) unsent(e entry, err error) {
	// The only error after which it is known that nothing went out and that the
	// next attempt can succeed: there is no connection at the moment.
	if errors.Is(err, nats.ErrReconnectBufExceeded) && !p.queue.full(len(e.payload)) {
		p.queue.pushOldest(e)
		return
	}
	p.drop(e.payload, fmt.Errorf("publish on %s: %w", e.subject, err))
}

// confirm waits for the server to say that it has everything that was sent on
// the connection. Pings end the wait for one that has gone silent.
func (p *Publisher) confirm(connection uint64) error {
	for {
		err := p.nc.FlushTimeout(pingEvery)
		if p.nc.Stats().Reconnects != connection {
			return errors.New("the connection was lost before the server confirmed: the messages on their way count as dropped")
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, nats.ErrTimeout) || !p.nc.IsConnected() {
			return fmt.Errorf("the connection was lost before the server confirmed: %w", err)
		}
	}
}

// fill makes m the message of e. m is used again and again: publishing copies it.
func fill(m *nats.Msg, e entry) {
	m.Subject, m.Data = e.subject, e.payload
	clear(m.Header)
	m.Header[HeaderSchema] = []string{e.schema}
	if e.frame {
		m.Header[HeaderSeq] = []string{strconv.FormatUint(e.seq, 10)}
	}
	m.Header[HeaderCount] = []string{strconv.FormatUint(e.count, 10)}
	if !e.capturedAt.IsZero() {
		m.Header[HeaderCapturedAt] = []string{e.capturedAt.UTC().Format(time.RFC3339Nano)}
	}
}

func (p *Publisher) connected(yes bool, err error) {
	p.mu.Lock()
	p.stats.Connected = yes
	if yes {
		p.stats.Reconnects++
	}
	p.mu.Unlock()
	p.trouble(err)
	p.signal()
}

func (p *Publisher) trouble(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.LastError = err.Error()
}

// serverError takes what the server says against a message. One that it refuses
// for lack of permission was confirmed like any other.
func (p *Publisher) serverError(err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		p.mu.Lock()
		p.refused++
		p.mu.Unlock()
	}
	p.trouble(err)
}
