package report

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var pages = flag.String("pages", "", "write the made-up pages to this folder, to look at them")

func TestPagesToLookAt(t *testing.T) {
	if *pages == "" {
		t.Skip("no -pages FOLDER")
	}
	for name, r := range made() {
		if err := os.WriteFile(filepath.Join(*pages, name+".html"), []byte(render(t, HTML, r)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
