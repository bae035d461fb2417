package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata and docs/bench.schema.json again")

// forms are what a result is shown as, by the ends of their files.
func forms() map[string]func(io.Writer, *Result) error {
	return map[string]func(io.Writer, *Result) error{
		"txt": Text, "markdown": Markdown, "bench": GoBench, "html": HTML, "json": JSON,
	}
}

func render(t testing.TB, form func(io.Writer, *Result) error, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := form(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%v: %s differs from what is made now (go test ./bench/report -update writes it again):\n%s", err, path, got)
	}
}

func TestGoldens(t *testing.T) {
	for name, of := range made() {
		r := of()
		for _, end := range []string{"txt", "markdown", "bench"} {
			golden(t, filepath.Join("testdata", name+"."+end), render(t, forms()[end], r))
		}
	}
}

// TestSameResultSameBytes: nothing of a form hangs on the order of a map, on time
// or on what was written before, and none changes the result.
func TestSameResultSameBytes(t *testing.T) {
	for name, of := range made() {
		r, again := of(), of()
		for end, form := range forms() {
			if render(t, form, r) != render(t, form, again) {
				t.Errorf("%s.%s: differs from one time to the next", name, end)
			}
		}
		if !reflect.DeepEqual(r, again) || !reflect.DeepEqual(r, of()) {
			t.Errorf("%s: showing it changed it", name)
		}
	}
}

// TestTextIsLines: hostile text makes no line of its own and moves no cursor.
func TestTextIsLines(t *testing.T) {
	for _, end := range []string{"txt", "markdown", "bench"} {
		got := render(t, forms()[end], hostile())
		for line := range strings.SplitSeq(got, "\n") {
			if strings.HasPrefix(line, "::") || strings.ContainsAny(line, "\x1b\r\u202E") {
				t.Errorf("%s: %q", end, line)
			}
		}
	}
	md := render(t, Markdown, hostile())
	for _, live := range []string{"<script", "<b>", "http://", "@all", " `y`", "[z]("} {
		if strings.Contains(md, live) {
			t.Errorf("Markdown has %q", live)
		}
	}
}

// failingWriter takes a number of bytes.
type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestWritersThatFail(t *testing.T) {
	r := passing()
	for end, form := range forms() {
		for _, n := range []int{0, 100, 700} {
			if err := form(&failingWriter{n}, r); err == nil {
				t.Errorf("%s: no error where the writer takes %d bytes", end, n)
			}
		}
	}
}
