package planner

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

// The users' page has every key with the default that the code has.
func TestDocsHaveEveryKey(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "planner.md"))
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(Default())
	for i := range v.NumField() {
		row := fmt.Sprintf("\n| `%s` | %v |", v.Type().Field(i).Tag.Get("yaml"), v.Field(i))
		if !strings.Contains(string(b), row) {
			t.Errorf("docs/planner.md lacks the row %q", row)
		}
	}
}
