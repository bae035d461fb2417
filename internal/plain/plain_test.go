package plain

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, line, lines string }{
		{"", "", ""},
		{"Nicht gefunden: Straße 7, 路", "Nicht gefunden: Straße 7, 路", "Nicht gefunden: Straße 7, 路"},
		{"a\n\tb", "a\uFFFD\uFFFDb", "a\n\tb"},
		{"\x1b[2J\x1b]0;title\a", "\uFFFD[2J\uFFFD]0;title\uFFFD", "\uFFFD[2J\uFFFD]0;title\uFFFD"},
		{"\u009b31m \r\b\x7f", "\uFFFD31m \uFFFD\uFFFD\uFFFD", "\uFFFD31m \uFFFD\uFFFD\uFFFD"},
		{"\x9b31m\xff", "\uFFFD31m\uFFFD", "\uFFFD31m\uFFFD"},
		{"exe\u202Etxt\u200B", "exe\uFFFDtxt\uFFFD", "exe\uFFFDtxt\uFFFD"},
	} {
		if got := Line(tt.in); got != tt.line {
			t.Errorf("Line(%q) is %q, want %q", tt.in, got, tt.line)
		}
		if got := Lines(tt.in); got != tt.lines {
			t.Errorf("Lines(%q) is %q, want %q", tt.in, got, tt.lines)
		}
	}
}

func TestNothingButWhatIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		line := Line(in)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q became %q", in, line)
		}
		if again := Line(line); again != line {
			t.Fatalf("%q, and then %q", line, again)
		}
		if got := strings.NewReplacer("\n", "\uFFFD", "\t", "\uFFFD").Replace(Lines(in)); got != line {
			t.Fatalf("Lines gives %q, Line %q", got, line)
		}
	})
}
