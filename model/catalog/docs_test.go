package catalog

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

var update = flag.Bool("update", false, "write the list in docs/networks.md anew")

// The list of shipped descriptions in docs/networks.md is written from them.
func TestListInTheDocumentIsCurrent(t *testing.T) {
	path := filepath.Join(testkit.Root(), "docs", "networks.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| name | task | input | bytes | AP50 | licence | fetch | |\n|---|---|---|---|---|---|---|---|\n")
	for _, name := range Names() {
		n, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		fetch := "no address known"
		if n.Fetchable() {
			fetch = "yes"
		}
		accuracy := ""
		if n.Accuracy.Known() {
			accuracy = fmt.Sprintf("%.3f on %s", n.Accuracy.AP50, n.Accuracy.Data)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %dx%d | %d | %s | %s | %s | %s |\n", n.Name, n.Task, n.Input.Width, n.Input.Height, n.Bytes(), accuracy, n.License, fetch, n.Summary)
	}
	begin, rest, found := strings.Cut(string(doc), "-update -->\n")
	_, end, closed := strings.Cut(rest, "<!-- end -->")
	if !found || !closed {
		t.Fatal("docs/networks.md has lost its marks")
	}
	want := begin + "-update -->\n" + table.String() + "<!-- end -->" + end
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(doc) != want {
		t.Error("docs/networks.md is not what the descriptions say: go test ./model/catalog -update")
	}
}

// The example of a description of one's own is read as it stands.
func TestExampleInTheDocument(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "networks.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("docs/networks.md has no example")
	}
	n, err := Load(write(t, filepath.Join(t.TempDir(), "my-detector.yaml"), example))
	if err != nil || n.Name != "my-detector" || len(n.Classes) != 2 {
		t.Errorf("%+v, %v", n, err)
	}
}
