// Package redact takes the credentials out of addresses that people or programs
// will read.
//
// Invariant: of scheme://user:password@host nothing between :// and the last @
// is ever returned, whatever it is made of. What is not written as it should be
// rather loses too much.
package redact

import (
	"regexp"
	"strings"
)

// URL returns an address without its user and password. What is no address
// (scheme://...) is returned as it is.
func URL(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}

// URLs does the same to several addresses, separated by commas.
func URLs(addresses string) string {
	all := strings.Split(addresses, ",")
	for i, a := range all {
		all[i] = URL(a)
	}
	return strings.Join(all, ",")
}

// An address in a text ends with a space or a quote.
var inText = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]*@`)

// example is what errors show where they say how to write a password; it is none.
const example = "user:password@"

// Text returns a text with every address in it without user and password, but for
// the words user:password themselves, which say how to write them.
func Text(text string) string {
	return inText.ReplaceAllStringFunc(text, func(address string) string {
		scheme, login, _ := strings.Cut(address, "://")
		if login == example {
			return address
		}
		return scheme + "://"
	})
}
