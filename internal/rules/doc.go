// Package rules holds no code, only the tests of what is true of the whole
// repository: who may import whom, where cgo may be, what is documented, and
// that the documents' links and commands exist.
package rules
