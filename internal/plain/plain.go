// Package plain makes text that came from elsewhere, over the network or out of
// a file, fit to be shown.
//
// Invariant: what it returns is valid UTF-8 and moves no cursor, changes no
// colour, hides nothing and turns no direction of writing: every character is one
// to be seen or a space, and each that is not becomes U+FFFD.
package plain

import (
	"strings"
	"unicode"
)

// Line is for text that is to stay in its line: line ends are replaced too.
func Line(text string) string { return strings.Map(visible, text) }

// Lines keeps line ends and tabs, for text that has several by its nature, such
// as errors that are joined. Who shows text from elsewhere within it has that
// made a Line before.
func Lines(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return visible(r)
	}, text)
}

func visible(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}
