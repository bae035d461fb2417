package session

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"dashline/internal/testkit"
)

// docs/run.md shows the summary's JSON: every name in it exists, and every name
// that the summary prints is in it.
func TestDocumentedSummaryIsTheSummary(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "run.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/run.md has no JSON block")
	}
	var s Summary
	d := json.NewDecoder(bytes.NewReader(block[1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	printed, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal(block[1], &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(printed, &got); err != nil {
		t.Fatal(err)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("docs/run.md lacks %q", name)
		}
	}
}

func TestMain(m *testing.M) { testkit.Main(m) }
