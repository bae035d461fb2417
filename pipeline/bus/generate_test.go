package bus

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The generated code that is committed is what protoc makes of the schemas now,
// apart from the line that names protoc's version.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		lacks := t.Skip
		if os.Getenv("DASHLINE_REQUIRE_ASSETS") == "1" {
			lacks = t.Fatal
		}
		lacks("protoc is not installed: run scripts/setup --test")
	}
	out := t.TempDir()
	if b, err := exec.Command("./generate.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("generate.sh: %v\n%s", err, b)
	}
	fresh, err := filepath.Glob(filepath.Join(out, "dashlinev1", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	committed, err := filepath.Glob("dashlinev1/*.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(fresh) == 0 || len(fresh) != len(committed) {
		t.Errorf("%d files are generated, %d committed", len(fresh), len(committed))
	}
	version := regexp.MustCompile(`(?m)^// \tprotoc +v.*$`)
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(version.ReplaceAll(b, nil))
	}
	for _, f := range fresh {
		name := filepath.Join("dashlinev1", filepath.Base(f))
		if read(f) != read(name) {
			t.Errorf("%s is not what protoc generates: run go generate ./pipeline/bus", name)
		}
	}
}
