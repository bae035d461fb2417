// Package suggest finds the known word that a user most likely meant.
package suggest

import "strings"

// maxWord bounds the words that are compared: the cost is quadratic, and the
// word comes from a user.
const maxWord = 64

// Nearest returns the known word with the smallest edit distance to word,
// without regard to case, and the first of equals. It returns "" where nothing
// is near: a distance above a third of the longer word, rounded up, says that the
// user meant something else.
func Nearest(word string, known []string) string {
	if len(word) > maxWord {
		return ""
	}
	best, bestDist := "", 0
	for _, k := range known {
		if len(k) > maxWord {
			continue
		}
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d > (max(len(word), len(k))+2)/3 {
			continue
		}
		if best == "" || d < bestDist {
			best, bestDist = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes, with a swap of neighbours
// counted as one edit (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
