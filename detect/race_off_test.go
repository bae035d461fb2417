//go:build !race

package detect_test

const race = false
