// Package testkit is what the project's tests share: leak checks and the place
// of assets that are not part of the repository.
package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Main runs a package's tests and then fails it if a goroutine is still running
// or, when built with -tags matprofile, if a Mat is still open. Call it from
// TestMain in every package that starts goroutines or touches Mats.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		code = leaks()
	}
	os.Exit(code)
}

func leaks() int {
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines leaked:", err)
		return 1
	}
	// The profile exists only in a build with gocv's matprofile tag.
	if p := pprof.Lookup("gocv.io/x/gocv.Mat"); p != nil && p.Count() != 0 {
		fmt.Fprintf(os.Stderr, "%d Mats leaked:\n", p.Count())
		_ = p.WriteTo(os.Stderr, 1)
		return 1
	}
	return 0
}

// Asset returns the path of a file or folder under DASHLINE_ASSETS (default:
// ../shared/assets beside the repository). Where it is absent the test is
// skipped, or fails when DASHLINE_REQUIRE_ASSETS=1.
func Asset(t testing.TB, path string) string {
	t.Helper()
	full := filepath.Join(assets(), filepath.FromSlash(path))
	if _, err := os.Stat(full); err == nil {
		return full
	}
	const mend = "set DASHLINE_ASSETS to the folder that has networks/ and drives/"
	if os.Getenv("DASHLINE_REQUIRE_ASSETS") == "1" {
		t.Fatalf("asset %s is not at %s: %s", path, full, mend)
	}
	t.Skipf("asset %s is not at %s: %s", path, full, mend)
	return ""
}

func assets() string {
	if dir := os.Getenv("DASHLINE_ASSETS"); dir != "" {
		return dir
	}
	return filepath.Join(Root(), "..", "shared", "assets")
}

// Root is the repository's root, found from this file's place in it.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Promptly fails the test where f, which has nothing to wait for, does not come
// back. f may use t's Error, not its Fatal.
func Promptly(t testing.TB, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second): // a hang, on however slow a machine
		t.Fatal("still waiting after 30 s")
	}
}

// UseAssets makes the program under test find the networks and drives that
// [Asset] finds, wherever the test runs.
func UseAssets(t testing.TB) {
	t.Helper()
	t.Setenv("DASHLINE_ASSETS", filepath.Dir(Asset(t, "networks")))
}
