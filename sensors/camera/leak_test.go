package camera

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/bluenviron/gortsplib/v4"

	"dashline/internal/avenc"
	"dashline/internal/testkit"
)

// Twenty times killed and started again at the same address, with a client each
// time: nothing is left.
func TestKilledAndStartedAgain(t *testing.T) {
	film := testFilm(t, 30, avenc.Options{})
	address := "127.0.0.1:0"
	udp := gortsplib.TransportUDP
	once := func(i int) {
		s, err := Start(t.Context(), Options{Listen: address, Source: film, Count: 2})
		if err != nil {
			t.Fatal(err)
		}
		address = s.listen.Addr().String()
		w := mustJoin(t, s.URLs()[i%2], func(c *gortsplib.Client) {
			if i%4 >= 2 {
				c.Transport = &udp
			}
		})
		w.receive(t, 5)
		dir := s.dir
		if i%2 == 0 {
			s.Kill()
		} else if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if err := w.Wait(); err == nil {
			t.Error("the client did not notice the end")
		}
		w.Close()
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its temporary folder is left: %v", err)
		}
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			t.Error("somebody still listens")
		}
	}
	once(0)
	files, routines := testkit.Descriptors(t), runtime.NumGoroutine()
	for i := 1; i <= 20; i++ {
		once(i)
	}
	until(t, "goroutines and descriptors are gone", func() bool {
		return testkit.Descriptors(t) <= files && runtime.NumGoroutine() <= routines
	})
}

// Kill resets connections: a client reads an error, not an orderly end.
func TestKillResets(t *testing.T) {
	s := serve(t, Options{Source: testFilm(t, 10, avenc.Options{})})
	c, err := net.Dial("tcp", s.listen.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if _, err := io.Copy(io.Discard, c); err == nil {
		t.Error("the connection ended in order")
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	film := testFilm(t, 10, avenc.Options{})
	taken := serve(t, Options{Source: film})
	for want, o := range map[string]Options{
		"no film":             {},
		"none.mp4":            {Source: "none.mp4"},
		"cameras":             {Source: film, Count: MaxCameras + 1},
		"codec \"vp9\"":       {Source: film, Codec: "vp9"},
		"even width":          {Source: film, Codec: H264, Width: 101, Height: 50},
		"needs encoding":      {Source: film, GOP: 10},
		"only key frames":     {Source: film, Codec: MJPEG, GOP: 10},
		"multiples of 8":      {Source: film, Codec: MJPEG, Width: 2048, Height: 64},
		"B-frames":            {Source: film, Codec: H264, BFrames: 9},
		"both or neither":     {Source: film, User: "a"},
		"certificate without": {Source: film, CertFile: "a", KeyFile: "b"},
		"PEM":                 {Source: film, TLS: true, CertFile: "none", KeyFile: "none"},
		"UDP port 7":          {Source: film, UDPPort: 7},
		"authentication":      {Source: film, Auth: []string{"magic"}},
		"loss 2":              {Source: film, Faults: Faults{Loss: 2}},
		"already in use":      {Source: film, Listen: taken.listen.Addr().String()},
		"give it as in":       {Source: film, Listen: "nowhere"},
		"scenario":            {Source: "synth:nothing"},
		"no option":           {Source: "synth:city?speed=3"},
		"no parameter sets":   {Source: testFilm(t, 5, avenc.Options{Codec: avenc.MJPEG}), Faults: Faults{SDP: SDPMissing}},
	} {
		if o.Listen == "" {
			o.Listen = "127.0.0.1:0"
		}
		s, err := Start(t.Context(), o)
		if err == nil {
			t.Errorf("%s: it started", want)
			_ = s.Close()
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
