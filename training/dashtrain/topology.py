"""Writes darknet cfgs: the topologies of YOLOv3 and YOLOv3-tiny with a width multiplier.

Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018. Only the number
of filters follows the width; layers, strides, routes and heads are theirs.
"""

from __future__ import annotations

Anchors = list[tuple[float, float]]


class _Writer:
    """Collects sections; counts layers so that routes can name them."""

    def __init__(self, width: int, height: int, multiplier: float, note: str):
        self.multiplier = multiplier
        self.count = 0
        self.parts = [f"# {note}\n[net]\nwidth={width}\nheight={height}\nchannels=3\n"]

    def filters(self, full: int) -> int:
        """A width times the multiplier, in steps of 8 (of 4 below 16)."""
        scaled = full * self.multiplier
        step = 8 if scaled >= 16 else 4
        return max(4, int(scaled / step + 0.5) * step)

    def add(self, kind: str, **options) -> int:
        body = "".join(f"{k}={v}\n" for k, v in options.items())
        self.parts.append(f"[{kind}]\n{body}")
        self.count += 1
        return self.count - 1

    def conv(self, full: int, size: int, stride: int = 1) -> int:
        return self.add("convolutional", batch_normalize=1, filters=self.filters(full), size=size, stride=stride, pad=1, activation="leaky")

    def head(self, anchors: Anchors, mask: list[int], classes: int) -> int:
        self.add("convolutional", filters=len(mask) * (5 + classes), size=1, stride=1, pad=1, activation="linear")
        listed = ", ".join(f"{w:g},{h:g}" for w, h in anchors)
        # OpenCV's importer sets scores below thresh to 0, by default below 0.2;
        # what counts as found is the reader's choice.
        return self.add("yolo", thresh=0.005, mask=",".join(map(str, mask)), anchors=listed, classes=classes, num=len(anchors))

    def text(self) -> str:
        return "\n".join(self.parts)


def full(width: int, height: int, multiplier: float, anchors: Anchors, classes: int) -> str:
    """YOLOv3: Darknet-53, three heads at strides 32, 16 and 8. Nine anchors, small to large."""
    _check(width, height, anchors, 9)
    w = _Writer(width, height, multiplier, f"YOLOv3, width {multiplier:g}")
    w.conv(32, 3)
    ends = []
    for filters, residuals in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        last = w.conv(filters, 3, 2)
        for _ in range(residuals):
            w.conv(filters // 2, 1)
            w.conv(filters, 3)
            last = w.add("shortcut", **{"from": -3, "activation": "linear"})
        ends.append(last)
    for level, (filters, mask) in enumerate(((512, [6, 7, 8]), (256, [3, 4, 5]), (128, [0, 1, 2]))):
        if level:
            w.add("route", layers=-4)
            w.conv(filters, 1)
            w.add("upsample", stride=2)
            w.add("route", layers=f"-1,{ends[-1 - level]}")
        for _ in range(3):
            w.conv(filters, 1)
            w.conv(filters * 2, 3)
        w.head(anchors, mask, classes)
    return w.text()


def tiny(width: int, height: int, multiplier: float, anchors: Anchors, classes: int) -> str:
    """YOLOv3-tiny: two heads at strides 32 and 16. Six anchors, small to large."""
    _check(width, height, anchors, 6)
    w = _Writer(width, height, multiplier, f"YOLOv3-tiny, width {multiplier:g}")
    for filters in (16, 32, 64, 128, 256):
        branch = w.conv(filters, 3)
        w.add("maxpool", size=2, stride=2)
    w.conv(512, 3)
    w.add("maxpool", size=2, stride=1)
    w.conv(1024, 3)
    w.conv(256, 1)
    w.conv(512, 3)
    w.head(anchors, [3, 4, 5], classes)
    w.add("route", layers=-4)
    w.conv(128, 1)
    w.add("upsample", stride=2)
    w.add("route", layers=f"-1,{branch}")
    w.conv(256, 3)
    w.head(anchors, [0, 1, 2], classes)
    return w.text()


def _check(width: int, height: int, anchors: Anchors, want: int) -> None:
    if width % 32 or height % 32 or width < 32 or height < 32:
        raise ValueError(f"network input {width}x{height}: both must be multiples of 32")
    if len(anchors) != want:
        raise ValueError(f"{len(anchors)} anchors, this topology has {want}")
