//go:build race

package synth

// race: the race detector slows the tests down, and what they look for is found
// in a part of the pictures too.
const race = true
