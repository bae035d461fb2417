#!/usr/bin/python3
"""Single operators of a network, computed by plain loops over NumPy arrays.

Writes operators.json beside itself: one input image, and small networks of one
or a few layers over it, each with the value of its last layer. Layers are given
as the fields of dashline/model's structs and "from", the layers they read; layer
0 is the input. All is float64 here and rounded when written.

Run: /usr/bin/python3 testdata/oracles/operators.py
"""
import json
import math
import pathlib

import numpy as np

RNG = np.random.default_rng(11)
IMAGE = RNG.uniform(-2, 2, (1, 3, 7, 6)).round(3)
DIGITS = 7


def values(*shape, low=-1.0, high=1.0):
    return RNG.uniform(low, high, shape).round(3)


def act(kind, x, alpha=0.1, slope=None):
    if kind == "prelu":
        s = np.array(slope)
        s = s if s.size == 1 else s.reshape([-1] + [1] * (x.ndim - 2))
        return np.where(x < 0, s * x, x)
    sigmoid = 1 / (1 + np.exp(-x))
    return {
        "": lambda: x,
        "leaky": lambda: np.where(x < 0, alpha * x, x),
        "relu": lambda: np.maximum(x, 0),
        "relu6": lambda: np.clip(x, 0, 6),
        "sigmoid": lambda: sigmoid,
        "tanh": lambda: np.tanh(x),
        "mish": lambda: x * np.tanh(np.log1p(np.exp(x))),
        "silu": lambda: x * sigmoid,
        "hardswish": lambda: x * np.clip(x / 6 + 0.5, 0, 1),
        "gelu": lambda: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    }[kind]()


def padded(x, pad, fill):
    return np.pad(x, [(0, 0), (0, 0), (pad["Top"], pad["Bottom"]), (pad["Left"], pad["Right"])], constant_values=fill)


def windows(x, size, stride, dilation=(1, 1)):
    """Yields row, column and window of each place of a window."""
    reach = [d * (s - 1) + 1 for s, d in zip(size, dilation)]
    for r in range((x.shape[2] - reach[0]) // stride[0] + 1):
        for c in range((x.shape[3] - reach[1]) // stride[1] + 1):
            top, left = r * stride[0], c * stride[1]
            yield r, c, x[:, :, top:top + reach[0]:dilation[0], left:left + reach[1]:dilation[1]]


def slid(x, size, stride, reduce):
    out = {(r, c): reduce(w) for r, c, w in windows(x, size, stride)}
    rows, cols = max(r for r, _ in out) + 1, max(c for _, c in out) + 1
    return np.stack([np.stack([out[r, c] for c in range(cols)], -1) for r in range(rows)], -2)


def normalized(x, n):
    each = lambda k: np.array(n[k])[None, :, None, None]
    return each("Scale") * (x - each("Mean")) / np.sqrt(each("Variance") + n["Epsilon"]) + each("Shift")


def finish(o, x):
    if o.get("Bias") is not None:
        x = x + np.array(o["Bias"])[None, :, None, None]
    if o.get("Norm"):
        x = normalized(x, o["Norm"])
    return activated(o, x)


def activated(o, x):
    a = o.get("Act", {})
    return act(a.get("Kind", ""), x, a.get("Alpha", 0), a.get("Slope"))


def conv(o, x):
    per = x.shape[1] // o["Groups"]
    weight = np.array(o["Weight"]).reshape(o["Filters"], per, *o["Kernel"])
    planes = []
    for f in range(o["Filters"]):
        g = f // (o["Filters"] // o["Groups"])
        part = padded(x, o["Pad"], 0)[:, g * per:(g + 1) * per]
        out = {(r, c): (w * weight[f]).sum() for r, c, w in windows(part, o["Kernel"], o["Stride"], o["Dilation"])}
        planes.append([[out[r, c] for c in range(max(c for _, c in out) + 1)] for r in range(max(r for r, _ in out) + 1)])
    return finish(o, np.array(planes)[None])


def deconv(o, x):
    (kh, kw), (sh, sw), p = o["Kernel"], o["Stride"], o["Pad"]
    each = o["Filters"] // o["Groups"]
    per = x.shape[1] // o["Groups"]
    weight = np.array(o["Weight"]).reshape(x.shape[1], each, kh, kw)
    full = np.zeros((1, o["Filters"], (x.shape[2] - 1) * sh + kh + o["Extra"][0], (x.shape[3] - 1) * sw + kw + o["Extra"][1]))
    for c in range(x.shape[1]):
        first = c // per * each
        for y in range(x.shape[2]):
            for i in range(x.shape[3]):
                full[0, first:first + each, y * sh:y * sh + kh, i * sw:i * sw + kw] += x[0, c, y, i] * weight[c]
    return finish(o, full[:, :, p["Top"]:full.shape[2] - p["Bottom"], p["Left"]:full.shape[3] - p["Right"]])


def avgpool(o, x):
    if o["Size"] == [0, 0]:
        return x.mean((2, 3), keepdims=True)
    total = slid(padded(x, o["Pad"], 0), o["Size"], o["Stride"], lambda w: w.sum((2, 3)))
    count = slid(padded(np.ones_like(x), o["Pad"], 1 if o["CountPad"] else 0), o["Size"], o["Stride"], lambda w: w.sum((2, 3)))
    return total / count


def yolo(o, x):
    height, width = x.shape[2:]
    sigmoid = lambda v: 1 / (1 + math.exp(-v))
    rows = []
    for r in range(height):
        for c in range(width):
            for a, m in enumerate(o["Mask"]):
                t = x[0, a * (5 + o["Classes"]):(a + 1) * (5 + o["Classes"]), r, c]
                obj = sigmoid(t[4])
                rows.append([
                    (c + (sigmoid(t[0]) - 0.5) * o["ScaleXY"] + 0.5) / width,
                    (r + (sigmoid(t[1]) - 0.5) * o["ScaleXY"] + 0.5) / height,
                    math.exp(t[2]) * o["Anchors"][2 * m] / o["Input"][1],
                    math.exp(t[3]) * o["Anchors"][2 * m + 1] / o["Input"][0],
                    obj] + [obj * sigmoid(v) for v in t[5:]])
    return np.array(rows)


def dense(o, x):
    y = x @ np.array(o["Weight"]).reshape(o["Out"], o["In"]).T
    return activated(o, y if o.get("Bias") is None else y + np.array(o["Bias"]))


def softmax(o, x):
    e = np.exp(x)
    return e / e.sum(o["Axis"], keepdims=True)


OPS = {
    "Const": lambda o: np.array(o["Value"]["Floats"]).reshape(o["Value"]["Shape"]),
    "Conv": conv, "Deconv": deconv, "AvgPool": avgpool, "Yolo": yolo, "Dense": dense, "Softmax": softmax,
    "Normalize": lambda o, x: activated(o, normalized(x, o["Norm"])),
    "Activate": activated,
    "MaxPool": lambda o, x: slid(padded(x, o["Pad"], -np.inf), o["Size"], o["Stride"], lambda w: w.max((2, 3))),
    "Upsample": lambda o, x: x.repeat(o["Scale"], 2).repeat(o["Scale"], 3),
    "Add": lambda o, *x: activated(o, sum(x[1:], x[0])),
    "Mul": lambda o, x, y: x * y,
    "MatMul": lambda o, x, y: x @ y,
    "Concat": lambda o, *x: np.concatenate(x, o["Axis"]),
    "Slice": lambda o, x: x.take(range(o["Start"], o["Start"] + o["Count"]), o["Axis"]),
    "Identity": lambda o, x: x,
}

PAD = dict(Top=0, Left=0, Bottom=0, Right=0)
ONE = dict(Top=1, Left=1, Bottom=1, Right=1)
END = dict(Top=0, Left=0, Bottom=1, Right=1)


def norm(channels):
    return dict(Scale=values(channels), Shift=values(channels), Mean=values(channels),
                Variance=values(channels, low=0.01, high=2), Epsilon=1e-5)


def convolution(filters, groups=1, kernel=(3, 3), stride=(1, 1), dilation=(1, 1), pad=ONE, **more):
    return "Conv", dict(Filters=filters, Groups=groups, Kernel=list(kernel), Stride=list(stride), Dilation=list(dilation), Pad=pad,
                        Weight=values(filters * 3 // groups * kernel[0] * kernel[1]), **more)


def deconvolution(filters, groups, kernel, stride, pad, extra, **more):
    return "Deconv", dict(Filters=filters, Groups=groups, Kernel=kernel, Stride=stride, Pad=pad, Extra=extra,
                          Weight=values(3 * filters // groups * kernel[0] * kernel[1]), **more)


def const(*shape):
    return "Const", dict(Value=dict(Shape=list(shape), Type="float32", Floats=values(int(np.prod(shape)))))


def cases():
    """Yields a name and layers; a layer is kind, fields, and what it reads where that is not the layer before."""
    kinds = ["leaky", "relu", "relu6", "sigmoid", "tanh", "mish", "silu", "hardswish", "gelu"]
    for k in kinds:
        yield "act " + k, [("Activate", dict(Act=dict(Kind=k, Alpha=0.1)))]
    yield "act prelu", [("Activate", dict(Act=dict(Kind="prelu", Slope=[0.1, 0.2, -0.3])))]
    yield "act prelu shared", [("Activate", dict(Act=dict(Kind="prelu", Slope=[0.25])))]
    yield "act linear", [("Activate", dict(Act=dict(Kind="")))]
    yield "conv", [convolution(2, Bias=values(2))]
    yield "conv without bias", [convolution(2, stride=(2, 1))]
    yield "conv norm leaky", [convolution(4, Norm=norm(4), Act=dict(Kind="leaky", Alpha=0.1))]
    yield "conv bias norm", [convolution(2, Bias=values(2), Norm=norm(2))]
    yield "conv groups", [convolution(6, groups=3, Norm=norm(6), Act=dict(Kind="silu"))]
    yield "conv dilated", [convolution(2, dilation=(2, 1), pad=dict(Top=2, Left=0, Bottom=1, Right=1), Act=dict(Kind="mish"))]
    yield "conv 1x3", [convolution(2, kernel=(1, 3), pad=dict(Top=0, Left=1, Bottom=0, Right=1), Act=dict(Kind="hardswish"))]
    yield "deconv", [deconvolution(2, 1, [2, 2], [2, 2], PAD, [0, 0], Bias=values(2), Act=dict(Kind="relu"))]
    yield "deconv norm", [deconvolution(3, 3, [3, 3], [2, 2], ONE, [1, 1], Norm=norm(3))]
    yield "deconv groups", [deconvolution(6, 3, [3, 2], [2, 1], END, [1, 0], Norm=norm(6), Bias=values(6))]
    yield "normalize", [("Normalize", dict(Norm=norm(3), Act=dict(Kind="relu")))]
    yield "maxpool", [("MaxPool", dict(Size=[2, 2], Stride=[2, 2], Pad=PAD))]
    yield "maxpool padded at the end", [("MaxPool", dict(Size=[2, 2], Stride=[1, 1], Pad=END))]
    yield "maxpool spp", [("MaxPool", dict(Size=[5, 5], Stride=[1, 1], Pad=dict(Top=2, Left=2, Bottom=2, Right=2)))]
    yield "avgpool", [("AvgPool", dict(Size=[3, 2], Stride=[2, 2], Pad=ONE, CountPad=False))]
    yield "avgpool counting", [("AvgPool", dict(Size=[3, 2], Stride=[2, 2], Pad=ONE, CountPad=True))]
    yield "avgpool global", [("AvgPool", dict(Size=[0, 0], Stride=[0, 0], Pad=PAD, CountPad=False))]
    yield "upsample", [("Upsample", dict(Scale=2))]
    yield "upsample 3", [("Upsample", dict(Scale=3))]
    yield "add", [("Activate", dict(Act=dict(Kind="tanh"))), ("Add", dict(Act=dict(Kind="relu")), 0, 1)]
    yield "add three", [("Activate", dict(Act=dict(Kind="tanh"))), ("Activate", dict(Act=dict(Kind="relu")), 0), ("Add", dict(Act=dict(Kind="")), 0, 1, 2)]
    yield "add broadcast", [const(1, 3, 1, 1), ("Add", dict(Act=dict(Kind="")), 0, 1)]
    yield "mul", [("Activate", dict(Act=dict(Kind="sigmoid"))), ("Mul", {}, 0, 1)]
    yield "mul gate", [("AvgPool", dict(Size=[0, 0], Stride=[0, 0], Pad=PAD, CountPad=False)), ("Mul", {}, 0, 1)]
    yield "concat", [("Activate", dict(Act=dict(Kind="tanh"))), ("Concat", dict(Axis=1), 0, 1, 0)]
    yield "concat rows", [("Activate", dict(Act=dict(Kind="tanh"))), ("Concat", dict(Axis=2), 0, 1)]
    yield "slice", [("Slice", dict(Axis=1, Start=1, Count=2))]
    yield "slice columns", [("Slice", dict(Axis=3, Start=2, Count=3))]
    yield "dense", [("Dense", dict(In=6, Out=4, Weight=values(24), Bias=values(4), Act=dict(Kind="relu")))]
    yield "dense without bias", [("Dense", dict(In=6, Out=4, Weight=values(24), Act=dict(Kind="")))]
    yield "dense of a matrix", [const(2, 6), ("Dense", dict(In=6, Out=4, Weight=values(24), Bias=values(4), Act=dict(Kind="")))]
    yield "matmul", [const(6, 5), ("MatMul", {}, 0, 1)]
    yield "matmul batch", [const(1, 3, 6, 2), ("MatMul", {}, 0, 1)]
    yield "softmax", [("Softmax", dict(Axis=3))]
    yield "softmax channels", [("Softmax", dict(Axis=1))]
    yield "identity", [("Identity", {})]
    head = dict(Mask=[0, 2], Anchors=[10, 14, 23, 27, 37, 58], Classes=3, ScaleXY=1, Input=[56, 48])
    yield "yolo", [convolution(16, kernel=(1, 1), pad=PAD, Bias=values(16)), ("Yolo", head)]
    yield "yolo scaled", [convolution(16, kernel=(1, 1), pad=PAD, Bias=values(16)), ("Yolo", dict(head, ScaleXY=1.2, Input=[112, 96]))]


def plain(v):
    """v with arrays as lists."""
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    return v.tolist() if isinstance(v, np.ndarray) else v


def main():
    lines = []
    for name, layers in cases():
        made, record = [IMAGE], []
        for kind, fields, *reads in layers:
            reads = reads if reads or kind == "Const" else [len(made) - 1]
            made.append(OPS[kind](fields, *[made[i] for i in reads]))
            record.append({"kind": kind, "op": plain(fields), "from": reads})
        want = made[-1]
        lines.append(json.dumps({"name": name, "layers": record, "shape": list(want.shape), "want": want.ravel().round(DIGITS).tolist()}))
    out = '{"shape": %s, "image": %s, "cases": [\n%s\n]}\n' % (json.dumps(IMAGE.shape), json.dumps(IMAGE.ravel().tolist()), ",\n".join(lines))
    pathlib.Path(__file__).with_name("operators.json").write_text(out)


if __name__ == "__main__":
    main()
