package rtsp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
)

// Bounds of what a camera can make us wait for.
const (
	setupBound   = 10 * time.Second // from connecting to its answer to PLAY
	partingBound = time.Second      // for the last words of a session
	maxRedirects = 5
	// quiet is when the client itself gives up a session without packets: later
	// than the watchdog, which has its own bound.
	quiet = time.Hour
)

var (
	errNoAnswer  = fmt.Errorf("it does not answer within %v", setupBound)
	errRedirects = fmt.Errorf("it redirects more than %d times", maxRedirects)
)

// connection is an RTSP client whose every wait ends with a context.
//
// The client by itself waits without bound for a TLS handshake, follows redirects
// without end, and cannot be closed meanwhile. Ending the connection below it
// ends each. Close ends the session in good order if the camera lets it.
type connection struct {
	*gortsplib.Client
	cancel context.CancelCauseFunc
	ctx    context.Context
	ending sync.WaitGroup

	mu  sync.Mutex
	raw net.Conn // the latest
}

// connect makes a client, which connects when it is first used. Over UDP its
// packets come through a tunnel.
func (s *Source) connect(ctx context.Context, udp bool) (*connection, error) {
	c := &connection{}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	dial := (&net.Dialer{}).DialContext
	if udp {
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTunnel(ctx, network, address, s.o.Reorder)
		}
	}
	tcp := gortsplib.TransportTCP
	c.Client = &gortsplib.Client{
		Scheme: s.url.Scheme, Host: s.url.Host, Transport: &tcp,
		TLSConfig: s.o.TLS.Clone(), UserAgent: "dashline",
		ReadTimeout: quiet, WriteTimeout: answerBound,
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
		OnTransportSwitch: func(error) {},
		OnResponse:        s.redirects(c),
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			return c.dial(dial, network, address)
		},
	}
	if err := c.Start2(); err != nil {
		c.cancel(nil)
		return nil, err
	}
	c.ending.Go(c.end)
	return c, nil
}

func (c *connection) dial(dial func(context.Context, string, string) (net.Conn, error), network, address string) (net.Conn, error) {
	if err := context.Cause(c.ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, answerBound)
	defer cancel()
	raw, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = raw
	return raw, nil
}

// redirects ends a connection that is sent on for ever, or to where the
// credentials are none of anybody's business.
func (s *Source) redirects(c *connection) func(*base.Response) {
	n := 0
	return func(r *base.Response) {
		if r.StatusCode < 300 || r.StatusCode > 399 {
			return
		}
		if n++; n > maxRedirects {
			c.cancel(errRedirects)
		}
		if location := r.Header["Location"]; s.o.User != "" && len(location) > 0 {
			if u, err := base.ParseURL(location[0]); err != nil || !strings.EqualFold(u.Hostname(), s.url.Hostname()) {
				c.cancel(&FinalError{errors.New("it redirects to another host, which is not to have the user name and password: give that address")})
			}
		}
	}
}

// end waits for the context and closes the client.
func (c *connection) end() {
	<-c.ctx.Done()
	// The client may hang on the connection; it then goes without a word.
	cut := time.AfterFunc(partingBound, c.hangUp)
	defer cut.Stop()
	c.Client.Close()
	c.hangUp() // a connection that the client was about to use
}

func (c *connection) hangUp() {
	c.mu.Lock()
	raw := c.raw
	c.mu.Unlock()
	if raw != nil {
		_ = raw.Close()
	}
}

// Close ends the session and waits until nothing of it is left.
func (c *connection) Close() {
	c.cancel(nil)
	c.ending.Wait()
}

// why is the error of a call, or what ended the connection under it.
func (c *connection) why(err error) error {
	cause := context.Cause(c.ctx)
	if err == nil || cause == nil || errors.Is(cause, context.Canceled) {
		return err
	}
	return cause
}
