//go:build !race

package synth

const race = false
