package bus

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/config"
	"dashline/internal/testkit"
	"dashline/pipeline/bus/embedded"
)

func documentation(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "bus.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// codeBlock is the documentation's only block of that language.
func codeBlock(t *testing.T, language string) string {
	t.Helper()
	parts := strings.Split(documentation(t), "```"+language+"\n")
	if len(parts) != 2 {
		t.Fatalf("docs/bus.md has %d blocks of %s, want one", len(parts)-1, language)
	}
	block, _, _ := strings.Cut(parts[1], "```")
	return block
}

func TestDocumentationHasTheTable(t *testing.T) {
	var want strings.Builder
	want.WriteString("| subject | schema | how often |\n|---|---|---|\n")
	for _, topic := range Topics() {
		fmt.Fprintf(&want, "| `%s` | `%s` | %s |\n", topic.Subject, topic.Schema, topic.Rate)
	}
	if !strings.Contains(documentation(t), want.String()+"\n") {
		t.Errorf("docs/bus.md does not have the table of subjects, which is:\n%s", want.String())
	}
}

func TestDocumentationNamesHeadersAndBounds(t *testing.T) {
	text := strings.Join(strings.Fields(documentation(t)), " ")
	for _, want := range []string{
		"| `" + HeaderSchema + "` |", "| `" + HeaderSeq + "` |", "| `" + HeaderCount + "` |", "| `" + HeaderCapturedAt + "` |",
		fmt.Sprintf("at most %d KiB", MaxPayload>>10),
		fmt.Sprintf("buffer of %d messages (the key `nats.buffer`; a publisher of your own in Go has %d) and at most %d MiB",
			config.Default().NATS.Buffer, defaultBuffer, maxBuffered>>20),
		fmt.Sprintf("does not answer within %.0f s", connectTimeout.Seconds()),
		fmt.Sprintf("silent for %.0f to %.0f s", (stalePings * pingEvery).Seconds(), ((stalePings + 1) * pingEvery).Seconds()),
		fmt.Sprintf("takes nothing for %.0f s", embedded.WriteBound.Seconds()),
		fmt.Sprintf("each for at most %.0f s", closeBound.Seconds()),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/bus.md does not say %q", want)
		}
	}
}

// The Go code that is shown is code that is compiled and run.
func TestDocumentedGoExampleIsTested(t *testing.T) {
	b, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if !strings.Contains(flat(string(b)), flat(codeBlock(t, "go"))) {
		t.Error("the Go block of docs/bus.md is not in example_test.go")
	}
}

// Every field, message and enum value of the schemas has a comment.
func TestSchemasAreDocumented(t *testing.T) {
	files, err := filepath.Glob("proto/dashline/v1/*.proto")
	if err != nil || len(files) != 7 {
		t.Fatalf("%d schema files, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(b), "\n")
		for i, line := range lines {
			s := strings.TrimSpace(line)
			declares := strings.HasPrefix(s, "message ") || strings.HasPrefix(s, "enum ") ||
				strings.HasPrefix(line, "  ") && strings.Contains(s, " = ") && !strings.HasPrefix(s, "//")
			if declares && !strings.HasPrefix(strings.TrimSpace(lines[i-1]), "//") {
				t.Errorf("%s:%d: %s has no comment", file, i+1, s)
			}
		}
	}
}
