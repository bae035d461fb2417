package onnx

import (
	"math"
	"slices"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// operation is one on two numbers, in either of the ways in which they are held.
type operation struct {
	whole func(a, b int64) int64
	real  func(a, b float64) float64
	test  bool // the result is a truth value
}

var operations = map[string]operation{
	"Add": {whole: func(a, b int64) int64 { return a + b }, real: func(a, b float64) float64 { return a + b }},
	"Sub": {whole: func(a, b int64) int64 { return a - b }, real: func(a, b float64) float64 { return a - b }},
	"Mul": {whole: func(a, b int64) int64 { return a * b }, real: func(a, b float64) float64 { return a * b }},
	"Div": {whole: func(a, b int64) int64 { return a / b }, real: func(a, b float64) float64 { return a / b }},
	"Min": {whole: func(a, b int64) int64 { return min(a, b) }, real: math.Min},
	"Max": {whole: func(a, b int64) int64 { return max(a, b) }, real: math.Max},
	"Pow": {whole: power, real: math.Pow},
	"And": {whole: func(a, b int64) int64 { return a & b }, test: true},
	"Or":  {whole: func(a, b int64) int64 { return a | b }, test: true},
	"Xor": {whole: func(a, b int64) int64 { return a ^ b }, test: true},

	"Equal":          comparison(func(order int) bool { return order == 0 }),
	"Less":           comparison(func(order int) bool { return order < 0 }),
	"LessOrEqual":    comparison(func(order int) bool { return order <= 0 }),
	"Greater":        comparison(func(order int) bool { return order > 0 }),
	"GreaterOrEqual": comparison(func(order int) bool { return order >= 0 }),
}

func comparison(holds func(order int) bool) operation {
	truth := func(yes bool) int64 {
		if yes {
			return 1
		}
		return 0
	}
	return operation{
		whole: func(a, b int64) int64 {
			order := 0
			switch {
			case a < b:
				order = -1
			case a > b:
				order = 1
			}
			return truth(holds(order))
		},
		real: func(a, b float64) float64 {
			order := 0
			switch {
			case a != a || b != b:
				return 0 // nothing holds of what is no number
			case a < b:
				order = -1
			case a > b:
				order = 1
			}
			return float64(truth(holds(order)))
		},
		test: true,
	}
}

// power is a^b, zero where it is no whole number.
func power(a, b int64) int64 {
	if b < 0 {
		return int64(math.Pow(float64(a), float64(b)))
	}
	out := int64(1)
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			out *= a
		}
		a *= a
	}
	return out
}

// exact are functions of whole numbers, which float64 does not hold beyond 2^53.
var exact = map[string]func(int64) int64{
	"Neg": func(x int64) int64 { return -x }, "Abs": func(x int64) int64 { return max(x, -x) },
}

var functions = map[string]func(float64) float64{
	"Neg": func(x float64) float64 { return -x }, "Abs": math.Abs, "Sqrt": math.Sqrt, "Floor": math.Floor,
	"Ceil": math.Ceil, "Round": math.RoundToEven, "Reciprocal": func(x float64) float64 { return 1 / x },
	"Exp": math.Exp, "Log": math.Log, "Sin": math.Sin, "Cos": math.Cos,
}

// arithmetic is how an operator on single numbers is computed, or nil.
func arithmetic(op string) folder {
	if o, ok := operations[op]; ok {
		return func(n *operator) []*literal { return n.operate(o) }
	}
	if f := functions[op]; f != nil {
		return func(n *operator) []*literal { return n.apply(f) }
	}
	return nil
}

func (n *operator) apply(f func(float64) float64) []*literal {
	v := n.literal(0)
	if floats(v.kind) {
		of := func(x float32) float32 { return rounded(v.kind, float32(f(float64(x)))) }
		return n.result(v.kind, v.shape, converted(v.floats, of), nil)
	}
	whole := exact[n.proto.OpType]
	if whole == nil {
		whole = func(x int64) int64 { return int64(f(float64(x))) }
	}
	of := func(x int64) int64 { return narrowed(v.kind, whole(x)) }
	return n.result(v.kind, v.shape, nil, converted(v.ints, of))
}

// foldMod gives remainders of the divisor's sign, or, with fmod, of the dividend's
// as in C, which alone there are of floats.
func foldMod(n *operator) []*literal {
	if n.attrInt("fmod", 0) != 0 {
		return n.operate(operation{whole: func(a, b int64) int64 { return a % b }, real: math.Mod})
	}
	return n.operate(operation{whole: func(a, b int64) int64 {
		rest := a % b
		if rest != 0 && (rest < 0) != (b < 0) {
			rest += b
		}
		return rest
	}})
}

// operate combines all inputs, which are two but for Min and Max.
func (n *operator) operate(o operation) []*literal {
	out := n.literal(0)
	for i := 1; i < len(n.in); i++ {
		next := n.combined(o, out, n.literal(i))
		if next == nil {
			return nil
		}
		out = next
	}
	return []*literal{out}
}

func (n *operator) combined(o operation, a, b *literal) *literal {
	real := floats(a.kind)
	shape := n.broadcast(a.shape, b.shape)
	if real != floats(b.kind) || real && o.real == nil || !n.roomy(shape) {
		return nil
	}
	left, right := places(shape, stretched(a.shape, shape), 0), places(shape, stretched(b.shape, shape), 0)
	out := newLiteral(a.kind, shape)
	if o.test {
		out.kind = pb.TensorProto_BOOL
	}
	for i := range left {
		switch {
		case real && o.test:
			out.ints = append(out.ints, int64(o.real(float64(a.floats[left[i]]), float64(b.floats[right[i]]))))
		case real:
			x := o.real(float64(a.floats[left[i]]), float64(b.floats[right[i]]))
			out.floats = append(out.floats, rounded(a.kind, float32(x)))
		case b.ints[right[i]] == 0 && (n.proto.OpType == "Div" || n.proto.OpType == "Mod"):
			n.fail("divides by zero")
		default:
			out.ints = append(out.ints, narrowed(out.kind, o.whole(a.ints[left[i]], b.ints[right[i]])))
		}
	}
	return out
}

func foldNot(n *operator) []*literal {
	v := n.literal(0)
	if floats(v.kind) {
		return nil
	}
	return n.result(pb.TensorProto_BOOL, v.shape, nil, converted(v.ints, func(x int64) int64 { return x&1 ^ 1 }))
}

// foldReduce reduces whole numbers over all dimensions, or a list over its one.
func foldReduce(n *operator) []*literal {
	v := n.literal(0)
	shape := reduceRule(n)[0]
	if floats(v.kind) || shape.Elements() != 1 || len(v.ints) == 0 {
		return nil
	}
	out := v.ints[0]
	for _, x := range v.ints[1:] {
		switch n.proto.OpType {
		case "ReduceProd":
			out *= x
		case "ReduceSum":
			out += x
		}
	}
	switch n.proto.OpType {
	case "ReduceMax":
		out = slices.Max(v.ints)
	case "ReduceMin":
		out = slices.Min(v.ints)
	}
	return n.result(v.kind, shape, nil, []int64{narrowed(v.kind, out)})
}

// broadcast is the shape of values put together by NumPy's rule.
func (n *operator) broadcast(in ...model.Shape) model.Shape {
	var out model.Shape
	for _, s := range in {
		if len(s) > len(out) {
			out = append(slices.Clone(s[:len(s)-len(out)]), out...)
		}
		for i := 1; i <= len(s); i++ {
			switch have, d := &out[len(out)-i], s[len(s)-i]; {
			case *have == 1:
				*have = d
			case d != 1 && d != *have:
				n.fail("its inputs of %v do not fit together", in)
			}
		}
	}
	return out
}
