//go:build race

package detect_test

// race: the race detector slows the tests down.
const race = true
