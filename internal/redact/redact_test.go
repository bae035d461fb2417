package redact

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"rtsp://admin:hunter2@10.0.0.7:554/s1": "rtsp://10.0.0.7:554/s1",
		"rtsp://admin@10.0.0.7/s1":             "rtsp://10.0.0.7/s1",
		"rtsps://a:p%40ss@[::1]:322/x?y=1":     "rtsps://[::1]:322/x?y=1",
		"rtsp://admin:hun/ter2@10.0.0.7/s1":    "rtsp://10.0.0.7/s1",
		"rtsp://admin:hun@ter2@10.0.0.7/s1":    "rtsp://10.0.0.7/s1",
		"rtsp://admin:hun ter?2#x@10.0.0.7/s1": "rtsp://10.0.0.7/s1",
		"rtsp://10.0.0.7/s1":                   "rtsp://10.0.0.7/s1",
		"drive@home.mp4":                       "drive@home.mp4",
		"synth:city?seed=3":                    "synth:city?seed=3",
		"":                                     "",
	} {
		if got := URL(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got, want := URLs("nats://a:b@h1:1,nats://h2,tls://c@h3"), "nats://h1:1,nats://h2,tls://h3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestText(t *testing.T) {
	in := `open "rtsp://u:hunter2@h/x": and nats://u:hunter2@h2, mail a@b, rtsp://h3/x`
	if got, want := Text(in), `open "rtsp://h/x": and nats://h2, mail a@b, rtsp://h3/x`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// An error's mend keeps what it says.
func TestTextKeepsExamples(t *testing.T) {
	in := "nats://u:hunter2@h is refused: write it as nats://user:password@host:4222 (or rtsp://user:password@hunter2@h)"
	if got, want := Text(in), "nats://h is refused: write it as nats://user:password@host:4222 (or rtsp://h)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Whatever a password is made of, nothing of it is left.
func TestNothingOfThePasswordIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := "hunter2" + rapid.String().Draw(t, "more") + "hunter2"
		got := URL("rtsp://user:" + secret + "@camera.lan/x")
		if strings.Contains(got, "hunter2") || strings.Contains(got, "user") || got != "rtsp://camera.lan/x" {
			t.Fatalf("left %q", got)
		}
	})
}
