package report

import (
	"reflect"

	"dashline/internal/plain"
)

// longestText is how much of a text from elsewhere is shown, in characters.
const longestText = 300

// shown is a copy of a result whose texts are fit to be shown, each in a line.
func shown(r *Result) *Result {
	out := mapped(r, func(s string) string { return short(plain.Line(s), longestText) })
	for i := range out.Subjects {
		if s := &out.Subjects[i]; s.Name == "" {
			s.Name = "unnamed"
		}
	}
	return out
}

// short cuts a text to n characters at most.
func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// mapped is a deep copy with text applied to all strings. No slice of it is nil.
func mapped(r *Result, text func(string) string) *Result {
	to := reflect.New(reflect.TypeFor[Result]())
	mapInto(to.Elem(), reflect.ValueOf(r).Elem(), text)
	return to.Interface().(*Result)
}

func mapInto(to, from reflect.Value, text func(string) string) {
	switch from.Kind() {
	case reflect.String:
		to.SetString(text(from.String()))
	case reflect.Struct:
		for i := range from.NumField() {
			mapInto(to.Field(i), from.Field(i), text)
		}
	case reflect.Slice:
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			mapInto(to.Index(i), from.Index(i), text)
		}
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			mapInto(to.Elem(), from.Elem(), text)
		}
	default:
		to.Set(from)
	}
}
