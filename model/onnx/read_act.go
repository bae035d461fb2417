package onnx

import "dashline/model"

// act is the node as an activation function.
func (n *operator) act() (model.Act, bool) {
	switch n.op() {
	case "Relu":
		return model.Act{Kind: model.Relu}, true
	case "LeakyRelu":
		return model.Act{Kind: model.Leaky, Alpha: n.attrFloat("alpha", 0.01)}, true
	case "Sigmoid":
		return model.Act{Kind: model.Sigmoid}, true
	case "Tanh":
		return model.Act{Kind: model.Tanh}, true
	case "Mish":
		return model.Act{Kind: model.Mish}, true
	case "HardSwish":
		return model.Act{Kind: model.HardSwish}, true
	case "Gelu", "com.microsoft.Gelu":
		return model.Act{Kind: model.Gelu}, n.attrText("approximate", "none") == "none"
	case "Clip":
		return n.clip()
	case "PRelu":
		return n.prelu()
	}
	return model.Act{}, false
}

func (n *operator) clip() (model.Act, bool) {
	low, high := n.attrFloat("min", 0), n.attrFloat("max", 0)
	bounded := n.has("min") && n.has("max")
	open := n.has("min") && !n.has("max")
	if n.opset() >= 11 {
		var below, above bool
		low, below = n.scalar(1)
		high, above = n.scalar(2)
		bounded, open = below && above, below && n.maybe(2) == nil
	}
	switch {
	case bounded && low == 0 && high == 6:
		return model.Act{Kind: model.Relu6}, true
	case open && low == 0:
		return model.Act{Kind: model.Relu}, true
	}
	return model.Act{}, false
}

// prelu has one slope, or one for each channel.
func (n *operator) prelu() (model.Act, bool) {
	x, s := n.shape(0), n.shape(1)
	if count := s.Elements(); count != 1 {
		for len(s) > 0 && len(s) > len(x)-1 && s[0] == 1 { // of the batch
			s = s[1:]
		}
		if len(x) < 2 || len(s) != len(x)-1 || s[0] != x[1] || count != x[1] {
			return model.Act{}, false
		}
	}
	slope := n.floats(1)
	return model.Act{Kind: model.Prelu, Slope: slope}, slope != nil
}
