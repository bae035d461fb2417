package darknet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// The header is three int32 (major, minor, revision) and the number of images
// seen in training, which grew from 4 to 8 bytes with version 0.2.
const (
	headerShort = 16
	headerLong  = 20
)

// Validate says whether a cfg and a weights file are whole and belong
// together. Errors are [*Error].
func Validate(cfg, weights []byte) error {
	net, err := Inspect(cfg)
	if err != nil {
		return err
	}
	return net.ValidateWeights(weights)
}

// ValidateWeights holds a weights file against the network.
func (n *Net) ValidateWeights(weights []byte) error {
	header, err := readHeader(weights)
	if err != nil {
		return err
	}
	rest := weights[header:]
	for i := range n.Layers {
		l := &n.Layers[i]
		need := 4 * l.Weights
		if int64(len(rest)) < need {
			e := bad("%s bytes short: the file is cut off or of another network (%s of %s bytes)",
				thousands(need-int64(len(rest))), thousands(int64(len(weights))), thousands(int64(header)+4*n.Parameters()))
			e.Layer, e.Name = i, l.Name()
			return e
		}
		if l.Conv != nil {
			if err := l.finite(rest[:need]); err != nil {
				err.Layer, err.Name = i, l.Name()
				return err
			}
		}
		rest = rest[need:]
	}
	if len(rest) > 0 {
		return bad("%s bytes too long after the last layer: the weights are of another network (expected %s bytes, found %s)",
			thousands(int64(len(rest))), thousands(int64(header)+4*n.Parameters()), thousands(int64(len(weights))))
	}
	return nil
}

func readHeader(weights []byte) (int, error) {
	if len(weights) == 0 {
		return 0, bad("the file is empty: fetch it again")
	}
	if looksLikeHTML(weights) {
		return 0, bad("the file is a web page and not weights: the download went wrong, fetch it again")
	}
	if bytes.HasPrefix(weights, []byte("version https://git-lfs")) {
		return 0, bad("the file is a Git LFS pointer and not the weights: git lfs pull")
	}
	if len(weights) < headerShort {
		return 0, bad("%d bytes are less than a header: the file is cut off", len(weights))
	}
	major := int32(binary.LittleEndian.Uint32(weights))
	minor := int32(binary.LittleEndian.Uint32(weights[4:]))
	if major != 0 || minor < 0 || minor > 2 {
		return 0, bad("version %d.%d in the header, darknet's are 0.1 and 0.2: this is not a weights file", major, minor)
	}
	if minor < 2 {
		return headerShort, nil
	}
	if len(weights) < headerLong {
		return 0, bad("%d bytes are less than a header: the file is cut off", len(weights))
	}
	return headerLong, nil
}

// tensors are the parts of a convolutional layer in the order of the file.
func (l *Layer) tensors() []tensor {
	n := int64(l.Conv.Filters)
	t := []tensor{{"bias", n}}
	if l.Conv.BatchNorm {
		t = append(t, tensor{"scale", n}, tensor{"mean", n}, tensor{"variance", n})
	}
	var before int64
	for _, p := range t {
		before += p.count
	}
	return append(t, tensor{"weight", l.Weights - before})
}

type tensor struct {
	name  string
	count int64
}

// finite refuses weights with which no output would be a number.
func (l *Layer) finite(data []byte) *Error {
	for _, t := range l.tensors() {
		part := data[:4*t.count]
		data = data[4*t.count:]
		for i := 0; i+4 <= len(part); i += 4 {
			bits := binary.LittleEndian.Uint32(part[i:])
			const exponent = 0x7f800000
			if bits&exponent == exponent {
				return bad("%s %d is %v: the file is damaged or training diverged", t.name, i/4, math.Float32frombits(bits))
			}
			if t.name == "variance" && bits>>31 == 1 && bits<<1 != 0 {
				return bad("variance %d is %v, which is negative: the file is damaged or of another network", i/4, math.Float32frombits(bits))
			}
		}
	}
	return nil
}

func bad(format string, args ...any) *Error {
	return &Error{Part: "weights", Layer: -1, Msg: fmt.Sprintf(format, args...)}
}

// thousands writes a number with commas: 248,007,048.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
