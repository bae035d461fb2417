package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode"

	"dashline/internal/testkit"
)

func TestEveryPackageAndExportedNameIsDocumented(t *testing.T) {
	root := testkit.Root()
	folders := map[string][]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && file != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "out") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		folders[filepath.ToSlash(dir)] = append(folders[filepath.ToSlash(dir)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) < 10 {
		t.Fatalf("found only %d packages", len(folders))
	}
	for dir, files := range folders {
		for _, v := range undocumented(dir, files) {
			t.Error(v)
		}
	}
}

// undocumented says what lacks a comment in the files of one package.
func undocumented(dir string, files []*ast.File) []string {
	var missing []string
	say := func(format string, args ...any) { missing = append(missing, dir+": "+fmt.Sprintf(format, args...)) }
	var comments []string
	command := false
	for _, f := range files {
		command = f.Name.Name == "main"
		if f.Doc != nil && !ast.IsGenerated(f) {
			comments = append(comments, f.Doc.Text())
		}
	}
	switch {
	case slices.ContainsFunc(files, ast.IsGenerated) && len(comments) == 0:
	case len(comments) != 1:
		say("has %d package comments; want one", len(comments))
	case !command && !strings.HasPrefix(comments[0], "Package "+files[0].Name.Name+" "):
		say("the package comment does not begin with \"Package %s\"", files[0].Name.Name)
	}
	for _, f := range files {
		if ast.IsGenerated(f) || command {
			continue
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && !wellKnown[d.Name.Name] {
					said(say, d.Name.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							said(say, s.Name.Name, firstOf(s.Doc, d.Doc))
						}
					case *ast.ValueSpec:
						// One comment may speak for a group of values.
						for _, n := range s.Names {
							if n.IsExported() && firstOf(s.Doc, s.Comment, d.Doc) == nil {
								say("%s has no comment", n.Name)
							}
						}
					}
				}
			}
		}
	}
	sort.Strings(missing)
	return missing
}

// wellKnown methods say by their interface what they do.
var wellKnown = map[string]bool{
	"Error": true, "Unwrap": true, "String": true, "Len": true, "Less": true, "Swap": true, "Is": true, "As": true,
	"MarshalJSON": true, "UnmarshalJSON": true, "MarshalYAML": true, "UnmarshalYAML": true, "MarshalText": true, "UnmarshalText": true,
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

func firstOf(groups ...*ast.CommentGroup) *ast.CommentGroup {
	for _, g := range groups {
		if g != nil {
			return g
		}
	}
	return nil
}

// said wants a comment whose first words name what it describes.
func said(say func(string, ...any), name string, doc *ast.CommentGroup) {
	if doc == nil || strings.TrimSpace(doc.Text()) == "" {
		say("%s has no comment", name)
		return
	}
	words := strings.Fields(doc.Text())
	begins := func(word string) bool {
		word = strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
		return word == name || strings.TrimSuffix(word, "'s") == name
	}
	article := len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0])
	if !begins(words[0]) && !(article && begins(words[1])) && words[0] != "Deprecated:" {
		say("the comment of %s begins with %q; begin with the name", name, words[0])
	}
}

func TestUndocumented(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"all said", "// Package p is.\npackage p\n// A is.\ntype A int\n// The B does.\nfunc B() {}\n// C and D are.\nconst (\nC = 1\nD = 2\n)\nfunc (A) String() string { return \"\" }\nfunc (a hidden) Do() {}\ntype hidden int\n", ""},
		{"no package comment", "package p\n", "0 package comments"},
		{"a package comment that begins oddly", "// This is p.\npackage p\n", "does not begin"},
		{"an exported function", "// Package p is.\npackage p\nfunc B() {}\n", "B has no comment"},
		{"an exported method", "// Package p is.\npackage p\n// A is.\ntype A[T any] int\nfunc (a *A[T]) Do() {}\n", "Do has no comment"},
		{"an exported type", "// Package p is.\npackage p\ntype A int\n", "A has no comment"},
		{"an exported value", "// Package p is.\npackage p\nvar A int\n", "A has no comment"},
		{"a comment that begins oddly", "// Package p is.\npackage p\n// Does things.\nfunc B() {}\n", "begin with the name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parser.ParseFile(token.NewFileSet(), "p.go", tt.src, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			got := undocumented("p", []*ast.File{f})
			if tt.want == "" && len(got) != 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got %q; want %q", got, tt.want)
			}
		})
	}
}

// texts are the repository's text files by path: those that git tracks or would.
func texts(t *testing.T) map[string]string {
	t.Helper()
	root := testkit.Root()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("git cannot list the repository's files (%v): run this in a clone", err)
	}
	files := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // deleted and not yet committed
		}
		if !slices.Contains(text[:min(len(text), 8000)], 0) {
			files[name] = string(text)
		}
	}
	return files
}

// TestFilesSpeakOfTheProjectAlone: no path of one machine, no registry's host.
func TestFilesSpeakOfTheProjectAlone(t *testing.T) {
	for name, text := range texts(t) {
		if name == "go.sum" || strings.HasPrefix(name, "internal/rules/") {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if word := foreign.FindString(line); word != "" {
				t.Errorf("%s:%d: names %q, which is a path of one machine or a registry's host", name, i+1, strings.TrimSpace(word))
			}
		}
	}
}

// registries are hosts in two pieces, so that this file names none of them.
var registries = []string{
	"pypi" + `\.org`, "pythonhosted" + `\.org`, "proxy" + `\.golang\.org`, "registry" + `\.npmjs\.org`, "crates" + `\.io`,
	"repo1?" + `\.maven\.(?:org|apache\.org)`, "deb" + `\.debian\.org`, "archive" + `\.ubuntu\.com`,
}

var foreign = regexp.MustCompile(`(?:^|[\s"'=:(\x60])(?:/work|/root|/home/[a-z]+|/Users/[a-z]+)/` +
	`|\b(?:` + strings.Join(registries, "|") + `)\b`)

func TestForeign(t *testing.T) {
	for _, bad := range []string{"see /" + "work/x", "cd /" + "root/y", `"/home/me/z"`, "from pypi" + ".org", "https://proxy." + "golang.org/a"} {
		if !foreign.MatchString(bad) {
			t.Errorf("%q is not found", bad)
		}
	}
	for _, good := range []string{"frame/" + "work/x", "the root/ folder", "/home", "internal/" + "root/y", "crates of ion"} {
		if foreign.MatchString(good) {
			t.Errorf("%q is found", good)
		}
	}
}

// TestDocumentsAreFilledIn: no line of a document only holds a place.
func TestDocumentsAreFilledIn(t *testing.T) {
	for name, text := range texts(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if word := placeholder.FindString(line); word != "" {
				t.Errorf("%s:%d: %s stands where something is to be written", name, i+1, strings.TrimSpace(word))
			}
		}
	}
}

var placeholder = regexp.MustCompile(`^\s*(?:SUMMARY|LISTEN|TODO|FIXME)\b[.:]?\s*$`)

func TestPlaceholder(t *testing.T) {
	for _, bad := range []string{"SUMMARY", "  TODO:", "LISTEN ", "FIXME"} {
		if !placeholder.MatchString(bad) {
			t.Errorf("%q is not found", bad)
		}
	}
	for _, good := range []string{"# SUMMARY", "the SUMMARY", "summary", "TODO lists", "SUMMARY_KEY"} {
		if placeholder.MatchString(good) {
			t.Errorf("%q is found", good)
		}
	}
}

func TestLinksResolve(t *testing.T) {
	all := texts(t)
	for name, text := range all {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, v := range brokenLinks(name, text, func(target string) (string, bool) {
			if text, ok := all[target]; ok {
				return text, true
			}
			_, err := os.Stat(filepath.Join(testkit.Root(), target))
			return "", err == nil
		}) {
			t.Error(v)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	heading = regexp.MustCompile(`(?m)^#+\s+(.+?)\s*$`)
)

// brokenLinks checks the relative links of one document; open gives the text of
// a file and whether there is one.
func brokenLinks(name, text string, open func(string) (string, bool)) []string {
	var broken []string
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		target, anchor, _ := strings.Cut(m[1], "#")
		if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		in := text
		if target != "" {
			var ok bool
			if in, ok = open(path.Join(path.Dir(name), target)); !ok {
				broken = append(broken, fmt.Sprintf("%s: the link to %s leads nowhere", name, m[1]))
				continue
			}
		}
		if anchor != "" && !slices.Contains(anchors(in), anchor) {
			broken = append(broken, fmt.Sprintf("%s: the link to %s: there is no such heading", name, m[1]))
		}
	}
	return broken
}

// anchors are the names that a document's headings can be linked by.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, m[1]))
	}
	return names
}

func TestBrokenLinks(t *testing.T) {
	open := func(name string) (string, bool) {
		return "# How it `works`\n", name == "docs/there.md"
	}
	text := "[a](there.md) [b](there.md#how-it-works) [c](https://x.org/y) [d](#top) [e](gone.md) [f](there.md#no) [g](#no)\n" +
		"# Top\n```\n[h](gone-too.md)\n```\n"
	got := brokenLinks("docs/x.md", text, open)
	if len(got) != 3 || !strings.Contains(got[0], "gone.md") || !strings.Contains(got[1], "there.md#no") || !strings.Contains(got[2], "#no") {
		t.Errorf("got %q; want the links to gone.md, there.md#no and #no", got)
	}
}

// TestCommandsNamedInDocsExist: what a document tells a user to type is there.
func TestCommandsNamedInDocsExist(t *testing.T) {
	const main = "cmd/dashline/main.go"
	all := texts(t)
	src, ok := all[main]
	if !ok {
		t.Skip("there is no " + main)
	}
	commands, err := commandsOf(src)
	if err != nil {
		t.Fatal(err)
	}
	if len(commands) == 0 {
		t.Fatalf("no field of %s has a cmd tag", main)
	}
	targets := regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(all["Makefile"], -1)
	var makes []string
	for _, m := range targets {
		makes = append(makes, m[1])
	}
	for name, text := range all {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, c := range named("dashline", text) {
			if !slices.Contains(commands, c) {
				t.Errorf("%s names `dashline %s`, which is none of %s", name, c, strings.Join(commands, ", "))
			}
		}
		for _, c := range named("make", text) {
			if !slices.Contains(makes, c) {
				t.Errorf("%s names `make %s`, which the Makefile does not have", name, c)
			}
		}
	}
}

// commandsOf are the names of the struct fields that kong takes for commands.
func commandsOf(src string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil || len(field.Names) != 1 {
			return true
		}
		tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`"))
		if _, ok := tag.Lookup("cmd"); !ok {
			return true
		}
		name := tag.Get("name")
		if name == "" {
			name = strings.ToLower(field.Names[0].Name)
		}
		names = append(names, name)
		return true
	})
	return names, nil
}

var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")

// named are the words after a program's name in a document's code.
func named(program, text string) []string {
	word := regexp.MustCompile(`(?m)(?:^|[\s\x60;&(/])` + program + ` ([a-z][a-z-]*)\b`)
	var names []string
	for _, c := range code.FindAllString(text, -1) {
		for _, m := range word.FindAllStringSubmatch(c, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

func TestNamed(t *testing.T) {
	text := "Say `dashline run x` and not dashline prose.\n```\n$ bin/dashline listen\ndashline --help\n```\n"
	if got := named("dashline", text); !slices.Equal(got, []string{"run", "listen"}) {
		t.Errorf("got %q; want run and listen", got)
	}
	got, err := commandsOf("package main\ntype CLI struct {\n\tRun runCmd `cmd:\"\" help:\"x\"`\n\tA, B int\n\tX y `cmd:\"\" name:\"other\"`\n\tVerbose bool `help:\"z\"`\n}\n")
	if err != nil || !slices.Equal(got, []string{"run", "other"}) {
		t.Errorf("got %q, %v; want run and other", got, err)
	}
}

// TestMakefileHoldsThePureList: the packages that make test builds without cgo
// are those that the import rules call pure.
func TestMakefileHoldsThePureList(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testkit.Root(), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^export PURE := (.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("the Makefile has no line `export PURE := ...`")
	}
	if got := strings.Fields(string(m[1])); !slices.Equal(got, pure) {
		t.Errorf("the Makefile has PURE %q; want %q", got, pure)
	}
}

// TestSetupBringsTheLibraryThatOrtWants: the set-up script and the engine agree
// on the version of ONNX Runtime.
func TestSetupBringsTheLibraryThatOrtWants(t *testing.T) {
	version := func(file, pattern string) string {
		text, err := os.ReadFile(filepath.Join(testkit.Root(), file))
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no line like %s", file, pattern)
		}
		return string(m[1])
	}
	installed := version("scripts/setup", `(?m)^ort_version=(\S+)$`)
	wanted := version("infer/ort/library.go", `(?m)^const LibraryVersion = "(.+)"$`)
	if installed != wanted {
		t.Errorf("scripts/setup brings ONNX Runtime %s, infer/ort looks for %s", installed, wanted)
	}
}
