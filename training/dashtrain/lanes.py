"""The lane network: lines and drivable area of a 640x360 picture.

A stem of 4x4 patches; a body at strides 8 and 16, there dilated so that a line
is followed through its gaps; one merge with the stem at stride 4; a plain
enlargement of four planes to the picture's size. Nothing in it is slow in
OpenCV 4.6 or ONNX Runtime.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEIGHT = 640, 360
def unit(channels: int, filters: int, size: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = 0 if stride == size else dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(channels, filters, size, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(inplace=True),
    )


def plain(channels: int, filters: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, filters, size, padding=size // 2, bias=False), nn.BatchNorm2d(filters))


class Residual(nn.Module):
    """Two convolutions, the first dilated, added to what came in."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.first = unit(channels, channels, dilation=dilation)
        self.second = plain(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class LaneNet(nn.Module):
    """Input (N, 3, 360, 640) RGB / 255; output da and ll, each (N, 2, 360, 640) logits, background first."""

    def __init__(self, stem: int = 12, body: int = 24, wide: int = 48, deep: int = 8, detail: int = 12):
        super().__init__()
        self.stem = unit(3, stem, 4, 4)
        self.fine = unit(stem, stem)
        self.down8 = unit(stem, body, 3, 2)
        self.body8 = Residual(body, 1)
        self.down16 = unit(body, wide, 3, 2)
        self.body16 = nn.Sequential(*(Residual(wide, d) for d in (1, 2, 4)))
        self.back = plain(wide, body, 1)
        self.narrow = unit(body, deep, 1)
        self.merge = unit(deep + stem, detail)
        self.head = nn.Conv2d(detail, 4, 3, padding=1)

    def logits(self, x: Tensor) -> Tensor:
        """Four planes at a fourth of the picture's size: da background, foreground, ll background, foreground."""
        fine = self.fine(self.stem(x))
        middle = self.body8(self.down8(fine))
        far = self.back(self.body16(self.down16(middle)))
        far = F.interpolate(far, size=(HEIGHT // 8, WIDTH // 8), mode="bilinear", align_corners=False)
        deep = F.interpolate(self.narrow(F.relu(middle + far)), scale_factor=2.0, mode="nearest")
        return self.head(self.merge(torch.cat([deep, fine], 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        full = enlarge(self.logits(x), 4)
        return full[:, :2], full[:, 2:]


def enlarge(planes: Tensor, times: int) -> Tensor:
    """Planes at a fourth of the picture's size, times as large."""
    size = (HEIGHT // 4 * times, WIDTH // 4 * times)
    return F.interpolate(planes.float(), size=size, mode="bilinear", align_corners=False)


def export(net: LaneNet, path: Path) -> None:
    """Write the network as ONNX, opset 11, with inputs and outputs as Dashline reads them."""
    net.eval()
    part = path.with_suffix(".part")
    torch.onnx.export(
        net, torch.zeros(1, 3, HEIGHT, WIDTH), str(part), opset_version=11,
        input_names=["images"], output_names=["da", "ll"], do_constant_folding=True,
    )  # fmt: skip
    part.replace(path)
