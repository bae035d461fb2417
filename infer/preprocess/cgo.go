//go:build !customenv

package preprocess

// With the tag customenv the flags come from CGO_CXXFLAGS and CGO_LDFLAGS, as in gocv.

// #cgo pkg-config: opencv4
import "C"
