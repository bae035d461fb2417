//go:build race

package lanes

// race: the race detector slows the tests down.
const race = true
