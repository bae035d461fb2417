package footprint

import "dashline/model"

// ORT predicts what ONNX Runtime holds on the CPU. block is the number of
// channels that its convolutions work on at once: 16 with AVX-512, 8 without.
func ORT(g *model.Graph, block int) Footprint {
	in, out := ends(g)
	f := Footprint{Buffers: in + out, Fixed: ortFixed + ortLayer*int64(len(g.Layers))}
	for i := range g.Layers {
		f.Weights += ortWeights(g, i, block)
	}
	if len(g.Layers) > maxLayers {
		f.Values = 2 * g.Liveness().Peak
		return f
	}
	// The garbage is what the model was read into: its weights once more.
	a, _ := follow(lower(g, block).steps)
	f.Values = a.resident(f.Weights)
	return f
}

const (
	ortFixed = 1 << 20
	ortLayer = 8 << 10
)

// ortWeights are those of layer i, batch normalisation folded.
func ortWeights(g *model.Graph, i, block int) int64 {
	switch o := g.Layers[i].Op.(type) {
	case *model.Conv:
		filters, each := o.Filters, len(o.Weight)/o.Filters
		if inBlocks(o, g.In(i).Channels(), block) {
			channels := each / (o.Kernel[0] * o.Kernel[1])
			if o.Groups == 1 && channels >= block {
				each = each / channels * up(channels, block)
			}
			filters = up(filters, block)
		}
		return 4 * (int64(filters)*int64(each) + int64(filters))
	case *model.Const:
		return int64(o.Value.Shape.Elements()) * int64(o.Value.Type.Bytes())
	default:
		var n int64
		for p := range model.Weights(o) {
			n += int64(len(p.Values))
		}
		return 4 * n
	}
}

// inBlocks says whether a convolution is one of those that work on blocks of
// channels (NchwcTransformerImpl::TransformConv in
// onnxruntime/core/optimizer/nchwc_transformer.cc).
func inBlocks(o *model.Conv, channels, block int) bool {
	const alignment = 4
	each := channels / o.Groups
	switch {
	case o.Groups == 1:
		return channels < block || channels%alignment == 0
	case o.Filters%alignment != 0:
		return false
	case each == 1 && o.Filters == o.Groups:
		return true
	}
	return each%block == 0 && o.Filters/o.Groups%block == 0
}

func up(n, block int) int { return (n + block - 1) / block * block }
