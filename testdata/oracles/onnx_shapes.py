#!/usr/bin/env python3
"""What ONNX Runtime gives for single operators, and the shapes of every value of
the networks in the assets.

onnx_operators.json.gz is a list of {name, model, inputs, outputs}: the model as
base64, the shapes of its inputs, and for each output its shape, where it depends
on constants alone its numbers, and else, where it is float32, the sum of each
number times 1 to 7 by its place, and that of their sizes. onnx_assets.json.gz is, for each file,
the shape of every value. Run with onnx and onnxruntime; needs DASHLINE_ASSETS.
"""
import base64, glob, gzip, json, os
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T, helper as h, numpy_helper as nh

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)
ort.set_default_logger_severity(3)


def save(name, what):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(gzip.compress(json.dumps(what, separators=(",", ":")).encode(), 9, mtime=0))


def session(m):
    o = ort.SessionOptions()
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    o.intra_op_num_threads = 1
    return ort.InferenceSession(m.SerializeToString(), o, providers=["CPUExecutionProvider"])


def i64(*v):
    return np.array(v, np.int64)


def f32(*v):
    return np.array(v, np.float32)


def wave(shape):
    """What inputs are fed with: the same numbers everywhere."""
    return (np.arange(int(np.prod(shape))) * 37 % 101 / 16 - 3).astype(np.float32).reshape(shape)


class Feed:
    """A value that is fed, and not constant."""
    def __init__(self, array): self.array = array


cases = []


def case(name, nodes, inputs=(), consts=None, opset=13, outputs=("y",), fixed=False, free=False):
    """inputs: {name: shape or Feed}, consts: {name: array}; fixed: the outputs' numbers are
    known before it runs; free: the file leaves the sizes of inputs open."""
    feeds, infos = {}, []
    for key, v in dict(inputs).items():
        a = v.array if isinstance(v, Feed) else wave(v)
        feeds[key] = a
        infos.append(h.make_tensor_value_info(key, h.np_dtype_to_tensor_dtype(a.dtype), [f"{key}{i}" if free else d for i, d in enumerate(a.shape)]))
    if not infos:  # the format wants an input
        feeds["unused"] = f32(0)
        infos.append(h.make_tensor_value_info("unused", T.FLOAT, [1]))
    inits = [nh.from_array(np.asarray(a), key) for key, a in (consts or {}).items()]
    outs = [h.make_empty_tensor_value_info(o) for o in outputs]
    g = h.make_graph(list(nodes), "case", infos, outs, inits)
    m = h.make_model(g, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    got = session(m).run(list(outputs), feeds)
    entry = {"name": name, "model": base64.b64encode(m.SerializeToString()).decode(), "inputs": {k: list(a.shape) for k, a in feeds.items()}, "outputs": {}}
    for o, v in zip(outputs, got):
        entry["outputs"][o] = {"shape": list(v.shape)}
        flat = v.reshape(-1).astype(np.float64)
        if v.dtype == np.float32 and np.isfinite(flat).all():
            entry["outputs"][o]["mark"] = float((flat * (np.arange(len(flat)) % 7 + 1)).sum())
            entry["outputs"][o]["size"] = float(np.abs(flat).sum())
        if fixed:
            entry["outputs"][o]["values"] = [float(x) for x in v.reshape(-1)]
    cases.append(entry)


def op(kind, inputs, outputs="y", **attrs):
    return h.make_node(kind, inputs.split(","), outputs.split(","), **attrs)


def windows():
    image = {"x": (1, 4, 11, 14)}
    for auto in ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]:
        for stride in [1, 2, 3]:
            for k, d in [(1, 1), (3, 1), (3, 2), (4, 1)]:
                w = {"w": rng.random((6, 2, k, k), np.float32)}
                pads = {"pads": [1, 0, 2, 1]} if auto == "NOTSET" else {}
                if d == 1 or auto in ("NOTSET", "VALID"):
                    case(f"Conv {auto} {k}x{k}/{stride} dilated {d}", [op("Conv", "x,w", auto_pad=auto, group=2,
                         strides=[stride, stride], dilations=[d, d], **pads)], image, w)
                for ceil in [0, 1]:
                    if k == 1 or ceil and auto != "NOTSET":
                        continue
                    for kind in ["MaxPool", "AveragePool"]:
                        if kind == "MaxPool" and d != 1 and auto.startswith("SAME") or kind == "AveragePool" and d != 1:
                            continue
                        a = {"dilations": [d, d]} if kind == "MaxPool" else {}
                        case(f"{kind} {auto} {k}x{k}/{stride} dilated {d} ceil {ceil}", [op(kind, "x", auto_pad=auto,
                             kernel_shape=[k, k], strides=[stride, stride], ceil_mode=ceil, **a, **pads)], image)
    for stride in [1, 2, 3]:
        for extra in [0, 1]:
            for pads in [[0, 0, 0, 0], [1, 0, 1, 1]]:
                if extra >= stride:
                    continue
                w = {"w": rng.random((4, 3, 3, 4), np.float32), "b": rng.random(6, np.float32)}
                case(f"ConvTranspose /{stride} extra {extra} {pads}", [op("ConvTranspose", "x,w,b", group=2, pads=pads,
                     strides=[stride, stride], output_padding=[extra, extra])], image, w)
    w = {"w": rng.random((4, 6, 3, 3), np.float32)}
    case("ConvTranspose dilated", [op("ConvTranspose", "x,w", dilations=[2, 2], strides=[2, 2])], image, w)
    case("ConvTranspose output_shape", [op("ConvTranspose", "x,w", strides=[2, 2], output_shape=[22, 28])], image, w)
    case("ConvTranspose same", [op("ConvTranspose", "x,w", strides=[2, 2], auto_pad="SAME_UPPER")], image, w)
    case("Conv 1-D", [op("Conv", "x,w", pads=[1, 1])], {"x": (2, 4, 9)}, {"w": rng.random((5, 4, 3), np.float32)})
    case("Conv 3-D", [op("Conv", "x,w", strides=[1, 2, 1])], {"x": (1, 2, 5, 7, 6)}, {"w": rng.random((5, 2, 3, 3, 3), np.float32)})
    case("Conv batch", [op("Conv", "x,w")], {"x": (3, 4, 9, 9)}, {"w": rng.random((5, 4, 3, 3), np.float32)})
    case("Conv of two values", [op("Conv", "x,w")], {"x": (1, 4, 9, 9), "w": (5, 4, 3, 3)})
    case("MaxPool indices", [op("MaxPool", "x", "y,i", kernel_shape=[2, 2], strides=[2, 2])], image, outputs=("y", "i"))
    for kind in ["GlobalAveragePool", "GlobalMaxPool"]:
        case(kind, [op(kind, "x")], image)


def resizes():
    image = {"x": (1, 3, 5, 7)}
    for coord in ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]:
        for mode in ["nearest", "linear"]:
            for s in [2.0, 3.0, 1.5, 0.6]:
                case(f"Resize {coord} {mode} x{s}", [op("Resize", "x,,s", mode=mode, coordinate_transformation_mode=coord)],
                     image, {"s": f32(1, 1, s, s)})
    case("Resize sizes", [op("Resize", "x,,,s", mode="nearest")], image, {"s": i64(1, 3, 10, 14)})
    case("Resize empty roi and scales", [op("Resize", "x,r,e,s", mode="linear")], image,
         {"s": i64(1, 3, 9, 14), "r": np.zeros(0, np.float32), "e": np.zeros(0, np.float32)}, opset=11)
    case("Resize axes", [op("Resize", "x,,s", mode="nearest", axes=[3, 2])], image, {"s": f32(2, 3)}, opset=18)
    case("Resize-10", [op("Resize", "x,s", mode="nearest")], image, {"s": f32(1, 1, 2, 2)}, opset=10)
    case("Upsample-9", [op("Upsample", "x,s", mode="nearest")], image, {"s": f32(1, 1, 2, 2)}, opset=9)
    case("Upsample-7", [op("Upsample", "x", mode="nearest", scales=[1., 1., 2., 2.])], image, opset=8)


def moves():
    x = {"x": (2, 3, 4, 5)}
    for shape in [(6, 20), (0, -1), (0, 0, 20), (-1,), (2, 3, 2, 2, 5)]:
        case(f"Reshape {shape}", [op("Reshape", "x,s")], x, {"s": i64(*shape)})
    case("Reshape to a number", [op("Reshape", "x,s")], {"x": (1, 1)}, {"s": np.zeros(0, np.int64)})
    for axis in [0, 1, -1, 4]:
        case(f"Flatten {axis}", [op("Flatten", "x", axis=axis)], x)
    for a, b in [([0], [0]), ([-1], [-1]), ([0, 2], [1, 4]), ([1, 0], [0, 1])]:
        case(f"Unsqueeze {b}", [op("Unsqueeze", "x,a")], x, {"a": i64(*b)})
        case(f"Unsqueeze-11 {b}", [op("Unsqueeze", "x", axes=b)], x, opset=11)
    y = {"x": (1, 3, 1, 5)}
    case("Squeeze", [op("Squeeze", "x")], y)
    case("Squeeze axis", [op("Squeeze", "x,a")], y, {"a": i64(-2)})
    case("Squeeze-11", [op("Squeeze", "x", axes=[0, 2])], y, opset=11)
    case("Transpose", [op("Transpose", "x")], x)
    case("Transpose perm", [op("Transpose", "x", perm=[0, 2, 3, 1])], x)
    case("Expand", [op("Expand", "x,s")], {"x": (3, 1)}, {"s": i64(2, 1, 6)})
    case("Tile", [op("Tile", "x,s")], x, {"s": i64(1, 2, 3, 1)})
    case("Concat", [op("Concat", "x,z,x", axis=-2)], dict(x, z=(2, 3, 1, 5)))
    case("Split even", [op("Split", "x", "a,b", axis=2)], x, outputs=("a", "b"))
    case("Split", [op("Split", "x,s", "a,b,c", axis=-1)], x, {"s": i64(1, 1, 3)}, outputs=("a", "b", "c"))
    case("Split-11", [op("Split", "x", "a,b", axis=1, split=[1, 2])], x, opset=11, outputs=("a", "b"))
    case("Split num_outputs", [op("Split", "x", "a,b,c", axis=3, num_outputs=3)], x, opset=18, outputs=("a", "b", "c"))
    big = np.iinfo(np.int64).max
    for k, (s, e, a, st) in enumerate([([1], [3], [2], [1]), ([0, 1], [-1, big], [3, 1], [2, 1]), ([-1], [-big - 1], [3], [-1]),
                                       ([-2], [big], [-1], [1]), ([3], [0], [2], [-2]), ([0], [100], [0], [7]), ([0, 1], [2, 3], [2, 3], [1, 1])]):
        case(f"Slice {k}", [op("Slice", "x,s,e,a,t")], x, {"s": i64(*s), "e": i64(*e), "a": i64(*a), "t": i64(*st)})
    case("Slice-9", [op("Slice", "x", starts=[1], ends=[-1], axes=[2])], x, opset=9)
    case("Pad", [op("Pad", "x,p,v")], x, {"p": i64(0, 0, 1, 2, 0, 1, 0, -1), "v": np.float32(0)})
    case("Pad-10", [op("Pad", "x", pads=[0, 0, 1, 2, 0, 1, 0, 3])], x, opset=10)
    case("Pad axes", [op("Pad", "x,p,,a")], x, {"p": i64(1, 2, 0, 1), "a": i64(-1, 1)}, opset=18)
    case("DepthToSpace", [op("DepthToSpace", "x", blocksize=2)], {"x": (1, 8, 3, 4)})
    case("SpaceToDepth", [op("SpaceToDepth", "x", blocksize=2)], {"x": (1, 2, 6, 4)})


def picks():
    x = {"x": (4, 3, 5)}
    for axis in [0, 1, -1]:
        case(f"Gather {axis}", [op("Gather", "x,i", axis=axis)], x, {"i": i64(0, -1, 1, 2).reshape(2, 2)})
    case("Gather one", [op("Gather", "x,i", axis=1)], x, {"i": np.int64(2)})
    case("GatherElements", [op("GatherElements", "x,i", axis=1)], x, {"i": np.zeros((4, 2, 5), np.int64)})
    case("GatherND", [op("GatherND", "x,i")], x, {"i": np.zeros((6, 2), np.int64)})
    case("GatherND batch", [op("GatherND", "x,i", batch_dims=1)], x, {"i": np.zeros((4, 7, 1), np.int64)})
    case("TopK", [op("TopK", "x,k", "y,i", axis=2)], x, {"k": i64(3)}, outputs=("y", "i"))
    case("TopK-9", [op("TopK", "x", "y,i", k=2)], x, opset=9, outputs=("y", "i"))
    case("ArgMax", [op("ArgMax", "x", axis=1)], x)
    case("ArgMin dropped", [op("ArgMin", "x", axis=-1, keepdims=0)], x)
    case("OneHot", [op("OneHot", "i,d,v", axis=1)], {"i": Feed(i64(0, 1, 2))}, {"d": np.int64(5), "v": f32(0, 1)})
    case("ScatterND", [op("ScatterND", "x,i,u")], x, {"i": i64(0, 1).reshape(1, 2), "u": np.ones((1, 5), np.float32)})
    case("RoiAlign", [op("RoiAlign", "x,r,b", output_height=3, output_width=2)], {"x": (1, 2, 8, 8)},
         {"r": f32(0, 0, 4, 4, 1, 1, 5, 5).reshape(2, 4), "b": i64(0, 0)})
    case("GridSample", [op("GridSample", "x,g")], {"x": (1, 2, 8, 8), "g": (1, 3, 4, 2)}, opset=16)


def sums():
    x = {"x": (2, 3, 4)}
    for kind in ["ReduceMean", "ReduceMax", "ReduceL2", "ReduceSumSquare"]:
        case(kind, [op(kind, "x")], x)
        case(kind + " axes", [op(kind, "x", axes=[-1, 0], keepdims=0)], x)
        case(kind + "-18", [op(kind, "x,a", keepdims=1)], x, {"a": i64(1)}, opset=18)
    case("ReduceSum", [op("ReduceSum", "x,a", keepdims=0)], x, {"a": i64(1)})
    case("ReduceSum nothing", [op("ReduceSum", "x", noop_with_empty_axes=1)], x)
    case("ReduceMean of an image", [op("ReduceMean", "x", axes=[2, 3])], {"x": (1, 3, 4, 5)})
    for a, b in [((3, 4), (4, 5)), ((2, 1, 3, 4), (5, 4, 6)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (2, 4, 3)), ((4,), (4,))]:
        case(f"MatMul {a} {b}", [op("MatMul", "x,z")], {"x": a, "z": b})
        case(f"MatMul constant {a} {b}", [op("MatMul", "x,z")], {"x": a}, {"z": rng.random(b, np.float32)})
    for ta, tb in [(0, 0), (1, 0), (0, 1)]:
        for c in [(), (5,), (1, 5), (3, 1), (3, 5)]:
            case(f"Gemm {ta}{tb} {c}", [op("Gemm", "x,w,c", transA=ta, transB=tb)], {"x": (4, 3) if ta else (3, 4)},
                 {"w": rng.random((5, 4) if tb else (4, 5), np.float32), "c": rng.random(c, np.float32)})
    case("Gemm scaled", [op("Gemm", "x,w", alpha=2.0)], {"x": (3, 4)}, {"w": rng.random((4, 5), np.float32)})
    case("Einsum", [op("Einsum", "x,z", equation="bij, bjk -> bik")], {"x": (2, 3, 4), "z": (2, 4, 5)})
    case("Einsum implicit", [op("Einsum", "x,z", equation="ij,jk")], {"x": (3, 4), "z": (4, 5)})
    for kind in ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Less", "Equal"]:
        case(f"{kind} stretched", [op(kind, "x,z")], {"x": (2, 1, 4), "z": (3, 1)})
    case("Sum", [op("Sum", "x,z,x")], {"x": (2, 1, 4), "z": (3, 1)})
    case("Where", [op("Where", "c,x,z")], {"c": Feed(np.ones((3, 1), bool)), "x": (2, 1, 4), "z": (1,)})
    w = lambda *s: rng.random(s, np.float32)
    case("LSTM", [op("LSTM", "x,w,r", "y,h,c", hidden_size=6, direction="bidirectional")], {"x": (5, 2, 3)},
         {"w": w(2, 24, 3), "r": w(2, 24, 6)}, outputs=("y", "h", "c"))
    case("LSTM last", [op("LSTM", "x,w,r", ",h", hidden_size=6)], {"x": (5, 2, 3)},
         {"w": w(1, 24, 3), "r": w(1, 24, 6)}, outputs=("h",))
    case("GRU", [op("GRU", "x,w,r", "y,h", hidden_size=6)], {"x": (5, 2, 3)}, {"w": w(1, 18, 3), "r": w(1, 18, 6)}, outputs=("y", "h"))
    case("LayerNormalization", [op("LayerNormalization", "x,s,b", "y,m,v", axis=-2)], {"x": (2, 3, 4)}, {"s": w(3, 4), "b": w(3, 4)},
         opset=17, outputs=("y", "m", "v"))
    case("BatchNormalization", [op("BatchNormalization", "x,s,b,m,v")], {"x": (1, 3, 4, 4)}, {k: w(3) for k in "sbmv"})
    case("BatchNormalization of rows", [op("BatchNormalization", "x,s,b,m,v")], {"x": (5, 3)}, {k: w(3) for k in "sbmv"})
    case("InstanceNormalization", [op("InstanceNormalization", "x,s,b")], {"x": (1, 3, 4, 4)}, {k: w(3) for k in "sb"})
    for axis in [0, 1, 2, -1]:
        for opset in [11, 13]:
            case(f"Softmax-{opset} {axis}", [op("Softmax", "x", axis=axis)], {"x": (1, 3, 4)}, opset=opset)
    for kind in ["Relu", "Sigmoid", "Tanh", "Erf", "HardSigmoid", "Softplus", "Elu", "Sqrt", "Neg", "Identity", "Dropout", "LogSoftmax"]:
        case(kind, [op(kind, "x")], {"x": (2, 3, 4)})
    case("HardSwish", [op("HardSwish", "x")], {"x": (1, 3, 4, 4)}, opset=14)
    case("Clip", [op("Clip", "x,a,b")], {"x": (2, 3)}, {"a": np.float32(0), "b": np.float32(6)})
    case("PRelu", [op("PRelu", "x,s")], {"x": (1, 3, 4, 5)}, {"s": w(3, 1, 1)})
    case("PRelu of columns", [op("PRelu", "x,s")], {"x": (1, 3, 4, 3)}, {"s": w(3)})
    case("QDQ", [op("QuantizeLinear", "x,s,z", "q"), op("DequantizeLinear", "q,s,z")], {"x": (2, 3)}, {"s": np.float32(0.1), "z": np.uint8(3)})
    case("DynamicQuantizeLinear", [op("DynamicQuantizeLinear", "x", "y,s,z")], {"x": (2, 3)}, outputs=("y", "s", "z"))
    case("MatMulInteger", [op("MatMulInteger", "x,w")], {"x": Feed(np.ones((2, 3), np.uint8))}, {"w": np.ones((3, 4), np.uint8)})
    case("CumSum", [op("CumSum", "x,a")], {"x": (2, 3)}, {"a": np.int64(1)})
    case("Trilu", [op("Trilu", "x")], {"x": (4, 4)}, opset=14)


def folds():
    fold = lambda name, nodes, consts, **k: case("folded " + name, nodes, {}, consts, fixed=True, **k)
    a, b = i64(7, -7, 9, 4), i64(2, 2, -4, 4)
    for kind in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Mod"]:
        fold(kind, [op(kind, "a,b")], {"a": a, "b": b}, opset=14)
    fold("Mod int32", [op("Mod", "a,b")], {"a": a.astype(np.int32), "b": i64(3).astype(np.int32)})
    fold("Pow", [op("Pow", "a,b")], {"a": a, "b": i64(3)})
    fold("Add stretched", [op("Add", "a,b")], {"a": a.reshape(2, 2, 1), "b": b})
    fold("int32 wraps", [op("Mul", "a,b")], {"a": np.int32([1 << 30]), "b": np.int32([6])})
    for kind in ["Neg", "Abs"]:
        fold(kind, [op(kind, "a")], {"a": a})
    for kind in ["Floor", "Ceil", "Sqrt", "Round", "Reciprocal"]:
        fold(kind, [op("Constant", "", "a", value_float=2.5), op(kind, "a")], {})
    for to in [T.INT32, T.INT8, T.UINT8, T.BOOL, T.FLOAT16, T.FLOAT]:
        fold(f"Cast {to}", [op("Cast", "a", to=to)], {"a": i64(300, -1, 0, 7)})
    fold("Cast to int", [op("Constant", "", "a", value_floats=[2.9, -2.9, 0.0]), op("Cast", "a", to=T.INT64)], {})
    grid = np.arange(24, dtype=np.int64).reshape(2, 3, 4)
    fold("Transpose", [op("Transpose", "a", perm=[2, 0, 1])], {"a": grid})
    fold("Slice", [op("Slice", "a,s,e,x,t")], {"a": grid, "s": i64(-1, 0), "e": i64(-9, 3), "x": i64(2, 1), "t": i64(-2, 2)})
    fold("Gather", [op("Gather", "a,i", axis=1)], {"a": grid, "i": i64(2, -3)})
    fold("GatherElements", [op("GatherElements", "a,i", axis=2)], {"a": grid, "i": np.full((2, 3, 1), 3, np.int64)})
    fold("Concat", [op("Concat", "a,b", axis=1)], {"a": grid, "b": grid[:, :1]})
    fold("Split", [op("Split", "a", "p,q", axis=2)], {"a": grid}, outputs=("p", "q"))
    fold("Expand", [op("Expand", "a,s")], {"a": grid[:, :1, :1], "s": i64(2, 2, 3)})
    fold("Tile", [op("Tile", "a,s")], {"a": grid[:, :2, :1], "s": i64(1, 2, 3)})
    fold("Where", [op("Where", "c,a,b")], {"c": np.array([[True], [False]]), "a": a, "b": b})
    fold("Range", [op("Range", "a,b,c")], {"a": np.int64(10), "b": np.int64(-3), "c": np.int64(-4)})
    fold("ConstantOfShape", [op("ConstantOfShape", "s", value=h.make_tensor("v", T.INT64, [1], [5]))], {"s": i64(2, 3)})
    fold("ScatterND", [op("ScatterND", "a,i,u")], {"a": grid, "i": i64(1, 2, 0, -1).reshape(2, 2), "u": np.full((2, 4), 9, np.int64)})
    fold("NonZero", [op("NonZero", "a")], {"a": grid % 2})
    fold("Not", [op("Not", "a")], {"a": np.array([True, False])})
    fold("And", [op("And", "a,b")], {"a": np.array([True, False]), "b": np.array([True])})
    for kind in ["ReduceProd", "ReduceMax", "ReduceMin"]:
        fold(kind, [op(kind, "a")], {"a": a})
    fold("ReduceSum", [op("ReduceSum", "a")], {"a": a})
    # Shapes by what exporters write for views, enlargements and pads.
    case("view", [op("Shape", "x", "s"), op("Gather", "s,zero", "n"), op("Unsqueeze", "n,axes", "m"), op("Concat", "m,rest", "to", axis=0),
                  op("Reshape", "x,to")], {"x": (2, 3, 4)}, {"zero": np.int64(0), "axes": i64(0), "rest": i64(-1)})
    case("enlarged by half", [op("Shape", "x", "s"), op("Slice", "s,two,four,zero", "hw"), op("Cast", "hw", "f", to=T.FLOAT),
                              op("Mul", "f,k", "g"), op("Floor", "g", "l"), op("Cast", "l", "to", to=T.INT64),
                              op("Slice", "s,zero,two,zero", "nc"), op("Concat", "nc,to", "sizes", axis=0), op("Resize", "x,,,sizes", mode="linear")],
         {"x": (1, 3, 5, 7)}, {"zero": i64(0), "two": i64(2), "four": i64(4), "k": np.float32(1.5)})
    case("padded", [op("ConstantOfShape", "n", "z", value=h.make_tensor("v", T.INT64, [1], [0])), op("Concat", "p,z", "c", axis=0),
                    op("Reshape", "c,two", "r"), op("Slice", "r,last,first,zero,back", "t"), op("Transpose", "t", "u", perm=[1, 0]),
                    op("Reshape", "u,flat", "v"), op("Cast", "v", "pads", to=T.INT64), op("Pad", "x,pads")], {"x": (1, 3, 5, 7)},
         {"n": i64(4), "p": i64(1, 2, 0, 1), "two": i64(-1, 2), "last": i64(-1), "first": i64(-(1 << 62)), "zero": i64(0),
          "back": i64(-1), "flat": i64(-1)})
    then = h.make_graph([op("Squeeze", "x,axes", "t")], "then", [], [h.make_empty_tensor_value_info("t")])
    other = h.make_graph([op("Identity", "x", "o")], "else", [], [h.make_empty_tensor_value_info("o")])
    for width in [1, 3]:
        case(f"branch by shape {width}", [op("Shape", "x", "s"), op("Gather", "s,axis", "d"), op("Equal", "d,one", "c"),
             h.make_node("If", ["c"], ["b"], then_branch=then, else_branch=other), op("Relu", "b")],
             {"x": (2, width)}, {"axis": np.int64(1), "one": np.int64(1), "axes": i64(1)}, free=True)


def fusions():
    """What exporters write as several operators and the reader makes one of."""
    x = {"x": (1, 6, 5, 4)}
    w = {"w": rng.random((6, 6, 3, 3), np.float32) - 0.5, "b": rng.random(6, np.float32), "three": np.float32(3), "six": np.float32(6),
         "zero": np.float32(0), "sixth": np.float32(1 / 6), "half": np.float32(0.5), "one": np.float32(1),
         "root": np.float32(2 ** 0.5), "unroot": np.float32(0.5 ** 0.5), "slope": rng.random((6, 1, 1), np.float32),
         "column": rng.random((6, 1, 1), np.float32), "mean": rng.random(6, np.float32), "var": rng.random(6, np.float32) + 0.5}
    conv = op("Conv", "x,w,b", "c", pads=[1, 1, 1, 1])
    acts = {
        "relu": [op("Relu", "c")], "leaky": [op("LeakyRelu", "c", alpha=0.2)], "sigmoid": [op("Sigmoid", "c")],
        "tanh": [op("Tanh", "c")], "relu6": [op("Clip", "c,zero,six")], "relu by clip": [op("Clip", "c,zero")],
        "prelu": [op("PRelu", "c,slope")],
        "silu": [op("Sigmoid", "c", "s"), op("Mul", "c,s")], "silu turned": [op("Sigmoid", "c", "s"), op("Mul", "s,c")],
        "mish": [op("Softplus", "c", "p"), op("Tanh", "p", "t"), op("Mul", "c,t")],
        "hardswish gate": [op("HardSigmoid", "c", "s", alpha=1 / 6, beta=0.5), op("Mul", "c,s")],
        "hardswish div inside": [op("Add", "c,three", "a"), op("Clip", "a,zero,six", "r"), op("Div", "r,six", "d"), op("Mul", "c,d")],
        "hardswish div after": [op("Add", "three,c", "a"), op("Clip", "a,zero,six", "r"), op("Mul", "c,r", "m"), op("Div", "m,six")],
        "hardswish mul after": [op("Add", "c,three", "a"), op("Clip", "a,zero,six", "r"), op("Mul", "r,c", "m"), op("Mul", "m,sixth")],
        "no hardswish": [op("Add", "c,six", "a"), op("Clip", "a,zero,six", "r"), op("Mul", "r,c", "m"), op("Mul", "m,sixth")],
        "gelu div": [op("Div", "c,root", "d"), op("Erf", "d", "e"), op("Add", "e,one", "a"), op("Mul", "c,a", "m"), op("Mul", "m,half")],
        "gelu mul": [op("Mul", "c,unroot", "d"), op("Erf", "d", "e"), op("Add", "one,e", "a"), op("Mul", "a,half", "m"), op("Mul", "c,m")],
        "gelu halved first": [op("Mul", "c,half", "h"), op("Div", "c,root", "d"), op("Erf", "d", "e"), op("Add", "e,one", "a"), op("Mul", "h,a")],
        "norm relu": [op("BatchNormalization", "c,b,mean,mean,var", "n"), op("Relu", "n")],
        "norm twice": [op("BatchNormalization", "c,b,mean,mean,var", "n"), op("BatchNormalization", "n,b,mean,mean,var")],
        "sum relu": [op("Add", "c,x", "a"), op("Relu", "a")],
        "column": [op("Relu", "c", "r"), op("Add", "r,column")],
        "squeeze and excite": [op("GlobalAveragePool", "c", "g"), op("Sigmoid", "g", "s"), op("Mul", "c,s")],
        "read twice": [op("Relu", "c", "r"), op("Add", "c,r")],
    }
    for name, nodes in acts.items():
        case("conv " + name, [conv] + nodes, x, w, opset=14)
    case("conv output", [conv, op("Relu", "c")], x, w, outputs=("c", "y"))
    case("conv and column", [op("Conv", "x,w", "c"), op("Add", "column,c", "a"), op("Relu", "a")], x, w)
    case("conv and row", [op("Conv", "x,w", "c", pads=[1, 1, 2, 1]), op("Add", "c,row")], x, dict(w, row=rng.random(6, np.float32)[:4]))
    up = {"w": rng.random((6, 2, 3, 3), np.float32) - 0.5, "s": rng.random((2, 1, 1), np.float32), **{k: rng.random(2, np.float32) + 0.5 for k in "gbmv"}}
    case("deconv norm prelu", [op("ConvTranspose", "x,w", "c", strides=[2, 2]), op("BatchNormalization", "c,g,b,m,v", "n", epsilon=1e-3),
         op("PRelu", "n,s")], x, up)
    case("separate norm", [op("Relu", "x", "r"), op("BatchNormalization", "r,b,mean,mean,var", "n"), op("PRelu", "n,slope")], x, w)
    m = {"w": rng.random((4, 5), np.float32) - 0.5, "b": rng.random(5, np.float32), "full": rng.random((3, 5), np.float32), "slope": rng.random(5, np.float32)}
    case("dense", [op("MatMul", "x,w", "m"), op("Add", "b,m", "a"), op("Relu", "a")], {"x": (2, 3, 4)}, m)
    case("dense and matrix", [op("MatMul", "x,w", "m"), op("Add", "m,full")], {"x": (2, 3, 4)}, m)
    case("dense twice", [op("MatMul", "x,w", "m"), op("MatMul", "x,w", "n"), op("Add", "m,n")], {"x": (2, 3, 4)}, m)
    case("shared filters", [op("Conv", "x,w", "c", pads=[1, 1, 1, 1]), op("Conv", "c,w")], x, w)


def assets():
    out = {}
    for path in sorted(glob.glob(os.path.join(os.environ["DASHLINE_ASSETS"], "networks", "*.onnx"))):
        m = onnx.load(path)
        names = [o for n in m.graph.node for o in n.output if o]
        del m.graph.output[:]
        m.graph.output.extend(h.make_empty_tensor_value_info(o) for o in names)
        s = session(m)
        got = s.run(names, {i.name: np.zeros(i.shape, np.float32) for i in s.get_inputs()})
        out[os.path.basename(path)] = {n: list(v.shape) for n, v in zip(names, got)}
    return out


for part in [windows, resizes, moves, picks, sums, folds, fusions]:
    part()
save("onnx_operators.json.gz", cases)
save("onnx_assets.json.gz", assets())
print(len(cases), "cases, onnx", onnx.__version__, "onnxruntime", ort.__version__, "numpy", np.__version__)
