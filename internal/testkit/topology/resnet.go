package topology

import (
	"fmt"

	"dashline/model/onnx/pb"
)

// ResNet50Parameters are those that torchvision counts: means and variances of
// its 26,560 normalised channels are not among them.
const (
	ResNet50Parameters = 25_557_032
	ResNet50Statistics = 2 * 26_560
)

// ResNet50 is the classifier of He et al. 2015 (arXiv:1512.03385) with the stride
// in the 3x3 convolutions, as torchvision has it. Input "input" is batch x 3 x 224 x
// 224, output "output" batch x 1000.
func ResNet50() *pb.ModelProto {
	b := newBuilder("resnet50")
	b.graph.Input = append(b.graph.Input, value("input", pb.TensorProto_FLOAT, "batch", 3, 224, 224))
	x := b.node("Relu", []string{b.convolution("conv1", "input", 3, 64, 7, 2)})
	x = b.node("MaxPool", []string{x}, integers("kernel_shape", 3, 3), integers("strides", 2, 2), integers("pads", 1, 1, 1, 1))
	channels := int64(64)
	for stage, blocks := range []int{3, 4, 6, 3} {
		width := int64(64) << stage
		for i := range blocks {
			stride := int64(1)
			if i == 0 && stage > 0 {
				stride = 2
			}
			b.scope = fmt.Sprintf("/layer%d/%d", stage+1, i)
			x = b.bottleneck(x, channels, width, stride)
			channels = 4 * width
		}
	}
	b.scope = ""
	pooled := b.node("GlobalAveragePool", []string{x})
	batch := b.node("Gather", []string{b.node("Shape", []string{pooled}), b.number(0)}, integer("axis", 0))
	shape := b.node("Concat", []string{b.node("Unsqueeze", []string{batch, b.numbers(0)}), b.numbers(-1)}, integer("axis", 0))
	flat := b.node("Reshape", []string{pooled, shape})
	out := b.node("Gemm", []string{flat, b.weight("fc.weight", 1000, 2048), b.weight("fc.bias", 1000)}, integer("transB", 1))
	b.output(out, "output", "batch", 1000)
	return b.model()
}

// convolution is one without a bias and its normalisation.
func (b *builder) convolution(name, x string, in, out, size, stride int64) string {
	pad := size / 2
	y := b.node("Conv", []string{x, b.weight(b.scope+name+".weight", out, in, size, size)}, integers("dilations", 1, 1), integer("group", 1),
		integers("kernel_shape", size, size), integers("pads", pad, pad, pad, pad), integers("strides", stride, stride))
	bn := b.scope + name + ".bn"
	return b.node("BatchNormalization", []string{y, b.ones(bn+".weight", out), b.weight(bn+".bias", out),
		b.weight(bn+".running_mean", out), b.ones(bn+".running_var", out)}, float("epsilon", 1e-5), float("momentum", 0.9))
}

func (b *builder) bottleneck(x string, in, width, stride int64) string {
	y := b.node("Relu", []string{b.convolution("conv1", x, in, width, 1, 1)})
	y = b.node("Relu", []string{b.convolution("conv2", y, width, width, 3, stride)})
	y = b.convolution("conv3", y, width, 4*width, 1, 1)
	if in != 4*width {
		x = b.convolution("downsample", x, in, 4*width, 1, stride)
	}
	return b.node("Relu", []string{b.node("Add", []string{y, x})})
}
