package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

// The table of exit codes in docs/run.md has the words of run's help.
func TestDocumentedExitCodesAreTheHelps(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "run.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, codes, found := strings.Cut(runCmd{}.Help(), "Exit codes: ")
	rows := strings.Split(strings.TrimSuffix(codes, "."), "; ")
	if !found || len(rows) != 4 {
		t.Fatalf("the help has the exit codes %q; want four", rows)
	}
	for _, row := range rows {
		code, meaning, _ := strings.Cut(row, " ")
		if want := "| " + code + " | " + meaning + " |\n"; !strings.Contains(string(page), want) {
			t.Errorf("docs/run.md lacks %q", want)
		}
	}
}
