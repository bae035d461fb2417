"""The optimizer: orthogonalized momentum for kernels, AdamW for all else.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024:
the momentum of a kernel, as a matrix of filters by inputs, is replaced by the
nearest matrix whose singular values are about 1, so that no direction of the
kernel is left behind. First layers, heads, biases and normalization take AdamW.
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
    """The kernels between hidden layers: of convolutions without bias, groups or colours as inputs."""
    every = [m for top in modules for m in top.modules() if isinstance(m, nn.Conv2d)]
    return [m.weight for m in every if m.bias is None and m.groups == 1 and m.in_channels > 3]


class Optimizer(torch.optim.Optimizer):
    """Groups with kernel=True are orthogonalized (large ones in bfloat16 if bf16), others take AdamW. set_rate moves both."""

    def __init__(self, modules: list[nn.Module], rate: float, decay: float, bf16: bool = False):
        hidden = kernels(modules)
        known = {id(p) for p in hidden}
        rest = [p for m in modules for p in m.parameters() if id(p) not in known and p.requires_grad]
        groups = [
            {"params": hidden, "kernel": True, "share": 1.0, "decay": decay},
            {"params": [p for p in rest if p.ndim > 1], "kernel": False, "share": ADAM_SHARE, "decay": decay},
            {"params": [p for p in rest if p.ndim <= 1], "kernel": False, "share": ADAM_SHARE, "decay": 0.0},
        ]
        super().__init__([g for g in groups if g["params"]], {"lr": rate})
        self.set_rate(rate)
        self.precision = torch.bfloat16 if bf16 else torch.float32

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
                (self._kernel if g["kernel"] else self._adam)(p, g["lr"])

    def _kernel(self, p: Tensor, rate: float) -> None:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        momentum = state["momentum"].lerp_(p.grad, 1 - MOMENTUM)
        ahead = p.grad.lerp(momentum, MOMENTUM).flatten(1)
        # Tall kernels have fewer directions; the scale makes up for it.
        scale = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        precision = self.precision if min(ahead.shape) > SMALL else torch.float32
        p.add_(orthogonal(ahead, precision).view(p.shape), alpha=-rate * scale)

    def _adam(self, p: Tensor, rate: float) -> None:
        state = self.state[p]
        if not state:
            state["step"], state["mean"], state["square"] = 0, torch.zeros_like(p), torch.zeros_like(p)
        state["step"] += 1
        mean = state["mean"].lerp_(p.grad, 1 - BETAS[0])
        square = state["square"].mul_(BETAS[1]).addcmul_(p.grad, p.grad, value=1 - BETAS[1])
        k = state["step"]
        root = (square / (1 - BETAS[1] ** k)).sqrt_().add_(1e-8)
        p.addcdiv_(mean, root, value=-rate / (1 - BETAS[0] ** k))
