"""What several tests need: the package on the path, small networks."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch  # noqa: E402

from dashtrain import darknet, topology  # noqa: E402
from dashtrain.blocks import CLASSES  # noqa: E402

ANCHORS = [(6.0, 8.0), (10.0, 14.0), (20.0, 16.0), (24.0, 30.0), (40.0, 30.0), (30.0, 60.0), (70.0, 50.0), (90.0, 90.0), (150.0, 110.0)]


def full(width: int = 96, height: int = 64, multiplier: float = 0.0625) -> darknet.Network:
    return lively(darknet.Network(topology.full(width, height, multiplier, ANCHORS, len(CLASSES))))


def tiny(width: int = 96, height: int = 64, multiplier: float = 0.0625) -> darknet.Network:
    return lively(darknet.Network(topology.tiny(width, height, multiplier, ANCHORS[:6], len(CLASSES))))


def lively(net: darknet.Network, seed: int = 3) -> darknet.Network:
    """Give every parameter and statistic a value of its own, so that none can be forgotten unnoticed."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for conv in net.convolutions():
            if conv.bn is None:
                conv.conv.bias.uniform_(-0.5, 0.5, generator=g)
                continue
            conv.bn.weight.uniform_(0.5, 1.5, generator=g)
            conv.bn.bias.uniform_(-0.5, 0.5, generator=g)
            conv.bn.running_mean.uniform_(-0.2, 0.2, generator=g)
            conv.bn.running_var.uniform_(0.5, 1.5, generator=g)
    return net
