package testkit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Python returns an interpreter that has what scripts/requirements-test.txt
// lists, on a machine that also has protoc. Elsewhere the test is skipped, or
// fails when DASHLINE_REQUIRE_ASSETS=1.
func Python(t testing.TB) string {
	t.Helper()
	lacks := t.Skipf
	if os.Getenv("DASHLINE_REQUIRE_ASSETS") == "1" {
		lacks = t.Fatalf
	}
	if _, err := exec.LookPath("protoc"); err != nil {
		lacks("protoc is not installed: run scripts/setup --test")
	}
	py := os.Getenv("DASHLINE_PYTHON")
	if py == "" {
		py = filepath.Join(Root(), ".venv", "bin", "python")
	}
	if out, err := exec.Command(py, "-c", "import nats, google.protobuf, mcap, mcap_protobuf, foxglove_schemas_protobuf").CombinedOutput(); err != nil {
		lacks("no Python with what scripts/requirements-test.txt lists at %s (%v %s): run scripts/setup --test, or set DASHLINE_PYTHON", py, err, bytes.TrimSpace(out))
	}
	return py
}
