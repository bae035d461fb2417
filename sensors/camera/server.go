package camera

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
)

// Server serves one film as one or more cameras.
type Server struct {
	o       Options
	ctx     context.Context // ends with the server
	stop    context.CancelFunc
	wg      sync.WaitGroup // the cameras
	dir     string         // of temporary films
	listen  *listener
	rtsp    *gortsplib.Server
	cert    []byte // PEM of a certificate that was made; nil where none was
	cameras []*camera

	base    *strip     // the film that is served
	setting sync.Mutex // one change of faults at a time: it may encode a film
	films   map[rendition]*strip
	recent  []rendition // those of films that were made besides, the latest last
	made    int         // files so far
	once    sync.Once
}

// Start makes the film ready, which can take long, and serves it until Close or
// Kill. ctx is for the start alone.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("camera: %w", err)
	}
	s := &Server{o: o, films: map[rendition]*strip{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if s.dir, err = os.MkdirTemp("", "dashline-camera-*"); err != nil {
		s.stop()
		return nil, fmt.Errorf("camera: %w", err)
	}
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("camera: %w", err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	f, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	s.base, s.films[rendition{}] = f, f
	if err := s.o.Faults.validateFor(f.info.Codec); err != nil {
		return err
	}
	if err := s.serve(); err != nil {
		return err
	}
	for i := range s.o.Count {
		c, err := s.newCamera(i, f)
		if err != nil {
			return err
		}
		s.cameras = append(s.cameras, c)
		if err := s.set(ctx, c, s.o.Faults); err != nil {
			return err
		}
	}
	s.listen.open()
	for _, c := range s.cameras {
		s.wg.Go(func() {
			if err := c.run(s.ctx); err != nil {
				c.count(func(st *Stats) { st.Error = err.Error() })
			}
		})
	}
	return nil
}

// newCamera makes a camera that does not run yet.
func (s *Server) newCamera(i int, f *strip) (*camera, error) {
	c := &camera{
		number: i, path: fmt.Sprintf("/camera%d", i), chance: newChance(s.o.Seed, i),
		tell: s.o.OnFrame, wake: make(chan struct{}, 1), film: f,
		watching: map[*gortsplib.ServerSession]*gortsplib.ServerConn{},
	}
	var err error
	if c.shape, err = newShape(f, c.chance); err != nil {
		return nil, err
	}
	c.shape.sdp(f, SDPRight, c.chance)
	d := c.shape.describe()
	c.media = d.Medias[0]
	c.stream = &gortsplib.ServerStream{Server: s.rtsp, Desc: d}
	return c, c.stream.Initialize()
}

// serve begins to listen; nobody is let in before the listener is opened.
func (s *Server) serve() error {
	ln, err := net.Listen("tcp", s.o.Listen)
	if err != nil {
		return fmt.Errorf("listen for RTSP: %w: give another address, or port 0 for any that is free", err)
	}
	s.listen = newListener(ln.(*net.TCPListener))
	config, err := s.tls()
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	host, _, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	for try := 0; ; try++ {
		if s.rtsp, err = s.tryServe(host, config); err == nil {
			return nil
		}
		s.rtsp = nil
		if s.o.UDPPort != 0 || try == 20 {
			return errors.Join(fmt.Errorf("listen for RTP: %w: give another UDP port, 0 for any, or -1 for none", err), ln.Close())
		}
	}
}

// tryServe fails where a port for UDP is taken.
func (s *Server) tryServe(host string, config *tls.Config) (*gortsplib.Server, error) {
	r := &gortsplib.Server{
		Handler:     &handler{s},
		RTSPAddress: s.listen.Addr().String(), Listen: func(string, string) (net.Listener, error) { return s.listen, nil },
		TLSConfig:                config,
		WriteQueueSize:           2048, // packets for one client: a second of a large picture
		DisableRTCPSenderReports: true, // the camera's own come more often, and have its own clock
	}
	for _, a := range s.o.Auth {
		switch a {
		case AuthBasic:
			r.AuthMethods = append(r.AuthMethods, auth.VerifyMethodBasic)
		case AuthDigest:
			r.AuthMethods = append(r.AuthMethods, auth.VerifyMethodDigestMD5)
		}
	}
	if port := s.o.UDPPort; port >= 0 {
		var err error
		if port == 0 {
			if port, err = freePair(host); err != nil {
				return nil, err
			}
		}
		r.UDPRTPAddress = net.JoinHostPort(host, fmt.Sprint(port))
		r.UDPRTCPAddress = net.JoinHostPort(host, fmt.Sprint(port+1))
	}
	return r, r.Start()
}

// freePair is an even UDP port that was free a moment ago.
func freePair(host string) (int, error) {
	c, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	port := c.LocalAddr().(*net.UDPAddr).Port
	if port%2 == 0 {
		return (port + 2) % 65536, nil // the next pair: this one is still held here
	}
	return port + 1, nil
}

// URLs are the cameras' addresses, without credentials.
func (s *Server) URLs() []string {
	scheme := "rtsp"
	if s.o.TLS {
		scheme = "rtsps"
	}
	var urls []string
	for _, c := range s.cameras {
		urls = append(urls, fmt.Sprintf("%s://%s%s", scheme, s.listen.Addr(), c.path))
	}
	return urls
}

// LateBy is by how many frames the film's pictures are sent later than they are
// shown, at most; 0 where it has no B-frames.
func (s *Server) LateBy() int { return s.base.lateBy() }

// Certificate is the certificate that was made at the start, PEM; nil where one
// was given, and without TLS.
func (s *Server) Certificate() []byte { return s.cert }

// Stats are what camera i counted so far.
func (s *Server) Stats(i int) Stats {
	c := s.cameras[i]
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.stats
	st.Clients = len(c.watching)
	return st
}

// Faults are those of camera i.
func (s *Server) Faults(i int) Faults {
	c := s.cameras[i]
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults
}

// SetFaults changes the faults of camera i, from the next packet on. Where they
// need another encoding of the film it is made first, once, which can take as
// long as the start.
func (s *Server) SetFaults(i int, f Faults) error {
	if err := f.validateFor(s.base.info.Codec); err != nil {
		return fmt.Errorf("camera %d: %w", i, err)
	}
	if err := s.set(s.ctx, s.cameras[i], f); err != nil {
		return fmt.Errorf("camera %d: %w", i, err)
	}
	return nil
}

// Close ends all sessions and the server, and waits. It is safe to call twice.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		s.stop()
		s.setting.Lock() // whoever encodes a film ends now, too
		defer s.setting.Unlock()
		s.wg.Wait()
		for _, c := range s.cameras {
			c.stream.Close()
		}
		if s.rtsp != nil {
			s.rtsp.Close()
		}
		err = os.RemoveAll(s.dir)
	})
	return err
}

// Kill is Close as a camera that loses its power does it: connections are reset
// at once, without a word.
func (s *Server) Kill() {
	if s.listen != nil {
		s.listen.reset()
	}
	_ = s.Close()
}
