package strictyaml

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Field is one key of a struct.
type Field struct {
	Key   string
	Value reflect.Value
	Tag   reflect.StructTag
}

// Fields lists the keys of a struct in the order in which they are declared.
func Fields(v reflect.Value) []Field {
	var out []Field
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		key, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case !sf.IsExported() || key == "-":
		case key != "":
			out = append(out, Field{key, v.Field(i), sf.Tag})
		case sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			out = append(out, Fields(v.Field(i))...)
		}
	}
	return out
}

func find(fields []Field, key string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Key == key })
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

// Check holds the values of a struct against their `enum`, `min` and `max`
// tags. It is what Decode checks, for values that came from elsewhere.
func Check(v any) error {
	return check(reflect.ValueOf(v).Elem(), "")
}

func check(v reflect.Value, path string) error {
	var errs []error
	for _, f := range Fields(v) {
		full := join(path, f.Key)
		switch f.Value.Kind() {
		case reflect.Struct:
			errs = append(errs, check(f.Value, full))
		case reflect.Slice, reflect.Array:
			for i := range f.Value.Len() {
				name := fmt.Sprintf("%s[%d]", full, i)
				item := f.Value.Index(i)
				if item.Kind() == reflect.Struct {
					errs = append(errs, check(item, name))
				} else if msg := outside(item, f.Tag); msg != "" {
					errs = append(errs, fmt.Errorf("%s: %s", name, msg))
				}
			}
		default:
			if msg := outside(f.Value, f.Tag); msg != "" {
				errs = append(errs, fmt.Errorf("%s: %s", full, msg))
			}
		}
	}
	return errors.Join(errs...)
}

// outside says how a scalar breaks its tags, or nothing.
func outside(v reflect.Value, tag reflect.StructTag) string {
	if words := tag.Get("enum"); words != "" && v.Kind() == reflect.String {
		known := strings.Split(words, ",")
		if !slices.Contains(known, v.String()) {
			return fmt.Sprintf("expected one of %s, found %q", strings.Join(known, ", "), clip(v.String()))
		}
	}
	if v.Kind() == reflect.String && !utf8.ValidString(v.String()) {
		return fmt.Sprintf("%q is not text in UTF-8", clip(v.String()))
	}
	if p := tag.Get("pattern"); p != "" && v.Kind() == reflect.String && !regexp.MustCompile(p).MatchString(v.String()) {
		return fmt.Sprintf("%q does not match %s", clip(v.String()), p)
	}
	var x float64
	switch {
	case v.Kind() == reflect.String, v.Kind() == reflect.Bool, v.Kind() == reflect.Struct:
		return ""
	case v.CanInt():
		x = float64(v.Int())
	case v.CanUint():
		x = float64(v.Uint())
	case v.CanFloat():
		x = v.Float()
	default:
		return ""
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Sprintf("expected a finite number, found %v", x)
	}
	low, hasLow := bound(tag.Get("min"), v.Type())
	high, hasHigh := bound(tag.Get("max"), v.Type())
	if hasLow && x < low || hasHigh && x > high {
		return fmt.Sprintf("%v is outside of its range, %s", v.Interface(), Range(tag))
	}
	return ""
}

// bound reads a tag; a bound that does not parse is a defect in the struct.
func bound(text string, t reflect.Type) (float64, bool) {
	if text == "" {
		return 0, false
	}
	if t == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic("strictyaml: bound " + text + ": " + err.Error())
		}
		return float64(d), true
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic("strictyaml: bound " + text + ": " + err.Error())
	}
	return x, true
}

// Range says the `min` and `max` tags in words; "" without any.
func Range(tag reflect.StructTag) string {
	low, high := tag.Get("min"), tag.Get("max")
	switch {
	case low != "" && high != "":
		return low + " to " + high
	case low != "":
		return "at least " + low
	case high != "":
		return "at most " + high
	}
	return ""
}
