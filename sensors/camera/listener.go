package camera

import (
	"net"
	"sync"
)

// listener lets nobody in before it is opened, and can reset all connections.
type listener struct {
	*net.TCPListener
	opened chan struct{}
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	conns  map[*net.TCPConn]struct{}
	killed bool
}

func newListener(ln *net.TCPListener) *listener {
	return &listener{TCPListener: ln, opened: make(chan struct{}), closed: make(chan struct{}), conns: map[*net.TCPConn]struct{}{}}
}

func (l *listener) open() { close(l.opened) }

// Accept waits for the opening, then for a connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.opened:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.killed {
		_ = c.SetLinger(0)
	}
	l.conns[c] = struct{}{}
	return &conn{c, l}, nil
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.TCPListener.Close()
}

// reset closes the listener and resets what it accepted. Whoever closes a
// connection from the first line on resets it: the server closes them in order
// as soon as Accept ends.
func (l *listener) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed = true
	for c := range l.conns {
		_ = c.SetLinger(0)
	}
	_ = l.Close()
	for c := range l.conns {
		_ = c.Close()
	}
}

// conn is forgotten when it is closed.
type conn struct {
	*net.TCPConn
	l *listener
}

// Close closes.
func (c *conn) Close() error {
	c.l.mu.Lock()
	delete(c.l.conns, c.TCPConn)
	c.l.mu.Unlock()
	return c.TCPConn.Close()
}
