// Package strictyaml reads YAML that people write into structs and refuses
// everything that it does not understand, saying where and what was meant.
//
// Invariants:
//   - An unknown key, a duplicate key, a value of the wrong type and a value
//     outside its bounds are errors with file, line and column.
//   - Bytes, depth and indentation are bounded before parsing. Anchors,
//     aliases, merges and tags are refused, so a small file stays small.
//   - A key is the field's `yaml` tag. Fields without one, or with "-", are not
//     keys. Anonymous struct fields without one lend their keys.
//   - Keys that are absent leave the field as it was.
//
// Fields may be structs, slices and arrays of scalars or structs, maps of those
// by text, strings, booleans, integers, floats and time.Duration. A struct or slice
// that implements encoding.TextUnmarshaler may also be given as text; another type that
// does is given as text or number, of which its UnmarshalText judges. Tags bound
// scalars: `enum` (comma-separated words), `pattern` (a regular expression),
// `min` and `max` (inclusive).
package strictyaml

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"dashline/internal/redact"
	"dashline/internal/suggest"
)

// Bounds on input.
const (
	MaxBytes  = 1 << 20
	MaxDepth  = 16  // brackets inside each other
	MaxIndent = 64  // spaces
	MaxMarks  = 512 // "- ", ": " and "? " on one line
	MaxItems  = 4096
)

// Error says what is wrong in a file and where. Line and Column start at 1; 0
// is unknown.
type Error struct {
	File         string
	Line, Column int
	Msg          string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Keys are the dotted paths of the keys that a file sets, with their places.
type Keys map[string]Place

// Place is a position in a file, from 1.
type Place struct{ Line, Column int }

// Decode reads data into the struct or map that v points to and tells which keys were
// there. file is only for messages. On an error v may be partly set.
func Decode(file string, data []byte, v any) (Keys, error) {
	node, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	d := decoder{file: file, keys: Keys{}}
	if node == nil {
		return d.keys, nil
	}
	if err := d.value(node, reflect.ValueOf(v).Elem(), "", ""); err != nil {
		return nil, err
	}
	return d.keys, nil
}

type decoder struct {
	file string
	keys Keys
}

func (d *decoder) value(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) error {
	if s, ok := n.(*ast.StringNode); ok && (v.Kind() == reflect.Struct || v.Kind() == reflect.Slice) {
		if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
			return d.unmarshal(u, s, path)
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.structure(n, v, path)
	case reflect.Map:
		return d.byName(n, v, path, tag)
	case reflect.Slice, reflect.Array:
		return d.list(n, v, path, tag)
	}
	return d.scalar(n, v, path, tag)
}

func (d *decoder) unmarshal(u encoding.TextUnmarshaler, s *ast.StringNode, path string) error {
	if err := u.UnmarshalText([]byte(s.Value)); err != nil {
		return at(d.file, s.GetToken(), "%s: %v", path, err)
	}
	return nil
}

// textual reads what is no struct and reads itself from text.
func (d *decoder) textual(n ast.Node, u encoding.TextUnmarshaler, path string) error {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
	default:
		return d.wrong(n, path, "text or a number")
	}
	if err := u.UnmarshalText([]byte(n.GetToken().Value)); err != nil {
		return at(d.file, n.GetToken(), "%s: %v", path, err)
	}
	return nil
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path string) error {
	fields := Fields(v)
	return d.pairs(n, path, func(t *token.Token, name, full string, value ast.Node) error {
		f, ok := find(fields, name)
		if !ok {
			return at(d.file, t, "%s", unknown(path, name, fields))
		}
		if err := d.once(t, full); err != nil {
			return err
		}
		return d.value(value, f.Value, full, f.Tag)
	})
}

// byName decodes a map: any key will do, once.
func (d *decoder) byName(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) error {
	v.Set(reflect.MakeMap(v.Type()))
	return d.pairs(n, path, func(t *token.Token, name, full string, value ast.Node) error {
		if err := d.once(t, full); err != nil {
			return err
		}
		if v.Len() == MaxItems {
			return at(d.file, t, "there are more than %d keys, which is the limit", MaxItems)
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(value, item, full, tag); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name), item)
		return nil
	})
}

// pairs calls do with each key and its value; full is the key's whole path.
func (d *decoder) pairs(n ast.Node, path string, do func(t *token.Token, name, full string, value ast.Node) error) error {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	case *ast.NullNode: // a group whose keys are all commented out
		return nil
	default:
		return d.wrong(n, path, "keys with values")
	}
	for _, p := range pairs {
		t := p.Key.GetToken()
		name := t.Value
		if k, ok := p.Key.(*ast.StringNode); ok {
			name = k.Value
		}
		if err := do(t, name, join(path, name), p.Value); err != nil {
			return err
		}
	}
	return nil
}

// once takes note of a key, and refuses one that was there before.
func (d *decoder) once(t *token.Token, full string) error {
	if first, ok := d.keys[full]; ok {
		return at(d.file, t, "key %s is set a second time, first on line %d: remove one", full, first.Line)
	}
	d.keys[full] = Place{t.Position.Line, t.Position.Column}
	return nil
}

func unknown(path, name string, fields []Field) string {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.Key
	}
	name = redact.Text(name)
	msg := fmt.Sprintf("unknown key %s", clip(join(path, name)))
	if near := suggest.Nearest(name, known); near != "" {
		return msg + fmt.Sprintf(": did you mean %s?", join(path, near))
	}
	return msg + ": known here are " + strings.Join(known, ", ")
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) error {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		return d.wrong(n, path, "a list")
	}
	if v.Kind() == reflect.Array && len(s.Values) != v.Len() {
		return at(d.file, n.GetToken(), "%s: expected %d values, found %d", path, v.Len(), len(s.Values))
	}
	if len(s.Values) > MaxItems {
		return at(d.file, n.GetToken(), "%s: has %d items, the limit is %d", path, len(s.Values), MaxItems)
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	}
	for i, item := range s.Values {
		if err := d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i), tag); err != nil {
			return err
		}
	}
	return nil
}

var durationType = reflect.TypeFor[time.Duration]()

func (d *decoder) scalar(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return d.textual(n, u, path)
	}
	if v.Type() == durationType {
		text := n.GetToken().Value
		took, err := time.ParseDuration(text)
		if err != nil || n.Type() != ast.StringType && text != "0" {
			return d.wrong(n, path, "a duration such as 100ms or 2s")
		}
		v.SetInt(int64(took))
		return d.check(n, v, path, tag)
	}
	switch v.Kind() {
	case reflect.String:
		switch s := n.(type) {
		case *ast.StringNode:
			v.SetString(s.Value)
		case *ast.LiteralNode:
			v.SetString(s.Value.Value)
		default:
			return d.wrong(n, path, "text")
		}
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			return d.wrong(n, path, "true or false")
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int64, reflect.Int32:
		i, err := integer(n)
		if err != nil || v.OverflowInt(i) {
			return d.wrong(n, path, "a whole number")
		}
		v.SetInt(i)
	case reflect.Uint64:
		i, err := natural(n)
		if err != nil {
			return d.wrong(n, path, "a whole number of 0 or more")
		}
		v.SetUint(i)
	case reflect.Float64, reflect.Float32:
		f, err := number(n)
		if err != nil || v.OverflowFloat(f) {
			return d.wrong(n, path, "a number")
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("strictyaml: field %s has the type %s, which no key can have", path, v.Type()))
	}
	return d.check(n, v, path, tag)
}

func (d *decoder) check(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) error {
	if msg := outside(v, tag); msg != "" {
		return at(d.file, n.GetToken(), "%s: %s", path, msg)
	}
	return nil
}

func integer(n ast.Node) (int64, error) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, strconv.ErrSyntax
	}
	switch x := i.Value.(type) {
	case int64:
		return x, nil
	case uint64:
		if x <= math.MaxInt64 {
			return int64(x), nil
		}
	}
	return 0, strconv.ErrRange
}

func natural(n ast.Node) (uint64, error) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, strconv.ErrSyntax
	}
	if x, ok := i.Value.(uint64); ok {
		return x, nil
	}
	x, err := integer(n)
	if err != nil || x < 0 {
		return 0, strconv.ErrRange
	}
	return uint64(x), nil
}

func number(n ast.Node) (float64, error) {
	if f, ok := n.(*ast.FloatNode); ok && !math.IsInf(f.Value, 0) && !math.IsNaN(f.Value) {
		return f.Value, nil
	}
	i, err := integer(n)
	return float64(i), err
}

// wrong says what was expected and what is there instead.
func (d *decoder) wrong(n ast.Node, path, want string) error {
	if path == "" {
		path = "the file"
	}
	return at(d.file, n.GetToken(), "%s: expected %s, found %s", path, want, describe(n))
}

func describe(n ast.Node) string {
	word := clip(redact.Text(strings.TrimSpace(n.GetToken().Value)))
	switch n.Type() {
	case ast.NullType:
		return "no value"
	case ast.MappingType, ast.MappingValueType:
		return "keys with values"
	case ast.SequenceType:
		return "a list"
	case ast.BoolType:
		return word
	case ast.IntegerType, ast.FloatType, ast.InfinityType, ast.NanType:
		return "the number " + word + quoteHint(n)
	case ast.StringType, ast.LiteralType:
		return fmt.Sprintf("the text %q", word)
	}
	return fmt.Sprintf("%q", word)
}

func quoteHint(n ast.Node) string {
	if n.GetToken().Type == token.IntegerType || n.GetToken().Type == token.FloatType {
		return " (text needs quotes)"
	}
	return ""
}

func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
