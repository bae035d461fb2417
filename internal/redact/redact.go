// Package redact takes the credentials out of addresses that people or programs
// will read.
//
// Invariants:
//   - Of scheme://user:password@host nothing between :// and the last @ is ever
//     returned, whatever it is made of.
//   - Of a name=value in the path or query of an address, where the name is one of
//     a login (user, password, token and the like), nothing between the = and the
//     next & is. Many cameras want such addresses.
//   - What is redacted already stays as it is.
//
// What is not written as it should be rather loses too much. A password that
// stands in an address without such a name cannot be told from the rest of it.
package redact

import (
	"regexp"
	"strings"
)

// login names what logs in, in paths and queries: as a whole word, where _ ends
// one, so that access_token is a token and bypass no pass.
const login = `(?:user|usr|username|password|passwd|pwd|psw|pass|auth|token|secret|apikey)=`

var (
	inAddress = regexp.MustCompile(`(?i)([^a-z0-9]` + login + `)[^&]+`)
	// An address in a text ends with a space or a quote. A part of one may stand
	// alone, as a camera repeats it.
	inText = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]*`)
	alone  = regexp.MustCompile(`(?i)([/?&]` + login + `)[^\s"'<>&]+`)
)

const hidden = "${1}***"

// URL returns an address without its user and password, and with *** for the
// values in its path and query that log in. What is no address (scheme://...) is
// returned as it is.
func URL(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	at := strings.LastIndexByte(rest, '@') + 1
	if i := strings.IndexAny(rest[:at], "/?#"); i >= 0 && inAddress.MatchString(rest[i:at]) {
		return scheme + "://***" // an @ within such a value: what is behind it may be more of it
	}
	return scheme + "://" + inAddress.ReplaceAllString(rest[at:], hidden)
}

// Userinfo returns an address without the user and password before its host, and
// with all that is behind it: still an address to connect to, and still a secret.
func Userinfo(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}

// URLs does what URL does to several addresses, separated by commas.
func URLs(addresses string) string {
	all := strings.Split(addresses, ",")
	for i, a := range all {
		all[i] = URL(a)
	}
	return strings.Join(all, ",")
}

// example is what errors show where they say how to write a password; it is none.
const example = "user:password@"

// Text returns a text with every address in it as URL returns it, but for the
// words user:password themselves, which say how to write them.
func Text(text string) string {
	text = inText.ReplaceAllStringFunc(text, func(address string) string {
		_, rest, _ := strings.Cut(address, "://")
		if strings.LastIndexByte(rest, '@')+1 == len(example) && strings.HasPrefix(rest, example) {
			return address
		}
		return URL(address)
	})
	return alone.ReplaceAllString(text, hidden)
}
