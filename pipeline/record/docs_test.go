package record

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "recording.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The table of topics has each topic of a recording with its schema.
func TestDocumentedTopics(t *testing.T) {
	text := page(t)
	r, path := create(t, Options{})
	front.feed(r, 0, 10)
	rear.feed(r, 0, 1)
	finish(t, r)
	for _, topic := range open(t, path).Info().Topics {
		name := strings.NewReplacer("dashline.car.", "dashline.<vehicle>.", "front", "<camera>", "rear", "<camera>").Replace(topic.Topic)
		row := regexp.MustCompile("(?m)^\\|.*`" + regexp.QuoteMeta(name) + "`.*`" + regexp.QuoteMeta(topic.Schema) + "`").MatchString(text)
		// What the bus carries is one row, of which only the first has its full name.
		_, kind, _ := strings.Cut(name, "<camera>")
		published := strings.HasPrefix(name, "dashline.<vehicle>.<camera>.") && kind != ".packets" &&
			(strings.Contains(text, "`"+kind+"`") || strings.Contains(text, "`"+name+"`"))
		if !row && !published {
			t.Errorf("docs/recording.md has no row with `%s` and `%s`", name, topic.Schema)
		}
	}
}

// The example for Python runs as it is written.
func TestDocumentedPython(t *testing.T) {
	py := testkit.Python(t)
	_, code, _ := strings.Cut(page(t), "## From Python\n\n")
	code, _, _ = strings.Cut(code, "\n\n")
	script := filepath.Join(t.TempDir(), "example.py")
	lines := strings.Split(code, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "    ")
	}
	if len(lines) > 7 {
		t.Errorf("the example has %d lines", len(lines))
	}
	if err := os.WriteFile(script, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	path := recorded(t, Options{}, 3)
	out, err := exec.Command(py, "-W", "error::DeprecationWarning", script, path).CombinedOutput()
	if want := "0 [('car', 0.5), ('person', 0.56)]\n"; err != nil || !strings.HasPrefix(string(out), want) || strings.Count(string(out), "\n") != 3 {
		t.Errorf("%v: printed %q; want %q and two lines more", err, out, want)
	}
}
