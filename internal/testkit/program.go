package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program that tests run beside their own: another
// implementation of what is under test. Where it is absent the test is skipped,
// or fails when DASHLINE_REQUIRE_ASSETS=1.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	lacks(t, "%s is not installed: run scripts/setup --test", name)
	return ""
}

// GStreamer returns the path of gst-launch-1.0, where it has all the elements that
// are named; else it does as [Program].
func GStreamer(t testing.TB, elements ...string) string {
	t.Helper()
	inspect := Program(t, "gst-inspect-1.0")
	for _, e := range elements {
		if exec.Command(inspect, "--exists", e).Run() != nil {
			lacks(t, "GStreamer's element %s is not installed: run scripts/setup --test", e)
		}
	}
	return Program(t, "gst-launch-1.0")
}

// GStreamerServer returns the path of a Python that has the bindings of GStreamer's
// RTSP server: the distribution's. Where it is absent it does as [Program].
func GStreamerServer(t testing.TB) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')").Run() != nil {
		lacks(t, "GStreamer's RTSP server is not installed: run scripts/setup --test")
	}
	return python
}

// Descriptors counts the open file descriptors of this process.
func Descriptors(t testing.TB) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("open descriptors cannot be counted here: %v", err)
	}
	return len(open)
}

func lacks(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("DASHLINE_REQUIRE_ASSETS") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
