package ort

// tinyModel is an ONNX model of one Relu, 1x3x8x8 in and out.
func tinyModel() []byte {
	field := func(number int, body ...byte) []byte {
		return append([]byte{byte(number<<3 | 2), byte(len(body))}, body...)
	}
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	dim := func(n byte) []byte { return field(1, 8, n) }
	value := func(name string) []byte {
		shape := field(2, join(dim(1), dim(3), dim(8), dim(8))...)
		tensor := field(1, join([]byte{8, 1}, shape)...)
		return join(field(1, []byte(name)...), field(2, tensor...))
	}
	node := join(field(1, 'x'), field(2, 'y'), field(3, 'r'), field(4, []byte("Relu")...))
	graph := join(field(1, node...), field(2, 'g'), field(11, value("x")...), field(12, value("y")...))
	return join([]byte{8, 8}, field(7, graph...), field(8, 16, 13))
}
