package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
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
	var doc map[string]any
	if err := json.Unmarshal(block[1], &doc); err != nil {
		t.Fatal(err)
	}
	compare(t, "", reflect.TypeFor[Summary](), doc)
}

// docs/bus.md says how often the state of a camera comes: at the first tick after
// stateEvery.
func TestDocumentedStatesAreAsOften(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "bus.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("at least every %.0f s,", (stateEvery + stateTick).Seconds()); !strings.Contains(string(page), want) {
		t.Errorf("docs/bus.md does not say %q", want)
	}
}

// compare looks for every JSON name of typ, also one that is left out when
// empty, in what the page shows.
func compare(t *testing.T, path string, typ reflect.Type, doc any) {
	switch typ.Kind() {
	case reflect.Pointer:
		compare(t, path, typ.Elem(), doc)
	case reflect.Slice:
		shown, ok := doc.([]any)
		if !ok || len(shown) == 0 {
			t.Errorf("docs/run.md shows no element of %s", path)
			return
		}
		compare(t, path+"[]", typ.Elem(), shown[0])
	case reflect.Struct:
		if typ == reflect.TypeFor[Times]() && path != "age_ms" {
			return // shown once
		}
		shown, _ := doc.(map[string]any)
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous { // its names are those of the struct around it
				compare(t, path, f.Type, doc)
				continue
			}
			if name == "" {
				continue // not exported
			}
			value, ok := shown[name]
			if !ok {
				t.Errorf("docs/run.md lacks %q", strings.TrimPrefix(path+"."+name, "."))
				continue
			}
			compare(t, strings.TrimPrefix(path+"."+name, "."), f.Type, value)
		}
	}
}
