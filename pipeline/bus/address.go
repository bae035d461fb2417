package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// connectTimeout bounds one attempt to connect, up to the server's greeting.
const connectTimeout = 5 * time.Second

// A connection that says nothing is given up after stalePings of these.
const (
	pingEvery  = 2 * time.Second
	stalePings = 2
)

// Redact returns address (one NATS URL or several, comma-separated) without
// credentials, for people to read.
func Redact(address string) string {
	urls, err := parseAddress(address)
	if err != nil {
		return "the NATS address"
	}
	shown := make([]string, len(urls))
	for i, u := range urls {
		shown[i] = u.Scheme + "://" + u.Host
	}
	return strings.Join(shown, ",")
}

// parseAddress never has any part of the address in its error: it may hold a
// password in a place where it is not recognised as one.
func parseAddress(address string) ([]*url.URL, error) {
	const mend = "write it as nats://host:4222 or nats://user:password@host:4222 (special characters in the password as %XX)"
	if strings.TrimSpace(address) == "" {
		return nil, errors.New("the NATS address is empty: " + mend)
	}
	var urls []*url.URL
	for _, one := range strings.Split(address, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil || u.Hostname() == "" {
			return nil, errors.New("the NATS address is not a URL: " + mend)
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return nil, errors.New("the NATS address has a scheme that is not nats, tls, ws or wss: " + mend)
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// dial connects to a server that must be there now, and sets the connection up
// to survive every later loss. ctx bounds the first connection only. The
// returned func breaks the current connection at once, which ends any write
// that the server holds up.
func dial(ctx context.Context, address, name string, extra ...nats.Option) (*nats.Conn, func(), error) {
	urls, err := parseAddress(address)
	if err != nil {
		return nil, nil, err
	}
	d := &dialer{}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, d.abort)

	options := append([]nats.Option{
		nats.Name(name),
		nats.Timeout(connectTimeout),
		nats.SetCustomDialer(d),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(stalePings),
		nats.FlusherTimeout(pingEvery * stalePings),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(backoff),
		// What waits for a connection waits in our own buffer, where it is counted.
		nats.ReconnectBufSize(-1),
	}, extra...)
	clean := make([]string, len(urls))
	for i, u := range urls {
		clean[i] = u.String()
	}
	nc, err := nats.Connect(strings.Join(clean, ","), options...)
	if !stop() {
		if nc != nil {
			nc.Close()
		}
		return nil, nil, fmt.Errorf("connect to %s: %w", Redact(address), context.Cause(ctx))
	}
	if err != nil {
		said, network := d.trouble()
		d.abort()
		return nil, nil, fmt.Errorf("connect to %s: %w", Redact(address), explain(err, network, said))
	}
	d.greeted()
	return nc, d.abort, nil
}

// backoff is the pause before the n-th attempt to reconnect (n from 1): 50 ms,
// doubling to 5 s, of which a random half so that clients do not return in step.
func backoff(n int) time.Duration {
	const first, most = 50 * time.Millisecond, 5 * time.Second
	d := most
	if n < 8 {
		d = min(first<<max(n-1, 0), most)
	}
	return d/2 + rand.N(d/2+1)
}

// explain adds the mend to why a connection could not be made. network is why
// there was no connection at all and said is the server's own last word, which
// nats.go does not always pass on.
func explain(err, network error, said string) error {
	var timeout net.Error
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Errorf("the server refuses the credentials (%w): put the right ones in the address, nats://user:password@host:4222", err)
	case strings.Contains(said, "maximum connections"):
		return fmt.Errorf("the server is full (%s): raise its max_connections or end other clients", said)
	case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("one side wants TLS and the other has none (%w): use tls://host:4222 with a server that has TLS, else nats://", err)
	case network != nil:
		return fmt.Errorf("%w: is a NATS server running there? Start one with nats-server, or leave the address out to use the built-in one", network)
	case errors.Is(err, nats.ErrTimeout), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("it takes connections but sends no greeting (%w): is it a NATS server?", err)
	case said == "" && (errors.Is(err, nats.ErrNoInfoReceived) || errors.Is(err, io.EOF)):
		return fmt.Errorf("it does not speak NATS (%w): check the port", err)
	}
	if said != "" {
		return fmt.Errorf("the server says %q (%w): see its log", said, err)
	}
	return fmt.Errorf("%w: check that it is a NATS server and that the address is right", err)
}

// dialer makes the connections and remembers the current one, so that it can be
// broken, and why there was none.
type dialer struct {
	ctx    context.Context // ends with abort
	cancel context.CancelFunc

	mu          sync.Mutex
	conn        *hearing
	err         error
	established bool // a first connection was made
}

// Dial is called by nats.go for each attempt.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(d.ctx, network, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	if err != nil {
		return nil, err
	}
	if d.ctx.Err() != nil {
		conn.Close()
		return nil, d.ctx.Err()
	}
	d.conn = &hearing{Conn: conn}
	d.conn.over.Store(d.established)
	return d.conn, nil
}

// trouble returns the server's complaint and the error of the last dial.
func (d *dialer) trouble() (said string, network error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return "", d.err
	}
	return d.conn.complaint(), d.err
}

// greeted ends the recording of what the server says.
func (d *dialer) greeted() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.established = true
	d.conn.over.Store(true)
}

// abort breaks the connection and refuses new ones.
func (d *dialer) abort() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.Close()
	}
}

// hearing is a connection that keeps what the server said during the greeting.
// A server that is full says so and hangs up, and a client that is writing just
// then would see a broken pipe and never read it.
type hearing struct {
	net.Conn
	over atomic.Bool

	mu    sync.Mutex
	heard []byte
}

func (h *hearing) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	h.keep(b[:n])
	return n, err
}

func (h *hearing) Write(b []byte) (int, error) {
	n, err := h.Conn.Write(b)
	if err != nil && !h.over.Load() {
		var last [512]byte
		_ = h.Conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _ := h.Conn.Read(last[:])
		h.keep(last[:n])
	}
	return n, err
}

func (h *hearing) keep(b []byte) {
	const most = 64 << 10
	if h.over.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, b[:min(len(b), most-len(h.heard))]...)
}

// complaint is the text of the first -ERR line, bounded, or empty.
func (h *hearing) complaint() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line := range strings.Lines(string(h.heard)) {
		if text, ok := strings.CutPrefix(line, "-ERR "); ok {
			text = strings.Trim(strings.TrimSpace(text), "'")
			return text[:min(len(text), 200)]
		}
	}
	return ""
}
