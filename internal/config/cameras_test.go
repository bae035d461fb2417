package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCamerasByFlagAndByFile(t *testing.T) {
	file := write(t, `
cameras:
  - name: front
    source: rtsp://user:hunter2@10.0.0.1/1
    camera_model: front.yaml
    priority: 0.5
  - {name: left, source: left.mp4}
`)
	want := Cameras{{"front", "rtsp://user:hunter2@10.0.0.1/1", "front.yaml", .5}, {"left", "left.mp4", "", 1}}
	got, err := flags(t, "--config", file)
	if err != nil || !reflect.DeepEqual(got.Cameras, want) || !reflect.DeepEqual(Cameras(got.Each()), want) {
		t.Errorf("%+v, %v", got.Cameras, err)
	}
	got, err = flags(t, "--config", file, "--cameras", "a=x.mp4", "--cameras=b=synth:city?seed=3")
	if err != nil || !reflect.DeepEqual(got.Cameras, Cameras{{"a", "x.mp4", "", 1}, {"b", "synth:city?seed=3", "", 1}}) {
		t.Errorf("%+v, %v", got.Cameras, err)
	}
	one := Default()
	one.Source, one.CameraModel = "a.mp4", "a.yaml"
	if each := one.Each(); len(each) != 1 || each[0] != (Camera{"front", "a.mp4", "a.yaml", 1}) {
		t.Errorf("%+v", each)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args    []string
		camera  string
		source  string
		cameras Cameras
		wrong   string
	}{
		{nil, "front", "file.mp4", nil, ""},
		{[]string{"a.mp4"}, "front", "a.mp4", nil, ""},
		{[]string{"synth:city?seed=3"}, "front", "synth:city?seed=3", nil, ""},
		{[]string{"rtsp://h/x?a=b"}, "front", "rtsp://h/x?a=b", nil, ""},
		{[]string{"./a=b.mp4"}, "front", "./a=b.mp4", nil, ""},
		{[]string{"rear=rtsp://h/x?a=b"}, "rear", "rtsp://h/x?a=b", nil, ""},
		{[]string{"l=a.mp4", "r=synth:city?seed=3"}, "front", "", Cameras{{"l", "a.mp4", "", 1}, {"r", "synth:city?seed=3", "", 1}}, ""},
		{[]string{"l=a.mp4", "b.mp4"}, "", "", nil, "give it as NAME=b.mp4"},
		{[]string{"rtsp://user:hunter2@h/x"}, "", "", nil, "DASHLINE_RTSP_PASSWORD"},
		{[]string{"l=a.mp4", "r=rtsps://user@h/x"}, "", "", nil, "DASHLINE_RTSP_PASSWORD"},
	} {
		cfg := Default()
		cfg.Source = "file.mp4"
		err := cfg.Arguments(c.args)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v", c.args, err)
			}
			continue
		}
		if err != nil || cfg.Camera != c.camera || cfg.Source != c.source || !reflect.DeepEqual(cfg.Cameras, c.cameras) {
			t.Errorf("%q: camera %s, source %s, cameras %+v, %v", c.args, cfg.Camera, cfg.Source, cfg.Cameras, err)
		}
	}
}

// The process list shows arguments; a file it does not.
func TestCredentialsInFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--source=rtsp://user:hunter2@h/x"}, {"--source", "rtsp://user:hunter2@h/x"},
		{"--cameras=a=rtsp://user:hunter2@h/x"}, {"--cameras=a=b.mp4", "--cameras", "b=rtsps://user:hunter2@h/x"},
		{"--cameras=rtsp://user:hunter2@h/x"}, {"--cameras=a.b=rtsp://user:hunter2@h/x"},
	} {
		_, err := flags(t, args...)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", args, err)
		}
	}
	file := write(t, "source: rtsp://user:hunter2@h/x\n")
	if c, err := flags(t, "--config", file); err != nil || c.Source != "rtsp://user:hunter2@h/x" {
		t.Errorf("%+v, %v", c.Source, err)
	}
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	c := Default()
	c.Cameras = Cameras{NewCamera("a", "rtsp://user:hunter2@h/x"), NewCamera("b", "b.mp4")}
	c.NATS.URL = "nats://user:hunter2@h1,nats://user:hunter2@h2"
	for _, print := range []func(*Config) ([]byte, error){Effective, JSON} {
		out, err := print(&c)
		if err != nil || strings.Contains(string(out), "hunter2") || strings.Contains(string(out), "user:") || !strings.Contains(string(out), "rtsp://h/x") || !strings.Contains(string(out), "nats://h1,nats://h2") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	out, _ := Effective(&c)
	if !strings.HasPrefix(string(out), "# The user and password of cameras[0].source, nats.url are left out.\n") {
		t.Errorf("it begins with %.200s", out)
	}
	if c.Cameras[0].Source != "rtsp://user:hunter2@h/x" {
		t.Error("printing has changed the configuration")
	}
}

func TestLogins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logins.yaml")
	if err := os.WriteFile(file, []byte("b: bob:b:1\nfront-left: {user: file, password: \"2\"}\ne: eve:3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.RTSP.Credentials = file
	c.Cameras = Cameras{
		{Name: "a", Source: "rtsp://url:p%40ss@h/1"},
		{Name: "b", Source: "rtsp://h/2"},
		{Name: "front-left", Source: "rtsps://h/3"},
		{Name: "d", Source: "rtsp://h/4"},
		{Name: "file", Source: "drive.mp4"},
	}
	env := map[string]string{
		"DASHLINE_RTSP_USER_A": "env", "DASHLINE_RTSP_PASSWORD_A": "9",
		"DASHLINE_RTSP_USER_FRONT_LEFT": "env", "DASHLINE_RTSP_PASSWORD_FRONT_LEFT": "4",
	}
	get := func(name string) string { return env[name] }
	got, warnings, err := c.Logins(get)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Login{"a": {"url", "p@ss"}, "b": {"bob", "b:1"}, "front-left": {"env", "4"}}
	if !maps.Equal(got, want) {
		t.Errorf("%q", slices.Collect(maps.Keys(got)))
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "camera d has no login") {
		t.Errorf("warnings %q", warnings)
	}
	env["DASHLINE_RTSP_USER"], env["DASHLINE_RTSP_PASSWORD"] = "all", "5"
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	got, warnings, err = c.Logins(get)
	if err != nil || got["d"] != (Login{"all", "5"}) || got["b"] != (Login{"bob", "b:1"}) {
		t.Errorf("%v", err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "chmod 600 "+file) {
		t.Errorf("warnings %q", warnings)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", got, got, got["a"], got["a"]); strings.Contains(s, "p@ss") {
		t.Error("a login prints its password")
	}
}

func TestLoginFileErrorsShowNothing(t *testing.T) {
	c := Default()
	c.Source = "rtsp://h/1"
	for _, text := range []string{
		"front: hunter2\n", "front: 4711\n", "front: {user: a, passwort: hunter2}\n", "front: [hunter2]\n", "hunter2\n",
		"front: a:hunter2\nfront: b:hunter2\n", "front: {user: hunter2, password: 4711}\n", "front: 'a:hunter2\n", "front: a: hunter2\n",
	} {
		c.RTSP.Credentials = filepath.Join(t.TempDir(), "logins.yaml")
		if err := os.WriteFile(c.RTSP.Credentials, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := c.Logins(os.Getenv)
		if err == nil || !strings.Contains(err.Error(), c.RTSP.Credentials) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "4711") {
			t.Errorf("%q: %v", text, err)
		}
	}
	c.RTSP.Credentials = filepath.Join(t.TempDir(), "none.yaml")
	if _, _, err := c.Logins(os.Getenv); err == nil || !strings.Contains(err.Error(), "rtsp.credentials: ") {
		t.Errorf("%v", err)
	}
}

func FuzzLogins(f *testing.F) {
	for _, seed := range []string{"front: user:password\n", "front: {user: a, password: b}\nleft: c:d\n", "front: ''\n", "? [a]\n: b\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Default()
		c.Source = "rtsp://h/1"
		c.RTSP.Credentials = write(t, string(data))
		if _, _, err := c.Logins(os.Getenv); err != nil && !strings.Contains(err.Error(), c.RTSP.Credentials) {
			t.Errorf("an error without its file: %v", err)
		}
	})
}

// Users and passwords in paths and queries are as secret as those before the host,
// and still reach the camera.
func TestCredentialsInPathsAndQueries(t *testing.T) {
	const query, path = "rtsp://h/x?user=admin&password=hunter2&channel=1", "rtsp://u:p@h/user=admin&password=hunter2"
	c := Default()
	for _, args := range [][]string{{query}, {"a=" + query, "b=drive.mp4"}, {path}} {
		if err := c.Arguments(args); err == nil || !strings.Contains(err.Error(), "configuration file") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", args, err)
		}
	}
	c.Cameras = Cameras{NewCamera("a", query), NewCamera("b", path)}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	clean, had := c.WithoutCredentials()
	if len(had) != 2 || clean.Cameras[0].Source != "rtsp://h/x?user=***&password=***&channel=1" || clean.Cameras[1].Source != "rtsp://h/user=***&password=***" {
		t.Errorf("%q %+v", had, clean.Cameras)
	}
	if a, b := c.Cameras[0].Address(), c.Cameras[1].Address(); a != query || b != "rtsp://h/user=admin&password=hunter2" {
		t.Errorf("%s, %s", a, b)
	}
	for _, source := range []string{"rtsp://h/x?password=hun ter2", "rtsp://h/password=hun'ter2"} {
		c.Cameras[0].Source = source
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "%XX") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
