// Package pb is the messages of the ONNX format, as Go types.
package pb

//go:generate ./generate.sh
