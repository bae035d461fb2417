// Package tiny makes small networks for tests, byte by byte, so that tests can
// break them in every way. Nothing in it is used by the program.
package tiny

import (
	"encoding/binary"
	"math"
)

// Cfg is a darknet network for 32x32 that has every kind of layer that the
// project's networks use.
const Cfg = `[net]
width=32
height=32
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=8
groups=8
size=3
stride=1
pad=1
activation=relu

[shortcut]
from=-2
activation=linear

[maxpool]
size=2
stride=2

[convolutional]
filters=21
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=3,4,5
anchors=2,3, 4,5, 6,7, 8,9, 10,11, 12,13
classes=2
num=6

[route]
layers=-3

[upsample]
stride=2

[route]
layers=-1,2

[convolutional]
filters=21
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=0,1,2
anchors=2,3, 4,5, 6,7, 8,9, 10,11, 12,13
classes=2
num=6
`

// Weights are the weights of Cfg: a header of version 0.2.5 and small numbers,
// biased so that every head sees objects.
func Weights() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0)
	b = binary.LittleEndian.AppendUint32(b, 2)
	b = binary.LittleEndian.AppendUint32(b, 5)
	b = binary.LittleEndian.AppendUint64(b, 0)
	const values = (4*8 + 3*8*9) + (4*8 + 8*9) + (21 + 8*21) + (21 + 16*21)
	for i := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(i%7)*0.05+0.05))
	}
	return b
}

// ONNX is a model with input 1x3x32x32 and outputs "mask" 1x4x32x32 and "flat"
// 1x4096: Conv, Relu, Concat, Add, MaxPool, Reshape.
func ONNX() []byte {
	weights := make([]float32, 4*3*3*3)
	for i := range weights {
		weights[i] = float32(i%5) * 0.1
	}
	bias := []float32{0.1, 0.2, 0.3, 0.4}
	graph := join(
		field(1, node("Conv", []string{"image", "w", "b"}, "conv", ints("kernel_shape", 3, 3), ints("pads", 1, 1, 1, 1), ints("strides", 1, 1))),
		field(1, node("Relu", []string{"conv"}, "relu")),
		field(1, node("MaxPool", []string{"relu"}, "pool", ints("kernel_shape", 3, 3), ints("pads", 1, 1, 1, 1), ints("strides", 1, 1))),
		field(1, node("Concat", []string{"relu", "pool"}, "cat", integer("axis", 1))),
		field(1, node("Conv", []string{"cat", "w2"}, "conv2", ints("kernel_shape", 1, 1))),
		field(1, node("Add", []string{"conv2", "relu"}, "mask")),
		field(1, node("Reshape", []string{"pool", "shape"}, "flat")),
		field(2, []byte("tiny")),
		field(5, floats("w", weights, 4, 3, 3, 3)),
		field(5, floats("b", bias, 4)),
		field(5, floats("w2", weights[:32], 4, 8, 1, 1)),
		field(5, longs("shape", 1, 4096)),
		field(11, value("image", 1, 3, 32, 32)),
		field(12, value("mask", 1, 4, 32, 32)),
		field(12, value("flat", 1, 4096)),
	)
	return join(number(1, 8), field(7, graph), field(8, number(2, 13)))
}

func node(op string, in []string, out string, attributes ...[]byte) []byte {
	var b []byte
	for _, name := range in {
		b = append(b, field(1, []byte(name))...)
	}
	b = join(b, field(2, []byte(out)), field(3, []byte("n_"+out)), field(4, []byte(op)))
	for _, a := range attributes {
		b = append(b, field(5, a)...)
	}
	return b
}

func integer(name string, v uint64) []byte {
	return join(field(1, []byte(name)), number(3, v), number(20, 2))
}

func ints(name string, v ...uint64) []byte {
	b := field(1, []byte(name))
	for _, n := range v {
		b = append(b, number(8, n)...)
	}
	return append(b, number(20, 7)...)
}

func floats(name string, v []float32, dims ...uint64) []byte {
	var raw []byte
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return tensor(name, 1, raw, dims)
}

func longs(name string, v ...uint64) []byte {
	var raw []byte
	for _, n := range v {
		raw = binary.LittleEndian.AppendUint64(raw, n)
	}
	return tensor(name, 7, raw, []uint64{uint64(len(v))})
}

func tensor(name string, kind uint64, raw []byte, dims []uint64) []byte {
	var b []byte
	for _, d := range dims {
		b = append(b, number(1, d)...)
	}
	return join(b, number(2, kind), field(8, []byte(name)), field(9, raw))
}

func value(name string, dims ...uint64) []byte {
	var shape []byte
	for _, d := range dims {
		shape = append(shape, field(1, number(1, d))...)
	}
	return join(field(1, []byte(name)), field(2, field(1, join(number(1, 1), field(2, shape)))))
}

func number(field, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, field<<3), v)
}

func field(number uint64, body []byte) []byte {
	b := binary.AppendUvarint(nil, number<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
