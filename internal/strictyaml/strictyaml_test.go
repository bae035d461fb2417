package strictyaml

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

type sample struct {
	Name   string          `yaml:"name" pattern:"^[^!]*$"`
	Age    time.Duration   `yaml:"age" min:"1ms" max:"1h"`
	Count  int             `yaml:"count" min:"0"`
	Score  float64         `yaml:"score" min:"0" max:"1"`
	On     bool            `yaml:"on"`
	Mode   string          `yaml:"mode" enum:"slow,fast"`
	Inner  inner           `yaml:"inner"`
	List   []inner         `yaml:"list"`
	Three  [3]float32      `yaml:"three"`
	Named  map[string]pair `yaml:"named"`
	Seed   uint64          `yaml:"seed" max:"1e19"`
	Tone   tone            `yaml:"tone"`
	Words  words           `yaml:"words"`
	Hidden string          `yaml:"-"`
}

// words can be a list or one text.
type words []string

func (w *words) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("there is none")
	}
	*w = strings.Fields(string(text))
	return nil
}

// tone reads itself from text and is no struct.
type tone int

func (n *tone) UnmarshalText(text []byte) error {
	i, err := strconv.Atoi(strings.TrimSuffix(string(text), "Hz"))
	if err != nil {
		return errors.New("write it as 440Hz")
	}
	*n = tone(i)
	return nil
}

type inner struct {
	Width int `yaml:"width"`
}

// pair can be written as text, a:b, or with keys.
type pair struct {
	A string `yaml:"a"`
	B int    `yaml:"b"`
}

func (p *pair) UnmarshalText(text []byte) error {
	a, b, ok := strings.Cut(string(text), ":")
	n, err := strconv.Atoi(b)
	if !ok || err != nil {
		return errors.New("write it as a:1")
	}
	*p = pair{a, n}
	return nil
}

func TestDecode(t *testing.T) {
	v := sample{On: true}
	keys, err := Decode("a.yaml", []byte(`
# a comment
name: "x: y" # another
age: 100ms
count: 0x10
score: .5
mode: fast
inner:
  width: 7
list:
  - width: 1
  - {width: 2}
three: [1, 2.5, 3]
named:
  one: x:1
  "two": {a: y, b: 2}
seed: 9999999999999999999
tone: 440Hz
`), &v)
	if err != nil {
		t.Fatal(err)
	}
	want := sample{Name: "x: y", Age: 100 * time.Millisecond, Count: 16, Score: .5, On: true, Mode: "fast",
		Inner: inner{7}, List: []inner{{1}, {2}}, Three: [3]float32{1, 2.5, 3},
		Named: map[string]pair{"one": {"x", 1}, "two": {"y", 2}},
		Seed:  9999999999999999999, Tone: 440}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %+v\nwant %+v", v, want)
	}
	if keys["inner.width"] != (Place{9, 3}) {
		t.Errorf("inner.width is at %v", keys["inner.width"])
	}
	if _, ok := keys["on"]; ok {
		t.Error("on was not in the file")
	}
}

// A slice that reads itself from text is a list or a text, and the last word.
func TestDecodeListAsText(t *testing.T) {
	for text, want := range map[string]words{
		"words: [a, b c]\n": {"a", "b c"},
		"words: a b\n":      {"a", "b"},
		"words: 'a: b'\n":   {"a:", "b"},
		"words: []\n":       {},
	} {
		v := sample{Words: words{"before"}}
		keys, err := Decode("a.yaml", []byte(text), &v)
		if err != nil || !reflect.DeepEqual(v.Words, want) || keys["words"] != (Place{1, 1}) {
			t.Errorf("%q: %q, %v, %v", text, v.Words, keys, err)
		}
	}
}

func TestDecodeKeepsWhatIsAbsent(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "inner:\n", "{}"} {
		v := sample{Name: "kept", Inner: inner{3}}
		if _, err := Decode("a.yaml", []byte(text), &v); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if v.Name != "kept" || v.Inner.Width != 3 {
			t.Errorf("%q: changed to %+v", text, v)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "name: a\nscroe: 1\n", "f.yaml:2:1: unknown key scroe: did you mean score?"},
		{"unknown inner key", "inner:\n  widht: 1\n", "f.yaml:2:3: unknown key inner.widht: did you mean inner.width?"},
		{"far key", "inner:\n  zzz: 1\n", "f.yaml:2:3: unknown key inner.zzz: known here are width"},
		{"hidden field", "hidden: a\n", "f.yaml:1:1: unknown key hidden"},
		{"twice", "name: a\nname: b\n", "f.yaml:2:1: key name is set a second time, first on line 1: remove one"},
		{"number for text", "name: 12\n", "f.yaml:1:7: name: expected text, found the number 12 (text needs quotes)"},
		{"text for number", "count: many\n", `f.yaml:1:8: count: expected a whole number, found the text "many"`},
		{"fraction for whole", "count: 1.5\n", "count: expected a whole number, found the number 1.5"},
		{"huge whole", "count: 99999999999999999999\n", "count: expected a whole number"},
		{"text for bool", "on: maybe\n", `on: expected true or false, found the text "maybe"`},
		{"bare duration", "age: 100\n", "age: expected a duration such as 100ms or 2s, found the number 100"},
		{"bad duration", "age: 1 hour\n", "age: expected a duration"},
		{"range", "score: 1.5\n", "f.yaml:1:8: score: 1.5 is outside of its range, 0 to 1"},
		{"duration range", "age: 2h\n", "age: 2h0m0s is outside of its range, 1ms to 1h"},
		{"infinite", "score: .inf\n", "score: expected a number"},
		{"not a number", "score: .nan\n", "score: expected a number"},
		{"enum", "mode: medium\n", `f.yaml:1:7: mode: expected one of slow, fast, found "medium"`},
		{"pattern", "name: a!\n", `f.yaml:1:7: name: "a!" does not match ^[^!]*$`},
		{"list for group", "inner: [1]\n", "inner: expected keys with values, found a list"},
		{"group for text", "name:\n  a: b\n", "name: expected text, found keys with values"},
		{"text for list", "list: a\n", "list: expected a list"},
		{"number for words", "words: 1\n", "words: expected a list"},
		{"number in words", "words: [a, 1]\n", "words[1]: expected text"},
		{"no words", "words: ''\n", ":1:8: words: there is none"},
		{"array length", "three: [1, 2]\n", "three: expected 3 values, found 2"},
		{"less than nothing", "seed: -1\n", "f.yaml:1:7: seed: expected a whole number of 0 or more, found the number -1"},
		{"more than there is", "seed: 18446744073709551616\n", "seed: expected a whole number of 0 or more"},
		{"above its most", "seed: 18446744073709551615\n", "seed: 18446744073709551615 is outside of its range, at most 1e19"},
		{"text that its type refuses", "tone: high\n", "f.yaml:1:7: tone: write it as 440Hz"},
		{"number that its type refuses", "tone: 4.5\n", "f.yaml:1:7: tone: write it as 440Hz"},
		{"list for such a type", "tone: [1]\n", "tone: expected text or a number, found a list"},
		{"text of a struct", "named: {one: x}\n", "f.yaml:1:14: named.one: write it as a:1"},
		{"key of a struct in a map", "named:\n  one: {c: x}\n", "unknown key named.one.c"},
		{"twice in a map", "named:\n  one: x:1\n  one: x:2\n", "f.yaml:3:3: key named.one is set a second time"},
		{"list for a map", "named: [1]\n", "named: expected keys with values, found a list"},
		{"credentials as a key", "rtsp://user:hunter2@host/x: 1\n", "unknown key rtsp://host/x"},
		{"credentials as a value", "count: rtsp://user:hunter2hunter2hunter2hunter2hunter2@host/x\n", `found the text "rtsp://host/x"`},
		{"item", "three: [1, 2, a]\n", "three[2]: expected a number"},
		{"no value", "name:\n", "name: expected text, found no value"},
		{"scalar file", "hello\n", `the file: expected keys with values, found the text "hello"`},
		{"anchor", "name: &a b\n", "anchors, aliases, merges and tags are not supported"},
		{"alias", "inner: *a\n", "anchors, aliases, merges and tags are not supported"},
		{"merge", "<<: {name: a}\n", "anchors, aliases, merges and tags are not supported"},
		{"tag", "name: !!str 1\n", "anchors, aliases, merges and tags are not supported"},
		{"second document", "name: a\n---\nname: b\n", "a second document begins here"},
		{"bad syntax", "name: [a\n", "f.yaml:1"},
		{"brackets", "name: " + strings.Repeat("[", 1000), "nests deeper than 16"},
		{"dashes", strings.Repeat("- ", 100_000), "too many marks"},
		{"indentation", strings.Repeat(" ", 100) + "name: a", "is indented by 100, the limit is 64"},
		{"bytes", strings.Repeat("#", MaxBytes+1), "the limit is 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v sample
			_, err := Decode("f.yaml", []byte(c.text), &v)
			if err == nil {
				t.Fatalf("accepted as %+v", v)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	good := sample{Age: time.Second, Mode: "slow"}
	if err := Check(&good); err != nil {
		t.Error(err)
	}
	bad := sample{Age: 0, Mode: "", Score: 2, Count: -1}
	err := Check(&bad)
	for _, want := range []string{"age: 0s is outside", `mode: expected one of slow, fast, found ""`, "score: 2 is outside", "count: -1 is outside of its range, at least 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: a\nage: 1s\n"))
	f.Add([]byte("list: [{width: 1}]\nthree: [1,2,3]"))
	f.Add([]byte("a: &a [*a]\n? b\n: - c"))
	f.Add([]byte("named: {one: x:1, two: {a: y}}"))
	f.Add([]byte("name: |\n  text\n  more\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		if _, err := Decode("f.yaml", data, &v); err != nil && !strings.HasPrefix(err.Error(), "f.yaml") {
			t.Fatalf("an error without its file: %v", err)
		}
	})
}

// The whole file may be a map.
func TestDecodeMap(t *testing.T) {
	var m map[string]pair
	keys, err := Decode("f.yaml", []byte("one: x:1\ntwo:\n  a: y\n"), &m)
	if err != nil || !reflect.DeepEqual(m, map[string]pair{"one": {"x", 1}, "two": {A: "y"}}) || keys["two.a"] != (Place{3, 3}) {
		t.Errorf("%+v, %v, %v", m, keys, err)
	}
}
