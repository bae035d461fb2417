//go:build race

package main

// race: the race detector slows the tests down.
const race = true
