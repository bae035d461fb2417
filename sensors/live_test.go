package sensors_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"dashline/internal/testkit"
	"dashline/sensors"
)

// A host that takes the connection and says nothing is waited for, but not when
// the program is to end.
func TestOpenEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		c, err := l.Accept()
		cancel()
		if err == nil {
			<-t.Context().Done()
			c.Close()
		}
	}()
	testkit.Promptly(t, func() {
		// Without it the camera would be waited for and then be tried again later,
		// which is no error.
		s, err := sensors.Open(ctx, "rtsp://"+l.Addr().String()+"/1", sensors.Options{})
		if s != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", s, err)
		}
	})
	t.Cleanup(func() { <-asked })
	for _, path := range []string{"synth:city", "nothing.mp4"} {
		if s, err := sensors.Open(ctx, path, sensors.Options{}); s != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, %v", path, s, err)
		}
	}
}

// The scheme of an address is the same in capitals, as it is for the configuration.
// Nobody answers at this one, so it is tried again when frames are asked for.
func TestSchemesInCapitals(t *testing.T) {
	for _, address := range []string{"RTSP://127.0.0.1:1/x", "Rtsps://127.0.0.1:1/x"} {
		s, err := sensors.Open(t.Context(), address, sensors.Options{})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if in := s.Info(); in.Kind != "rtsp" || !in.Live || in.Path != address {
			t.Errorf("%+v", in)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
