package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dashline/internal/strictyaml"
)

// Effective prints a configuration as a YAML file with what each key means.
// The file loads back to the same configuration, but for credentials: a first
// line says which keys had some.
func Effective(c *Config) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	clean, had := c.WithoutCredentials()
	var out bytes.Buffer
	if len(had) > 0 {
		fmt.Fprintf(&out, "# %s\n", LeftOut(had))
	}
	emit(&out, reflect.ValueOf(&clean).Elem(), "")
	return out.Bytes(), nil
}

// LeftOut says for people that the credentials of these keys are not shown.
func LeftOut(keys []string) string {
	return "The user and password of " + strings.Join(keys, ", ") + " are left out."
}

func emit(out *bytes.Buffer, v reflect.Value, indent string) {
	for _, f := range strictyaml.Fields(v) {
		fmt.Fprintf(out, "%s# %s\n", indent, help(f.Tag))
		if f.Value.Kind() == reflect.Struct {
			fmt.Fprintf(out, "%s%s:\n", indent, f.Key)
			emit(out, f.Value, indent+"  ")
			continue
		}
		if f.Value.Kind() == reflect.Slice && f.Value.Len() > 0 {
			fmt.Fprintf(out, "%s%s:\n", indent, f.Key)
			for i := range f.Value.Len() {
				emitItem(out, f.Value.Index(i), indent+"  ")
			}
			continue
		}
		fmt.Fprintf(out, "%s%s: %s\n", indent, f.Key, scalar(f.Value))
	}
}

// emitItem prints an item of a list; the keys of a struct are explained by the
// list's help.
func emitItem(out *bytes.Buffer, v reflect.Value, indent string) {
	if v.Kind() != reflect.Struct {
		fmt.Fprintf(out, "%s- %s\n", indent, scalar(v))
		return
	}
	mark := "- "
	for _, f := range strictyaml.Fields(v) {
		fmt.Fprintf(out, "%s%s%s: %s\n", indent, mark, f.Key, scalar(f.Value))
		mark = "  "
	}
}

// help is what people read of a key: its meaning and what it can be.
func help(tag reflect.StructTag) string {
	s := tag.Get("help")
	if words := tag.Get("enum"); words != "" {
		s += " One of " + strings.ReplaceAll(words, ",", ", ") + "."
	}
	if r := strictyaml.Range(tag); r != "" {
		s += " Range: " + r + "."
	}
	return s
}

// plain are words that YAML takes as text without quotes, whatever they are.
var plain = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

// scalar is a value as YAML.
func scalar(v reflect.Value) string {
	s := text(v)
	if v.Kind() != reflect.String {
		return s
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	if plain.MatchString(s) {
		return s
	}
	return quote(s)
}

// quote writes a double-quoted scalar in the escapes of JSON, which are a part of
// those of YAML.
func quote(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		panic("config: " + err.Error()) // strings always encode
	}
	return string(q)
}

// JSON prints a configuration as one JSON object, which is YAML too, without
// credentials.
func JSON(c *Config) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	clean, _ := c.WithoutCredentials()
	return json.MarshalIndent(object(reflect.ValueOf(&clean).Elem()), "", "  ")
}

// member is one pair of an object that keeps its order.
type member struct {
	key   string
	value any
}

type members []member

// MarshalJSON writes the pairs in order.
func (m members) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, p := range m {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(quote(p.key))
		out.WriteByte(':')
		data, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		out.Write(data)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func object(v reflect.Value) members {
	var m members
	for _, f := range strictyaml.Fields(v) {
		m = append(m, member{f.Key, plainValue(f.Value)})
	}
	return m
}

func plainValue(v reflect.Value) any {
	if v.Kind() == reflect.Struct {
		return object(v)
	}
	if v.Kind() == reflect.Slice {
		items := make([]any, v.Len())
		for i := range items {
			items[i] = plainValue(v.Index(i))
		}
		return items
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	return v.Interface()
}

// Schema is the JSON Schema (draft 2020-12) of a configuration file.
func Schema() ([]byte, error) {
	c := Default()
	root := append(members{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "Configuration of dashline run"},
	}, schemaObject(reflect.ValueOf(&c).Elem())...)
	data, err := json.MarshalIndent(root, "", "  ")
	return append(data, '\n'), err
}

func schemaObject(v reflect.Value) members {
	var properties members
	for _, f := range strictyaml.Fields(v) {
		properties = append(properties, member{f.Key, schemaOf(f)})
	}
	return members{
		{"type", "object"},
		{"additionalProperties", false},
		{"properties", properties},
	}
}

// duration is what time.ParseDuration reads, without a sign.
const duration = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`

func schemaOf(f strictyaml.Field) members {
	var s members
	add := func(key string, value any) { s = append(s, member{key, value}) }
	add("description", help(f.Tag))
	if f.Value.Kind() == reflect.Struct {
		return append(s, schemaObject(f.Value)...)
	}
	switch f.Value.Interface().(type) {
	case Cameras:
		add("type", "array")
		add("maxItems", MaxCameras)
		one := NewCamera("", "")
		add("items", schemaObject(reflect.ValueOf(&one).Elem()))
		add("default", plainValue(f.Value))
		return s
	case Rungs:
		add("type", []string{"array", "string"})
		add("maxItems", MaxRungs)
		add("uniqueItems", true)
		add("items", members{{"type", "string"}, {"pattern", `\S`}})
		add("default", plainValue(f.Value))
		return s
	}
	_, isDuration := f.Value.Interface().(time.Duration)
	switch {
	case isDuration:
		add("type", "string")
		add("pattern", duration)
	case f.Value.Kind() == reflect.Bool:
		add("type", "boolean")
	case f.Value.CanInt():
		add("type", "integer")
	case f.Value.CanFloat():
		add("type", "number")
	default:
		add("type", "string")
	}
	if words := f.Tag.Get("enum"); words != "" {
		add("enum", strings.Split(words, ","))
	}
	if p := f.Tag.Get("pattern"); p != "" {
		add("pattern", p)
	}
	if !isDuration {
		for _, b := range [][2]string{{"min", "minimum"}, {"max", "maximum"}} {
			if bound := f.Tag.Get(b[0]); bound != "" {
				add(b[1], json.Number(bound))
			}
		}
	}
	add("default", plainValue(f.Value))
	return s
}
