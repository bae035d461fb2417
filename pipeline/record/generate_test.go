package record

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
	version := regexp.MustCompile(`(?m)^// \tprotoc +v.*$`)
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(version.ReplaceAll(b, nil))
	}
	for _, dir := range []string{"foxglove", "recordv1"} {
		fresh, err := filepath.Glob(filepath.Join(out, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(fresh) == 0 || len(fresh) != len(committed) {
			t.Errorf("%s: %d files are generated, %d committed", dir, len(fresh), len(committed))
		}
		for _, f := range fresh {
			name := filepath.Join(dir, filepath.Base(f))
			if read(f) != read(name) {
				t.Errorf("%s is not what protoc generates: run go generate ./pipeline/record", name)
			}
		}
	}
}
