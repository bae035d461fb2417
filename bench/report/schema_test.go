package report

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"dashline/internal/testkit"
)

const schemaFile = "docs/bench.schema.json"

// member is one of an object whose order is kept.
type member struct {
	key   string
	value any
}

type object []member

func (o object) MarshalJSON() ([]byte, error) {
	b := []byte("{")
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}

// comments are what the sources say of types ("Result") and fields ("Result.Seed").
func comments(t *testing.T, files ...string) map[string]string {
	t.Helper()
	said := map[string]string{}
	line := func(groups ...*ast.CommentGroup) string {
		var words []string
		for _, g := range groups {
			words = append(words, strings.Fields(g.Text())...)
		}
		return strings.Join(words, " ")
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			spec := g.Specs[0].(*ast.TypeSpec)
			said[spec.Name.Name] = line(g.Doc)
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, n := range field.Names {
						said[spec.Name.Name+"."+n.Name] = line(field.Doc, field.Comment)
					}
				}
			}
		}
	}
	return said
}

// schemaMaker makes a schema of Go's types; each struct is one of $defs.
type schemaMaker struct {
	said map[string]string
	defs map[string]object
	// order of defs, as they were met
	order []string
}

func (m *schemaMaker) of(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		return m.of(t.Elem())
	case reflect.Struct:
		m.define(t)
		return object{{"$ref", "#/$defs/" + t.Name()}}
	case reflect.Slice:
		return object{{"type", "array"}, {"items", m.of(t.Elem())}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int, reflect.Int64:
		return object{{"type", "integer"}, {"minimum", 0}}
	case reflect.Uint64:
		return object{{"type", "integer"}, {"minimum", 0}, {"maximum", uint64(math.MaxUint64)}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.String:
		if t == reflect.TypeFor[Verdict]() {
			return object{{"enum", []Verdict{Pass, Fail, Inconclusive}}}
		}
		return object{{"type", "string"}}
	}
	panic("no schema of " + t.String())
}

func (m *schemaMaker) define(t reflect.Type) {
	if _, done := m.defs[t.Name()]; done {
		return
	}
	m.defs[t.Name()] = nil
	m.order = append(m.order, t.Name())
	var properties object
	required := []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := m.of(f.Type)
		if says := m.said[t.Name()+"."+f.Name]; says != "" {
			s = append(object{{"description", says}}, s...)
		}
		if t.Name() == "Result" && key == "schema" {
			s = append(s, member{"const", Schema})
		}
		properties = append(properties, member{key, s})
		if options != "omitempty" {
			required = append(required, key)
		}
	}
	m.defs[t.Name()] = object{
		{"description", m.said[t.Name()]},
		{"type", "object"},
		{"additionalProperties", false},
		{"required", required},
		{"properties", properties},
	}
}

func madeSchema(t *testing.T) []byte {
	t.Helper()
	m := &schemaMaker{said: comments(t, "result.go", "../machine/machine.go"), defs: map[string]object{}}
	m.define(reflect.TypeFor[Result]())
	var defs object
	for _, name := range m.order[1:] {
		defs = append(defs, member{name, m.defs[name]})
	}
	root := append(object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "What a run of dashline bench came to"}}, m.defs["Result"]...)
	data, err := json.MarshalIndent(append(root, member{"$defs", defs}), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testkit.Root(), schemaFile))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("bench.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("bench.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// TestSchema: the committed schema is that of the Go types, and each made-up result
// is as it says.
func TestSchema(t *testing.T) {
	golden(t, filepath.Join(testkit.Root(), schemaFile), string(madeSchema(t)))
	s := compiled(t)
	for name, of := range made() {
		r := of()
		for i := range r.Subjects { // one of each kind is enough
			r.Subjects[i].Series = r.Subjects[i].Series[:100]
		}
		if name == "hostile" { // its verdicts are none
			r.Verdict = Fail
			for i := range r.Subjects {
				r.Subjects[i].Verdict = Fail
			}
		}
		text := render(t, JSON, r)
		if err := validate(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var back Result
		if err := json.Unmarshal([]byte(text), &back); err != nil || render(t, JSON, &back) != text {
			t.Errorf("%s: %v: is not read as it was written", name, err)
		}
	}
}

func TestSchemaSaysWhatEachKeyIs(t *testing.T) {
	schema := string(madeSchema(t))
	for _, says := range []string{"of all that came; open loop", "of the processor, those that engines use"} {
		if !strings.Contains(schema, says) {
			t.Errorf("the schema does not say %q", says)
		}
	}
}

// TestSchemaRefuses: unknown keys at each depth, missing ones and wrong kinds.
func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	r := passing()
	r.Subjects[0].Series, r.Subjects[0].CDF = r.Subjects[0].Series[:1], nil
	good := render(t, JSON, r)
	objects := 0
	for _, at := range regexp.MustCompile(`\{`).FindAllStringIndex(good, -1) {
		objects++
		if validate(t, s, good[:at[1]]+`"unknown": 1,`+good[at[1]:]) == nil {
			t.Errorf("an unknown key is taken after %q", good[max(0, at[0]-40):at[1]])
		}
	}
	if objects < 20 {
		t.Errorf("%d objects", objects)
	}
	for _, change := range [][2]string{
		{`"schema": "dashline-bench/1"`, `"schema": "dashline-bench/2"`},
		{`"seed": 7,`, ``},
		{`"seed": 7`, `"seed": -7`},
		{`"cores": 2`, `"cores": "2"`},
		{`"verdict": "pass"`, `"verdict": "PASS"`},
		{`"closed": false`, `"closed": 0`},
		{`"features": [`, `"features": [1, `},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("the result has no %s", change[0])
		}
		if validate(t, s, text) == nil {
			t.Errorf("taken: %s for %s", change[1], change[0])
		}
	}
	if err := JSON(&bytes.Buffer{}, &Result{Elapsed: math.NaN()}); err == nil {
		t.Error("JSON has NaN")
	}
}

func TestThin(t *testing.T) {
	all := make([]float64, 101)
	for i := range all {
		all[i] = float64(i)
	}
	for _, tt := range []struct {
		n    int
		want []float64
	}{{3, []float64{0, 50, 100}}, {5, []float64{0, 25, 50, 75, 100}}, {1, all}, {200, all}} {
		got := Thin(all, tt.n)
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%d: %v", tt.n, got)
		}
		if got[0] = -1; all[0] != 0 {
			t.Fatal("shares memory")
		}
	}
}
