package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

// TestExactTestsAreNamedSo: a test that counts allocations, or does less under
// the race detector, is one that scripts/check also runs without it. That
// script knows them by their names.
func TestExactTestsAreNamedSo(t *testing.T) {
	root := testkit.Root()
	script, err := os.ReadFile(filepath.Join(root, "scripts", "check"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^exact='(.+)'$`).FindSubmatch(script)
	if m == nil {
		t.Fatal("scripts/check has no line like exact='Alloc|Oracle'")
	}
	named := regexp.MustCompile(string(m[1]))
	seen := 0
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, name := range exact(f) {
			seen++
			if !named.MatchString(name) {
				t.Errorf("%s: %s wants to run without the race detector, so its name must have one of %s", file, name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 5 {
		t.Errorf("found only %d such tests", seen)
	}
}

// exact names the tests of a file that count allocations or ask for the race
// detector.
func exact(f *ast.File) []string {
	var names []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Test") {
			continue
		}
		found := false
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				found = found || id.Name == "AllocsPerRun" || id.Name == "ReadMemStats" || id.Name == "race"
			}
			return true
		})
		if found {
			names = append(names, fn.Name.Name)
		}
	}
	return names
}

func TestExact(t *testing.T) {
	const src = `package x
func TestOne(t *testing.T) { testing.AllocsPerRun(1, f) }
func TestTwo(t *testing.T) { if race { return } }
func TestThree(t *testing.T) { t.Log("race") }
func helper() { runtime.ReadMemStats(&m) }
`
	f, err := parser.ParseFile(token.NewFileSet(), "x_test.go", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(exact(f), " "); got != "TestOne TestTwo" {
		t.Errorf("got %q; want TestOne and TestTwo", got)
	}
}

// TestMakeOraclesRunsEveryOracle and nothing else that is Python.
func TestMakeOraclesRunsEveryOracle(t *testing.T) {
	root := testkit.Root()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ORACLES := (.*)$`).FindSubmatch(makefile)
	if m == nil {
		t.Fatal("the Makefile has no line `ORACLES := ...`")
	}
	// What tests run themselves.
	notOracles := []string{"testdata/oracles/nats_client.py", "testdata/oracles/mcap_reader.py", "testdata/oracles/foxglove_schemas.py"}
	var want []string
	for _, pattern := range []string{"testdata/oracles/*.py", "*/testdata/oracles/*.py", "*/*/testdata/oracles/*.py"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			if name = filepath.ToSlash(name); !slices.Contains(notOracles, name) {
				want = append(want, name)
			}
		}
	}
	got := strings.Fields(string(m[1]))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the Makefile has ORACLES %q; want %q", got, want)
	}
}
