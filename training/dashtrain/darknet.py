"""Darknet networks: a cfg file to a torch module, and its weights to and from a file.

The module does what darknet and OpenCV's importer do with the same cfg, so that
what is trained here is what runs there. Sections understood: net, convolutional
(also grouped), shortcut, route (also grouped), upsample, maxpool, yolo.

File of weights, little endian: int32 major, minor, revision, int64 seen (int32
before version 0.2), then for each convolution in order: float32 biases, where
it has batch normalization scales, means and variances, then the kernel
(filters, channels / groups, size, size).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BN_EPSILON = 1e-6  # as OpenCV's importer has it
MAX_LAYERS = 1024
MAX_FILTERS = 65536


@dataclass
class Section:
    """One bracketed part of a cfg: its name, its options, and the line it starts on."""

    kind: str
    line: int
    options: dict[str, str] = field(default_factory=dict)

    def text(self, key: str, default: str) -> str:
        return self.options.get(key, default)

    def int(self, key: str, default: int) -> int:
        return self._number(key, default, int)

    def float(self, key: str, default: float) -> float:
        return self._number(key, default, float)

    def ints(self, key: str) -> list[int]:
        return self._list(key, int)

    def floats(self, key: str) -> list[float]:
        return self._list(key, float)

    def _number(self, key, default, kind):
        value = self.options.get(key)
        if value is None:
            return default
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"cfg line {self.line}: [{self.kind}] {key}={value!r} is no number: write one") from None

    def _list(self, key, kind):
        value = self.options.get(key, "")
        try:
            return [kind(v) for v in value.replace(" ", "").split(",") if v]
        except ValueError:
            raise ValueError(f"cfg line {self.line}: [{self.kind}] {key}={value!r} is no list of numbers: write them with commas") from None


def parse(text: str) -> list[Section]:
    """The sections of a cfg, [net] first."""
    sections: list[Section] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#")[0].strip()
        if not line or line.startswith(";"):
            continue
        if line.startswith("["):
            if not line.endswith("]"):
                raise ValueError(f"cfg line {number}: {line!r} opens a bracket and does not close it: add ]")
            kind = line[1:-1].strip()
            sections.append(Section("net" if kind == "network" else kind, number))
            continue
        key, equals, value = line.partition("=")
        if not equals or not sections:
            raise ValueError(f"cfg line {number}: {line!r} is neither a [section] nor an option in one: write key=value below a section")
        sections[-1].options[key.strip()] = value.strip()
    if not sections or sections[0].kind != "net":
        raise ValueError("cfg: no [net] section at its start: is this a darknet cfg?")
    if len(sections) - 1 > MAX_LAYERS:
        raise ValueError(f"cfg: {len(sections) - 1} layers, at most {MAX_LAYERS} are read")
    return sections


@dataclass(frozen=True)
class Head:
    """A [yolo] layer: its anchors in pixels of the network's input, and its stride."""

    layer: int
    anchors: tuple[tuple[float, float], ...]
    classes: int
    stride: int
    scale_xy: float = 1.0


def activation(kind: str, line: int) -> nn.Module:
    table = {
        "linear": nn.Identity,
        "leaky": lambda: nn.LeakyReLU(0.1, inplace=True),
        "relu": lambda: nn.ReLU(inplace=True),
        "mish": nn.Mish,
        "swish": nn.SiLU,
        "logistic": nn.Sigmoid,
    }
    if kind not in table:
        raise ValueError(f"cfg line {line}: activation {kind!r} is not one of {', '.join(table)}")
    return table[kind]()


class Conv(nn.Module):
    """Convolution, batch normalization where the cfg asks for it, activation."""

    def __init__(self, channels: int, section: Section):
        super().__init__()
        filters, size = section.int("filters", 1), section.int("size", 1)
        stride, groups = section.int("stride", 1), section.int("groups", 1)
        if not 0 < filters <= MAX_FILTERS or not 0 < size <= 31 or stride < 1:
            raise ValueError(f"cfg line {section.line}: a convolution of {filters} filters {size}x{size}/{stride} cannot be: mend the sizes")
        if groups < 1 or channels % groups or filters % groups:
            raise ValueError(f"cfg line {section.line}: {channels} channels to {filters} filters do not divide into {groups} groups")
        padding = size // 2 if section.int("pad", 0) else section.int("padding", 0)
        normalized = bool(section.int("batch_normalize", 0))
        self.conv = nn.Conv2d(channels, filters, size, stride, padding, groups=groups, bias=not normalized)
        self.bn = nn.BatchNorm2d(filters, eps=BN_EPSILON) if normalized else None
        self.act = activation(section.text("activation", "logistic"), section.line)
        self.statistics: tuple[Tensor, Tensor] | None = None  # mean and variance, while folded

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return self.act(x)

    @torch.no_grad()
    def fold(self) -> None:
        """Put the normalization, with its statistics as they are, into kernel and bias."""
        if self.bn is None:
            return
        bn, self.bn = self.bn, None
        self.statistics = bn.running_mean, bn.running_var
        scale = bn.weight / (bn.running_var + bn.eps).sqrt()
        self.conv.weight.mul_(scale.view(-1, 1, 1, 1))
        self.conv.bias = nn.Parameter(bn.bias - bn.running_mean * scale)

    @torch.no_grad()
    def unfold(self) -> None:
        """Take the normalization out again: the statistics are those from before, scale and shift such that nothing changes."""
        if self.statistics is None:
            return
        mean, variance = self.statistics
        self.bn = nn.BatchNorm2d(len(mean), eps=BN_EPSILON).train(self.training)
        self.bn.running_mean.copy_(mean), self.bn.running_var.copy_(variance)
        self.bn.weight.copy_((variance + BN_EPSILON).sqrt())
        self.bn.bias.copy_(self.conv.bias + mean)
        self.conv.bias, self.statistics = None, None


class MaxPool(nn.Module):
    """Maximum with darknet's padding: size-1 in all, the smaller half before."""

    def __init__(self, section: Section):
        super().__init__()
        self.stride = section.int("stride", 1)
        self.size = section.int("size", self.stride)
        padding = section.int("padding", self.size - 1)
        self.before, self.after = padding // 2, padding - padding // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.size == 2 and self.stride == 2 and x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0:
            return F.max_pool2d(x, 2)  # the padding would never be looked at
        x = F.pad(x, (self.before, self.after) * 2, value=-torch.inf)
        return F.max_pool2d(x, self.size, self.stride)


class Network(nn.Module):
    """A network as its cfg says. forward gives the raw outputs of its heads.

    Input: (N, channels, height, width), RGB / 255, of the cfg's size or of any
    other that all strides divide. Output: for each [yolo] in order (N, anchors *
    (5 + classes), height / stride, width / stride), before any sigmoid, always
    float32.
    """

    def __init__(self, cfg: str):
        super().__init__()
        self.cfg = cfg
        self.sections = parse(cfg)
        net = self.sections.pop(0)
        self.width, self.height = net.int("width", 416), net.int("height", 416)
        self.seen = 0
        self.layers = nn.ModuleList()
        self.heads: list[Head] = []
        channels: list[int] = []  # out of each layer
        strides: list[int] = []
        last, stride = net.int("channels", 3), 1
        for i, s in enumerate(self.sections):
            layer: nn.Module = nn.Identity()
            if s.kind == "convolutional":
                layer = Conv(last, s)
                last, stride = s.int("filters", 1), stride * s.int("stride", 1)
            elif s.kind == "maxpool":
                layer = MaxPool(s)
                stride *= s.int("stride", 1)
            elif s.kind == "upsample":
                up = s.int("stride", 2)
                layer = nn.Upsample(scale_factor=up, mode="nearest")
                stride //= up
            elif s.kind == "shortcut":
                source = self._absolute(i, s.int("from", -1), s)
                if channels[source] != last:
                    raise ValueError(f"cfg line {s.line}: shortcut adds {last} channels to layer {source}'s {channels[source]}: they must be alike")
                layer = activation(s.text("activation", "linear"), s.line)
            elif s.kind == "route":
                sources = [self._absolute(i, j, s) for j in s.ints("layers")]
                if not sources:
                    raise ValueError(f"cfg line {s.line}: route names no layers: write layers=")
                groups = s.int("groups", 1)
                if groups < 1 or not 0 <= s.int("group_id", 0) < groups:
                    raise ValueError(f"cfg line {s.line}: route asks for group {s.int('group_id', 0)} of {groups}")
                last, stride = sum(channels[j] // groups for j in sources), strides[sources[0]]
            elif s.kind == "yolo":
                self.heads.append(self._head(i, s, last, stride))
            else:
                raise ValueError(f"cfg line {s.line}: a [{s.kind}] layer is not known here")
            self.layers.append(layer)
            channels.append(last)
            strides.append(stride)
        self.channels = channels
        self._needed = {self._absolute(i, s.int("from", -1), s) for i, s in enumerate(self.sections) if s.kind == "shortcut"}
        for i, s in enumerate(self.sections):
            if s.kind == "route":
                self._needed.update(self._absolute(i, j, s) for j in s.ints("layers"))

    def _absolute(self, at: int, index: int, section: Section) -> int:
        source = index if index >= 0 else at + index
        if not 0 <= source < at:
            raise ValueError(f"cfg line {section.line}: [{section.kind}] points to layer {source}, layers before it are 0 to {at - 1}")
        return source

    def _head(self, layer: int, s: Section, channels: int, stride: int) -> Head:
        flat = s.floats("anchors")
        pairs = list(zip(flat[::2], flat[1::2]))
        mask = s.ints("mask") or list(range(len(pairs)))
        if any(not 0 <= m < len(pairs) for m in mask):
            raise ValueError(f"cfg line {s.line}: mask {mask} points beyond the {len(pairs)} anchors")
        head = Head(layer, tuple(pairs[m] for m in mask), s.int("classes", 20), stride, s.float("scale_x_y", 1.0))
        want = len(head.anchors) * (5 + head.classes)
        if channels != want:
            raise ValueError(f"cfg line {s.line}: [yolo] of {len(head.anchors)} anchors and {head.classes} classes needs {want} filters before it, not {channels}")
        return head

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.forward_with(x, ())[0]

    def forward_with(self, x: Tensor, taps: tuple[int, ...]) -> tuple[list[Tensor], list[Tensor]]:
        """The heads' outputs, and the outputs of the layers in taps."""
        kept: dict[int, Tensor] = {}
        heads: list[Tensor] = []
        for i, (s, layer) in enumerate(zip(self.sections, self.layers)):
            if s.kind == "shortcut":
                x = layer(x + kept[self._absolute(i, s.int("from", -1), s)])
            elif s.kind == "route":
                x = self._route(i, s, kept)
            elif s.kind == "yolo":
                heads.append(x)
            elif i + 1 < len(self.sections) and self.sections[i + 1].kind == "yolo":
                with torch.autocast("cpu", enabled=False):
                    x = layer(x.float())
            else:
                x = layer(x)
            if i in self._needed or i in taps:
                kept[i] = x
        return heads, [kept[t] for t in taps]

    def _route(self, i: int, s: Section, kept: dict[int, Tensor]) -> Tensor:
        parts = [kept[self._absolute(i, j, s)] for j in s.ints("layers")]
        groups = s.int("groups", 1)
        if groups > 1:
            parts = [p.chunk(groups, 1)[s.int("group_id", 0)] for p in parts]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def convolutions(self) -> list[Conv]:
        return [m for m in self.layers if isinstance(m, Conv)]

    def fold(self) -> Network:
        """The same network with all normalization in its kernels: two to four times faster with bfloat16. It cannot be saved so."""
        for c in self.convolutions():
            c.fold()
        return self

    def unfold(self) -> Network:
        for c in self.convolutions():
            c.unfold()
        return self


def _arrays(conv: Conv) -> list[Tensor]:
    """The parts of a convolution in the file's order."""
    if conv.bn is None:
        return [conv.conv.bias, conv.conv.weight]
    return [conv.bn.bias, conv.bn.weight, conv.bn.running_mean, conv.bn.running_var, conv.conv.weight]


def load_weights(net: Network, path: str | Path) -> None:
    """Read a file of weights into net. It must hold exactly what the cfg asks for."""
    raw = Path(path).read_bytes()
    if len(raw) < 20:
        raise ValueError(f"{path}: {len(raw)} bytes are no weights file: is it cut off?")
    major, minor, _ = struct.unpack_from("<3i", raw)
    wide = major * 10 + minor >= 2
    net.seen = struct.unpack_from("<q" if wide else "<i", raw, 12)[0]
    at = 20 if wide else 16
    for i, layer in enumerate(net.layers):
        if not isinstance(layer, Conv):
            continue
        for target in _arrays(layer):
            size = 4 * target.numel()
            if at + size > len(raw):
                raise ValueError(f"{path}: {at + size - len(raw)} bytes short for layer {i} (convolutional, {layer.conv.out_channels} filters): the file is cut off or of another cfg")
            values = np.frombuffer(raw, "<f4", target.numel(), at)
            with torch.no_grad():
                target.copy_(torch.from_numpy(values.astype(np.float32)).view(target.shape))
            at += size
    if at != len(raw):
        raise ValueError(f"{path}: {len(raw) - at} bytes are left after the last layer: the file is of another cfg")


def dump_weights(net: Network) -> bytes:
    """The bytes of a weights file, version 0.2.5."""
    if any(c.statistics is not None for c in net.convolutions()):
        raise ValueError("the network is folded: unfold it before it is saved")
    parts = [struct.pack("<3iq", 0, 2, 5, net.seen)]
    for conv in net.convolutions():
        parts += [t.detach().float().contiguous().numpy().astype("<f4").tobytes() for t in _arrays(conv)]
    return b"".join(parts)


def save(net: Network, cfg: str | Path, weights: str | Path) -> None:
    """Write cfg and weights."""
    Path(cfg).write_text(net.cfg)
    Path(weights).write_bytes(dump_weights(net))


def load(cfg: str | Path, weights: str | Path | None = None) -> Network:
    """A network from its cfg file, with the weights in a file or as torch initializes them."""
    net = Network(Path(cfg).read_text())
    if weights is not None:
        load_weights(net, weights)
    return net


def parameters(net: nn.Module) -> int:
    """Trained parameters, running statistics not counted."""
    return sum(p.numel() for p in net.parameters())
