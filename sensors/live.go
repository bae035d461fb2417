package sensors

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"time"

	"dashline/internal/redact"
	"dashline/internal/regular"
	"dashline/sensors/rtsp"
)

// live is a camera that is reached over RTSP.
type live struct {
	*rtsp.Source
	path string
}

// network says whether a path is the address of a camera.
func network(path string) bool {
	scheme, _, ok := strings.Cut(path, "://")
	return ok && (strings.EqualFold(scheme, "rtsp") || strings.EqualFold(scheme, "rtsps"))
}

// mostReorder bounds the wait for a missing packet that is taken from the deadline.
const mostReorder = 50 * time.Millisecond

// reorder is how long a missing packet is waited for: a quarter of the deadline,
// where nothing else is asked for.
func reorder(o Options) time.Duration {
	switch {
	case o.RTSP.Reorder > 0:
		return o.RTSP.Reorder
	case o.Deadline > 0:
		return min(o.Deadline/4, mostReorder)
	}
	return mostReorder
}

func openLive(ctx context.Context, address string, o Options) (*live, error) {
	path := redact.URL(address)
	config, err := trust(o.RTSP)
	if err != nil {
		return nil, fmt.Errorf("open camera %s: %w", path, err)
	}
	s, err := rtsp.Open(ctx, rtsp.Options{
		URL: address, User: o.RTSP.User, Password: o.RTSP.Password, Camera: o.Camera,
		Transport: o.RTSP.Transport, TLS: config, Reorder: reorder(o), Stall: o.RTSP.Stall, Retry: o.RTSP.Retry,
		Deadline: o.Deadline, MaxPixels: MaxPixels, MaxSide: MaxSide,
	})
	if err != nil {
		return nil, err
	}
	return &live{s, path}, nil
}

// maxCA bounds a file of certificates.
const maxCA = 1 << 20

// trust is how the certificates of cameras are checked; nil for the usual way.
func trust(o RTSPOptions) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure}
	if o.CA == "" {
		return c, nil
	}
	f, err := regular.Open(o.CA)
	if err != nil {
		return nil, fmt.Errorf("read rtsp.ca: %w", err)
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxCA+1))
	if err != nil {
		return nil, fmt.Errorf("read rtsp.ca %s: %w", o.CA, err)
	}
	c.RootCAs = x509.NewCertPool()
	if len(pem) > maxCA || !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read rtsp.ca %s: there are no certificates in it, or more than %d bytes: give a PEM file with the certificate of the camera or of who signed it", o.CA, maxCA)
	}
	return c, nil
}

// Info describes the camera's pictures, as far as it has described them itself.
func (l *live) Info() Info {
	in := l.Source.Info()
	return Info{Kind: "rtsp", Path: l.path, Width: in.Width, Height: in.Height, FPS: in.FPS, Live: true}
}
