// Package framepath has one test: what the frame path allocates on the Go heap.
// It stands alone because its process must be quiet: the NATS server's package
// polls /proc every second in whatever program it is linked into.
package framepath
