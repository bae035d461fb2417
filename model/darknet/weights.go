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
	_, header, err := readHeader(weights)
	if err != nil {
		return err
	}
	if err := n.fits(header, int64(len(weights))); err != nil {
		return err
	}
	rest := weights[header:]
	for i := range n.Layers {
		l := &n.Layers[i]
		for _, t := range l.tensors() {
			if err := t.finite(rest[:4*t.count], 0); err != nil {
				return l.named(err, i)
			}
			rest = rest[4*t.count:]
		}
	}
	return nil
}

// fits holds the length of a weights file, in bytes, against what the layers need.
func (n *Net) fits(header int, size int64) error {
	rest := size - int64(header)
	for i := range n.Layers {
		l := &n.Layers[i]
		need := 4 * l.Weights
		if rest < need {
			return l.named(bad("%s bytes short: the file is cut off or of another network (%s of %s bytes)",
				thousands(need-rest), thousands(size), thousands(int64(header)+4*n.Parameters())), i)
		}
		rest -= need
	}
	if rest > 0 {
		return bad("%s bytes too long after the last layer: the weights are of another network (expected %s bytes, found %s)",
			thousands(rest), thousands(int64(header)+4*n.Parameters()), thousands(size))
	}
	return nil
}

// named adds to an error which layer it is about.
func (l *Layer) named(e *Error, i int) *Error {
	e.Layer, e.Name = i, l.Name()
	return e
}

// Header is what a weights file begins with: the version of its format, and how
// many pictures the network has seen in training.
type Header struct {
	Major, Minor, Revision int32
	Seen                   uint64 // 32 bits of it before version 0.2
}

// most of a file's beginning that readHeader looks at.
const headerLook = 256

// readHeader reads the header at the beginning of a file, of which it needs
// headerLook bytes or all, and says how long it is.
func readHeader(weights []byte) (h Header, length int, err error) {
	if len(weights) == 0 {
		return h, 0, bad("the file is empty: fetch it again")
	}
	if looksLikeHTML(weights) {
		return h, 0, bad("the file is a web page and not weights: the download went wrong, fetch it again")
	}
	if bytes.HasPrefix(weights, []byte("version https://git-lfs")) {
		return h, 0, bad("the file is a Git LFS pointer and not the weights: git lfs pull")
	}
	if len(weights) < headerShort {
		return h, 0, bad("%d bytes are less than a header: the file is cut off", len(weights))
	}
	h.Major = int32(binary.LittleEndian.Uint32(weights))
	h.Minor = int32(binary.LittleEndian.Uint32(weights[4:]))
	h.Revision = int32(binary.LittleEndian.Uint32(weights[8:]))
	if err := h.check(); err != nil {
		return h, 0, err
	}
	if h.length() == headerShort {
		h.Seen = uint64(binary.LittleEndian.Uint32(weights[12:]))
		return h, headerShort, nil
	}
	if len(weights) < headerLong {
		return h, 0, bad("%d bytes are less than a header: the file is cut off", len(weights))
	}
	h.Seen = binary.LittleEndian.Uint64(weights[12:])
	return h, headerLong, nil
}

func (h Header) check() error {
	if h.Major != 0 || h.Minor < 0 || h.Minor > 2 {
		return bad("version %d.%d in the header, darknet's are 0.1 and 0.2: this is not a weights file", h.Major, h.Minor)
	}
	if h.length() == headerShort && h.Seen > math.MaxUint32 {
		return bad("%d pictures seen are more than version %d.%d can say: make it 0.2", h.Seen, h.Major, h.Minor)
	}
	return nil
}

// length is the bytes that the header takes.
func (h Header) length() int {
	if h.Minor < 2 {
		return headerShort
	}
	return headerLong
}

// tensors are the parts of a layer in the order of the file.
func (l *Layer) tensors() []tensor {
	if l.Conv == nil {
		return nil
	}
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

// finite refuses numbers with which no output would be a number. data is a part
// of the tensor in the form of the file; first is the index of its first number.
func (t tensor) finite(data []byte, first int) *Error {
	const exponent = 0x7f800000
	variance := t.name == "variance"
	for i := 0; i+4 <= len(data); i += 4 {
		bits := binary.LittleEndian.Uint32(data[i:])
		if bits&exponent == exponent {
			return bad("%s %d is %v: the file is damaged or training diverged", t.name, first+i/4, math.Float32frombits(bits))
		}
		if variance && bits>>31 == 1 && bits<<1 != 0 {
			return bad("variance %d is %v, which is negative: the file is damaged or of another network", first+i/4, math.Float32frombits(bits))
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
