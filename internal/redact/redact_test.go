package redact

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"rtsp://admin:hunter2@10.0.0.7:554/s1":                         "rtsp://10.0.0.7:554/s1",
		"rtsp://admin@10.0.0.7/s1":                                     "rtsp://10.0.0.7/s1",
		"rtsps://a:p%40ss@[::1]:322/x?y=1":                             "rtsps://[::1]:322/x?y=1",
		"rtsp://admin:hun/ter2@10.0.0.7/s1":                            "rtsp://10.0.0.7/s1",
		"rtsp://admin:hun@ter2@10.0.0.7/s1":                            "rtsp://10.0.0.7/s1",
		"rtsp://admin:hun ter?2#x@10.0.0.7/s1":                         "rtsp://10.0.0.7/s1",
		"rtsp://10.0.0.7/s1":                                           "rtsp://10.0.0.7/s1",
		"rtsp://h/x?user=admin&password=hunter2":                       "rtsp://h/x?user=***&password=***",
		"rtsp://h:554/user=admin&password=hunter2&channel=1":           "rtsp://h:554/user=***&password=***&channel=1",
		"rtsp://h/user=admin_password=hunter2_channel=1.sdp?real":      "rtsp://h/user=***",
		"rtsp://a:b@h/x?USR=admin&Pwd=hun/ter#2;=&channel=1&user=x":    "rtsp://h/x?USR=***&Pwd=***&channel=1&user=***",
		"rtsp://h/x?access_token=hunter2&auth=aGk=&bypass=1&author=me": "rtsp://h/x?access_token=***&auth=***&bypass=1&author=me",
		"rtsp://h/x?user=&password=&channel=1":                         "rtsp://h/x?user=&password=&channel=1",
		"drive/user=7/password=x.mp4":                                  "drive/user=7/password=x.mp4",
		"drive@home.mp4":                                               "drive@home.mp4",
		"synth:city?seed=3":                                            "synth:city?seed=3",
		"":                                                             "",
	} {
		if got := URL(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if again := URL(want); again != want {
			t.Errorf("%q became %q", want, again)
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

func TestUserinfo(t *testing.T) {
	for in, want := range map[string]string{
		"rtsp://admin:hunter2@10.0.0.7:554/s1?token=7": "rtsp://10.0.0.7:554/s1?token=7",
		"rtsp://10.0.0.7/user=a&password=b":            "rtsp://10.0.0.7/user=a&password=b",
		"drive@home.mp4":                               "drive@home.mp4",
	} {
		if got := Userinfo(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestTextWithPathsAndQueries(t *testing.T) {
	in := `open rtsp://u:hunter2@h/x?user=admin&password=hunter2 "rtsp://h/user=admin&password=hunter2": 404 (no /user=admin&password=hunter2&channel=1) ?token=hunter2`
	want := `open rtsp://h/x?user=***&password=*** "rtsp://h/user=***&password=***": 404 (no /user=***&password=***&channel=1) ?token=***`
	if got := Text(in); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Text(want); got != want {
		t.Errorf("%q became %q", want, got)
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

// Nor of one in a query or path, up to the & that ends it.
func TestNothingOfTheValueIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := "hunter2" + strings.ReplaceAll(rapid.String().Draw(t, "more"), "&", "") + "hunter2"
		name := rapid.SampledFrom([]string{"user", "Password", "PWD", "access_token"}).Draw(t, "name")
		before := rapid.SampledFrom([]string{"?", "?a=b&", "/", "/x_"}).Draw(t, "before")
		got := URL("rtsp://camera.lan/x" + before + name + "=" + secret + "&channel=1")
		if want := "rtsp://camera.lan/x" + before + name + "=***&channel=1"; got != want && (got != "rtsp://***" || !strings.Contains(secret, "@")) {
			t.Fatalf("left %q", got)
		}
	})
}
