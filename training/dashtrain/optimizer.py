"""The optimizer: orthogonalized momentum for kernels, AdamW for all else.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024:
the momentum of a kernel, as a matrix of filters by inputs, is replaced by the
nearest matrix whose singular values are about 1, so that no direction of the
kernel is left behind. First layers, heads, biases and normalization take AdamW.

A trained network that is trained on takes relative updates: the size of a step
is the rate times the root mean square of the filter that it changes, so that no
filter, however small, is overrun (as the relative step sizes of Shazeer and
Stern, "Adafactor", 2018, section 8, and the trust ratio of You et al., "LAMB",
2020, but for each filter). Filters of depthwise convolutions, above all once
normalization is folded into them, differ in size by orders of magnitude.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ADAM_SHARE = 0.12  # of the kernels' rate
BETAS = (0.9, 0.99)
MOMENTUM = 0.95
SMALL = 192  # smaller side up to which a matrix is no faster in bfloat16


def orthogonal(g: Tensor, precision: torch.dtype, steps: int = 5) -> Tensor:
    """A matrix with g's singular vectors and singular values near 1, by Newton-Schulz iteration in a precision."""
    a, b, c = 3.4445, -4.7750, 2.0315  # steepest at 0, see the paper
    x = (g / (g.norm() + 1e-7)).to(precision)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(g.dtype)


def kernels(modules: list[nn.Module]) -> list[nn.Parameter]:
    """The kernels between hidden layers: of convolutions with normalization, folded or not, without groups or colours as inputs."""
    every = [m for top in modules for m in top.modules() if isinstance(m, nn.Conv2d)]
    folded = {id(m.conv) for top in modules for m in top.modules() if getattr(m, "statistics", None) is not None}
    return [m.weight for m in every if (m.bias is None or id(m) in folded) and m.groups == 1 and m.in_channels > 3]


def rms(x: Tensor) -> Tensor:
    """The root mean square of each row of x, of all of a vector's elements, as it broadcasts over x."""
    if x.ndim < 2:
        return x.square().mean().sqrt()
    return x.flatten(1).square().mean(1).sqrt().view(-1, *[1] * (x.ndim - 1))


def units(modules: list[nn.Module]) -> dict[nn.Parameter, nn.Parameter]:
    """What the size of a vector's update is measured by, where it is not the vector itself.

    A shift by the scales of its normalization; a bias by its filters.
    """
    out = {}
    for m in (m for top in modules for m in top.modules()):
        if isinstance(m, nn.BatchNorm2d):
            out[m.bias] = m.weight
        elif isinstance(m, nn.Conv2d) and m.bias is not None:
            out[m.bias] = m.weight
    return out


class Optimizer(torch.optim.Optimizer):
    """Groups with kernel=True are orthogonalized (large ones in bfloat16 if bf16), others take AdamW. set_rate moves both.

    relative: the root mean square of a filter's update is at most rate * share
    times that of the filter.
    """

    def __init__(self, modules: list[nn.Module], rate: float, decay: float, bf16: bool = False, relative: bool = False):
        hidden = kernels(modules)
        known = {id(p) for p in hidden}
        rest = [p for m in modules for p in m.parameters() if id(p) not in known and p.requires_grad]
        share = 1.0 if relative else ADAM_SHARE
        groups = [
            {"params": hidden, "kernel": True, "share": 1.0, "decay": decay},
            {"params": [p for p in rest if p.ndim > 1], "kernel": False, "share": share, "decay": decay},
            {"params": [p for p in rest if p.ndim <= 1], "kernel": False, "share": share, "decay": 0.0},
        ]
        super().__init__([g for g in groups if g["params"]], {"lr": rate})
        self.set_rate(rate)
        self.precision = torch.bfloat16 if bf16 else torch.float32
        self.units = units(modules) if relative else None

    def set_rate(self, rate: float) -> None:
        for g in self.param_groups:
            g["lr"] = rate * g["share"]

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                p.mul_(1 - g["lr"] * g["decay"])
                ahead = self._orthogonal(p) if g["kernel"] else self._adam(p)
                if self.units is not None:
                    ahead = self._sized(p, ahead)
                p.add_(ahead, alpha=-g["lr"])

    def _orthogonal(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        momentum = state["momentum"].lerp_(p.grad, 1 - MOMENTUM)
        ahead = p.grad.lerp(momentum, MOMENTUM).flatten(1)
        # Tall kernels have fewer directions; the scale makes up for it.
        scale = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        precision = self.precision if min(ahead.shape) > SMALL else torch.float32
        return orthogonal(ahead, precision).view(p.shape).mul_(scale)

    def _adam(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state["step"], state["mean"], state["square"] = 0, torch.zeros_like(p), torch.zeros_like(p)
        state["step"] += 1
        mean = state["mean"].lerp_(p.grad, 1 - BETAS[0])
        square = state["square"].mul_(BETAS[1]).addcmul_(p.grad, p.grad, value=1 - BETAS[1])
        k = state["step"]
        root = (square / (1 - BETAS[1] ** k)).sqrt_().add_(1e-8)
        return mean / root / (1 - BETAS[0] ** k)

    def _sized(self, p: Tensor, ahead: Tensor) -> Tensor:
        """The update at most as large as the filter. Orthogonal updates, of one size by nature, are made exactly so."""
        size = rms(ahead)
        if "momentum" in self.state[p]:
            size = size.square().mean().sqrt().clamp(min=1e-12)
        else:
            size = size.clamp(min=1.0)
        unit = self.units.get(p, p)
        unit = rms(unit) if unit.ndim == p.ndim else unit.flatten(1).norm(dim=1)
        # A filter of zeros moves too, by a hundredth of what its like do.
        return ahead / size * torch.maximum(unit, 0.01 * unit.square().mean().sqrt()).clamp(min=1e-8)
