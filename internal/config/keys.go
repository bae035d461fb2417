package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"dashline/internal/strictyaml"
)

// key is one value that can be configured.
type key struct {
	path  string // "detect.network"
	value reflect.Value
	tag   reflect.StructTag
}

// flag is the name of the key's flag, without dashes.
func (k key) flag() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(k.path)
}

// keys lists all values of a struct, groups flattened, in order.
func keys(v reflect.Value, prefix string) []key {
	var out []key
	for _, f := range strictyaml.Fields(v) {
		path := prefix + f.Key
		if f.Value.Kind() == reflect.Struct {
			out = append(out, keys(f.Value, path+".")...)
			continue
		}
		out = append(out, key{path, f.Value, f.Tag})
	}
	return out
}

// text is a value as a flag takes it.
func text(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.String()
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	case reflect.String:
		return v.String()
	case reflect.Slice:
		if v.Len() == 0 {
			return "[]"
		}
	}
	panic(fmt.Sprintf("config: a key has the type %s", v.Type()))
}

// set gives a value the text of a default.
func set(v reflect.Value, s string) error {
	if _, ok := v.Interface().(time.Duration); ok {
		d, err := time.ParseDuration(s)
		v.SetInt(int64(d))
		return err
	}
	switch v.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		v.SetBool(b)
		return err
	case reflect.Int, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		v.SetInt(i)
		return err
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(s, v.Type().Bits())
		v.SetFloat(f)
		return err
	case reflect.String:
		v.SetString(s)
		return nil
	}
	return fmt.Errorf("a key has the type %s", v.Type())
}

// fill gives the values of a struct their defaults, all but those that a file has
// set; prefix is what their paths in the file begin with.
func fill(v reflect.Value, prefix string, present strictyaml.Keys) {
	for _, k := range keys(v, prefix) {
		s, ok := k.tag.Lookup("default")
		if _, given := present[k.path]; !ok || given {
			continue
		}
		if err := set(k.value, s); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", k.path, err))
		}
	}
}

// Default is the configuration without a file and without flags.
func Default() Config {
	var c Config
	fill(reflect.ValueOf(&c).Elem(), "", nil)
	return c
}
