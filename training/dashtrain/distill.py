"""A student taught by a larger detector: by what it says, and by what it sees.

The two may differ in heads and anchors. Each of the teacher's anchors is given,
once for all, to the student's anchor that is most like it in shape, among the
heads of the same stride or a coarser one. A place of the student then learns
from the teacher's place of the highest objectness among those that fall to it:
objectness and class as Bernoulli distributions, the box by CIoU. Where both
networks have the same heads each place learns from its like.

What it sees are the features before each head, through a 1x1 adapter that is
trained with the student and then thrown away.

After Hinton et al., "Distilling the Knowledge in a Neural Network", 2015;
Romero et al., "FitNets", 2015; Mehta and Ozturk, "Object detection at 200
Frames Per Second", 2018, for objectness that scales what else is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .boxes import complete_iou, decode, input_size, split
from .darknet import Head, Network
from .detector import Batch
from .loop import Parts
from .loss import detector_loss


@dataclass(frozen=True)
class Gains:
    """Weights of the parts beside the labels' loss."""

    objectness: float = 1.0
    box: float = 2.0
    cls: float = 1.0
    hint: float = 1.0


@dataclass
class Lesson:
    """What the teacher says at the places of one student head, (N, anchors, H, W, ...)."""

    objectness: Tensor  # logits
    cls: Tensor  # logits, (..., classes)
    box: Tensor  # corners in shares of the picture, (..., 4)
    known: Tensor  # (anchors,) false where no teacher anchor falls to this one


def shape_overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    shared = min(a[0], b[0]) * min(a[1], b[1])
    return shared / (a[0] * a[1] + b[0] * b[1] - shared)


def pairing(student: Network, teacher: Network) -> list[list[list[tuple[int, int]]]]:
    """For each student head and anchor the (head, anchor) of the teacher that fall to it."""
    fall = [[[] for _ in h.anchors] for h in student.heads]
    for th, t in enumerate(teacher.heads):
        coarser = [(k, a) for k, h in enumerate(student.heads) if h.stride >= t.stride for a in range(len(h.anchors))]
        for ta, anchor in enumerate(t.anchors):
            if not coarser:
                continue
            # Of equally good ones the finer head, then the first anchor.
            best = max(coarser, key=lambda c: (shape_overlap(anchor, student.heads[c[0]].anchors[c[1]]), -student.heads[c[0]].stride, -c[1]))
            fall[best[0]][best[1]].append((th, ta))
    return fall


def blocks(x: Tensor, ratio: int) -> Tensor:
    """(N, H, W, C) as (N, H / ratio, W / ratio, ratio * ratio, C)."""
    n, h, w, c = x.shape
    return x.view(n, h // ratio, ratio, w // ratio, ratio, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h // ratio, w // ratio, ratio * ratio, c)


def lessons(student: Network, teacher: Network, raw: list[Tensor]) -> list[Lesson]:
    """The teacher's raw outputs, moved to the student's places."""
    width, height = input_size(raw[0], teacher.heads[0])
    said = []
    for r, head in zip(raw, teacher.heads):
        p = split(r, head)
        said.append(torch.cat([decode(p, head), p[..., 4:]], -1))
    out = []
    for head, anchors in zip(student.heads, pairing(student, teacher)):
        rows, known = [], []
        for sources in anchors:
            known.append(bool(sources))
            choice = [blocks(said[th][:, ta], head.stride // teacher.heads[th].stride) for th, ta in sources]
            if not choice:
                n, size = raw[0].shape[0], (height // head.stride, width // head.stride)
                rows.append(raw[0].new_zeros(n, *size, 5 + head.classes))
                continue
            candidates = torch.cat(choice, 3)
            best = candidates[..., 4].argmax(3)[..., None, None].expand(-1, -1, -1, 1, candidates.shape[-1])
            rows.append(candidates.gather(3, best)[..., 0, :])
        every = torch.stack(rows, 1)
        out.append(Lesson(every[..., 4], every[..., 5:], every[..., :4], torch.tensor(known)))
    return out


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence of Bernoulli distributions given as logits; 0 where they are equal."""
    p = teacher.sigmoid()
    cross = F.binary_cross_entropy_with_logits(student, p, reduction="none")
    return cross - F.binary_cross_entropy_with_logits(teacher, p, reduction="none")


def spoken_loss(student: Network, raw: list[Tensor], taught: list[Lesson], gains: Gains) -> dict[str, Tensor]:
    """How far the student's raw outputs are from the lessons, divided by the teacher's objectness in all."""
    parts = {k: raw[0].new_zeros(()) for k in ("taught_objectness", "taught_box", "taught_class")}
    weight = raw[0].new_zeros(())
    width, height = input_size(raw[0], student.heads[0])
    for r, head, t in zip(raw, student.heads, taught):
        p = split(r, head)
        known = t.known[None, :, None, None].float()
        sure = t.objectness.sigmoid() * known
        weight = weight + sure.sum()
        parts["taught_objectness"] = parts["taught_objectness"] + (divergence(p[..., 4], t.objectness) * known).sum()
        # A teacher that is hardly sure has nothing to say about box and class.
        at = sure > 0.05
        if at.any():
            box = decode(p, head)[at]
            parts["taught_box"] = parts["taught_box"] + ((1 - complete_iou(box, t.box[at], width / height)) * sure[at]).sum()
            parts["taught_class"] = parts["taught_class"] + (divergence(p[..., 5:][at], t.cls[at]).sum(-1) * sure[at]).sum()
    scale = {"taught_objectness": gains.objectness, "taught_box": gains.box, "taught_class": gains.cls}
    least = float(raw[0].shape[0])
    return {k: scale[k] * v / weight.clamp(min=least) for k, v in parts.items()}


def taps(net: Network) -> dict[int, int]:
    """For each stride the layer whose output the head's last convolution reads."""
    return {h.stride: h.layer - 2 for h in net.heads}


class Hint(nn.Module):
    """Adapters from the student's features to the teacher's, for the strides that both have."""

    def __init__(self, student: Network, teacher: Network):
        super().__init__()
        mine, theirs = taps(student), taps(teacher)
        self.strides = sorted(set(mine) & set(theirs))
        self.student = tuple(mine[s] for s in self.strides)
        self.teacher = tuple(theirs[s] for s in self.strides)
        self.adapters = nn.ModuleList(nn.Conv2d(student.channels[a], teacher.channels[b], 1) for a, b in zip(self.student, self.teacher))

    def forward(self, seen: list[Tensor], shown: list[Tensor]) -> Tensor:
        """Mean squared difference over the variance of the teacher's features."""
        total = seen[0].new_zeros((), dtype=torch.float32) if seen else torch.zeros(())
        for adapter, a, b in zip(self.adapters, seen, shown):
            b = b.float()
            total = total + F.mse_loss(adapter(a.float()), b) / (b.var() + 1e-6)
        return total / max(len(self.strides), 1)


def distil_loss(student: Network, teacher: Network, hint: Hint, batch: Batch, gains: Gains = Gains(), labels: float = 1.0) -> tuple[Tensor, Parts]:
    """The labels' loss and the lessons'. The teacher stays as it is."""
    x = batch.inputs()
    with torch.no_grad():
        told, shown = teacher.forward_with(x, hint.teacher)
    raw, seen = student.forward_with(x, hint.student)
    with torch.autocast("cpu", enabled=False):
        loss, parts = detector_loss(student, raw, batch.truth)
        loss = labels * loss
        taught = spoken_loss(student, raw, lessons(student, teacher, told), gains)
        taught["hint"] = gains.hint * hint(seen, shown)
    for k, v in taught.items():
        loss = loss + v
        parts[k] = float(v.detach())
    return loss, parts


def narrow(net: Network) -> tuple[int, ...]:
    """The layers that all later ones look through: ends of shortcuts, and what the heads' last convolutions read."""
    ends = {i for i, s in enumerate(net.sections) if s.kind == "shortcut"}
    return tuple(sorted(ends | {h.layer - 2 for h in net.heads}))


class Mimic(nn.Module):
    """How far a pruned network's features are from those of the whole one, at its narrow layers.

    Which channels were kept is not known, and sums of several may stand for
    one: an affine map from each place's features to the teacher's, found by
    least squares, undoes both. It is trained on with the student. Features
    have far more to say about a picture than heads have, so few pictures
    suffice: Wang et al., "Compressing Models with Few Samples: Mimicking then
    Replacing", 2022.
    """

    def __init__(self, student: Network, teacher: Network):
        super().__init__()
        alike = [s.kind for s in student.sections] == [s.kind for s in teacher.sections]
        self.layers = narrow(student) if alike else ()
        pairs = [(student.channels[i], teacher.channels[i]) for i in self.layers]
        self.maps = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairs)
        for k, (_, b) in enumerate(pairs):
            self.register_buffer(f"scale{k}", torch.ones(b))

    @torch.no_grad()
    def fit(self, student: Network, teacher: Network, inputs: list[Tensor], ridge: float = 1e-3) -> None:
        """Set the maps by least squares on some inputs, and the scales to the spread of the teacher's features."""
        sums = [[0, 0, 0, 0] for _ in self.maps]
        for x in inputs:
            _, seen = student.forward_with(x, self.layers)
            _, shown = teacher.forward_with(x, self.layers)
            for total, a, b in zip(sums, seen, shown):
                a, b = (v.double().permute(0, 2, 3, 1).flatten(0, 2) for v in (a, b))
                a = torch.cat([a, torch.ones(len(a), 1, dtype=a.dtype)], 1)
                for j, part in enumerate((a.T @ a, a.T @ b, len(b), (b * b).sum(0))):
                    total[j] = total[j] + part
        for k, (conv, (gram, cross, count, squares)) in enumerate(zip(self.maps, sums)):
            n = len(gram) - 1
            gram[range(n), range(n)] += ridge * gram.diagonal()[:n].mean()
            solved = torch.linalg.solve(gram, cross).float()
            conv.weight.copy_(solved[:n].T.view_as(conv.weight))
            conv.bias.copy_(solved[n])
            mean = cross[n] / count
            self.get_buffer(f"scale{k}").copy_(1 / (squares / count - mean * mean).clamp(min=1e-6).sqrt())

    def forward(self, seen: list[Tensor], shown: list[Tensor]) -> Tensor:
        """The mean squared difference over the teacher's variance, the mean over layers."""
        total = torch.zeros(())
        for k, (conv, a, b) in enumerate(zip(self.maps, seen, shown)):
            scale = self.get_buffer(f"scale{k}").view(1, -1, 1, 1)
            total = total + ((conv(a.float()) - b.float()) * scale).square().mean()
        return total / max(len(self.layers), 1)


def unlabelled_loss(student: Network, teacher: Network, mimic: Mimic, x: Tensor, gains: Gains = Gains()) -> tuple[Tensor, Parts]:
    """What the heads say and what the narrow layers see, on inputs x. The teacher stays as it is."""
    with torch.no_grad():
        told, shown = teacher.forward_with(x, mimic.layers)
    raw, seen = student.forward_with(x, mimic.layers)
    with torch.autocast("cpu", enabled=False):
        parts = spoken_loss(student, raw, lessons(student, teacher, told), gains)
        parts["hint"] = gains.hint * mimic(seen, shown)
    return sum(parts.values()), {k: float(v.detach()) for k, v in parts.items()}
