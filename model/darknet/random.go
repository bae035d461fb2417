package darknet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
)

// RandomWeights makes a weights file for a cfg: for tests of speed and
// structure where the trained weights are not at hand. Equal arguments give
// equal bytes. See [WriteRandomWeights].
func RandomWeights(cfg []byte, seed uint64) ([]byte, error) {
	net, err := Inspect(cfg)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Grow(int(net.WeightsBytes()))
	err = net.writeRandom(&out, seed)
	return out.Bytes(), err
}

// WriteRandomWeights writes what RandomWeights returns without holding it in
// memory. The weights keep activations near unit variance (He et al. 2015,
// arXiv:1502.01852), residual branches are damped so that sums do not grow
// with depth, and heads find nothing: their objectness is near zero.
func WriteRandomWeights(w io.Writer, cfg []byte, seed uint64) error {
	net, err := Inspect(cfg)
	if err != nil {
		return err
	}
	return net.writeRandom(w, seed)
}

func (n *Net) writeRandom(to io.Writer, seed uint64) error {
	w := bufio.NewWriterSize(to, 1<<16)
	var header [headerLong]byte
	binary.LittleEndian.PutUint32(header[4:], 2) // version 0.2.0, no images seen
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range n.Layers {
		l := &n.Layers[i]
		var next *Layer
		if i+1 < len(n.Layers) {
			next = &n.Layers[i+1]
		}
		for _, t := range l.tensors() {
			for j := range t.count {
				x := l.draw(t.name, int(j), next, random)
				if err := put(w, x); err != nil {
					return err
				}
			}
		}
	}
	return w.Flush()
}

func put(w *bufio.Writer, x float32) error {
	_, err := w.Write(binary.LittleEndian.AppendUint32(w.AvailableBuffer(), math.Float32bits(x)))
	return err
}

func (l *Layer) draw(name string, i int, next *Layer, random *rand.Rand) float32 {
	const (
		damped = 0.2 // of a branch that is added to another
		shy    = -8  // objectness: 1 / (1 + e^8) = 0.0003
	)
	head := next != nil && next.Yolo != nil
	switch name {
	case "weight":
		fan := l.In.C / l.Conv.Groups * l.Conv.Size * l.Conv.Size
		std := math.Sqrt(2 / float64(fan))
		if head {
			std /= 10
		}
		// Uniform with that standard deviation: faster than a normal one and
		// without outliers.
		return float32((2*random.Float64() - 1) * std * math.Sqrt(3))
	case "scale":
		if next != nil && next.Type == "shortcut" {
			return damped
		}
		return 1
	case "variance":
		return 1
	case "bias":
		if head && i%(next.Yolo.Classes+5) == 4 {
			return shy
		}
	}
	return 0
}
