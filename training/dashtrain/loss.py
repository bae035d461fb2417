"""The detector's loss: YOLOv3's with a CIoU box term.

Each truth box belongs to the cell that holds its middle, and there to the
anchor of the best overlap in shape over all heads, and to every other one that
overlaps more than ASSIGN. Elsewhere objectness shall be 0, except where a
prediction overlaps some truth more than FORGIVE, and in ignored boxes: a coarse
cell that a far box barely touches must still learn that nothing large is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .boxes import complete_iou, corners, decode, input_size, overlap, split
from .darknet import Head, Network

ASSIGN = 0.4
FORGIVE = 0.6
QUIET = -4.0  # logit of objectness below which no place is forgiven: its pull, at most .018, is not worth looking for its overlaps
INSIDE = 0.5  # share of a prediction inside an ignored box from which it is no error
BOX_GAIN, CLASS_GAIN = 4.0, 1.0
IOU_SHARE = 0.5  # of the objectness target that is the box's IoU; the rest is 1


@dataclass
class Truth:
    """What is in a batch. boxes and ignored: one (n, 5) array a picture, as data has them."""

    boxes: list[np.ndarray]
    ignored: list[np.ndarray]


@dataclass
class Assigned:
    """The truth of one head: where (picture, anchor, row, column) and what (corners, class)."""

    at: tuple[Tensor, Tensor, Tensor, Tensor]
    box: Tensor
    cls: Tensor


def assign(net: Network, truth: Truth, size: tuple[int, int]) -> list[Assigned]:
    """The cells and anchors that each truth box belongs to, for each head; size is the input's."""
    anchors = np.array([a for h in net.heads for a in h.anchors])
    owner = np.array([k for k, h in enumerate(net.heads) for _ in h.anchors])
    place = np.array([j for h in net.heads for j in range(len(h.anchors))])
    rows = [np.concatenate([np.full((len(b), 1), i), b], 1) for i, b in enumerate(truth.boxes)]
    rows = np.concatenate(rows) if rows else np.zeros((0, 6))
    sizes = rows[:, 4:6] * size
    shared = np.minimum(sizes[:, None], anchors).prod(2)
    iou = shared / (sizes.prod(1)[:, None] + anchors.prod(1) - shared + 1e-9)
    chosen = iou > ASSIGN
    if len(rows):
        chosen[np.arange(len(rows)), iou.argmax(1)] = True
    which, anchor = np.nonzero(chosen)
    out = []
    for k, head in enumerate(net.heads):
        w, h = size[0] // head.stride, size[1] // head.stride
        mine = owner[anchor] == k
        r, a = rows[which[mine]], place[anchor[mine]]
        fit = iou[which[mine], anchor[mine]]
        x = (r[:, 2] * w).astype(int).clip(0, w - 1)
        y = (r[:, 3] * h).astype(int).clip(0, h - 1)
        # Where two boxes want one place the better fit has it.
        key = ((r[:, 0].astype(int) * len(head.anchors) + a) * h + y) * w + x
        order = np.argsort(-fit, kind="stable")
        _, first = np.unique(key[order], return_index=True)
        keep = order[first]
        at = tuple(torch.from_numpy(v[keep].astype(np.int64)) for v in (r[:, 0], a, y, x))
        out.append(Assigned(at, torch.from_numpy(corners(r[keep][:, 1:]).astype(np.float32)), torch.from_numpy(r[keep, 1].astype(np.int64))))
    return out


def padded(boxes: list[np.ndarray]) -> Tensor:
    """Corners of all pictures' boxes as (N, most, 4); what is missing is an empty box far outside."""
    most = max([len(b) for b in boxes] + [1])
    out = np.full((len(boxes), most, 4), -9, np.float32)
    for i, b in enumerate(boxes):
        out[i, : len(b)] = corners(b)
    return torch.from_numpy(out)


def forgiven(boxes: Tensor, loud: Tensor, truth: Tensor, ignored: Tensor) -> Tensor:
    """Which places cause no objectness loss. boxes: (N, A, H, W, 4) decoded; loud, result: (N, A, H, W).

    Those, if loud, whose prediction overlaps some truth well or lies in an
    ignored box, and those whose cell has its middle in one.
    """
    _, _, h, w, _ = boxes.shape
    free = torch.zeros_like(loud)
    picture = loud.nonzero()[:, 0]
    some = boxes[loud][:, None]
    lo = torch.maximum(some[..., :2], ignored[picture, :, :2])
    hi = torch.minimum(some[..., 2:], ignored[picture, :, 2:])
    area = (some[..., 2:] - some[..., :2]).prod(-1)
    inside = ((hi - lo).clamp(min=0).prod(-1) > INSIDE * area).any(1)
    free[loud] = inside | (overlap(some, truth[picture]) > FORGIVE).any(1)
    gx, gy = (torch.arange(w) + 0.5) / w, (torch.arange(h) + 0.5) / h
    in_x = (gx > ignored[:, :, None, 0]) & (gx < ignored[:, :, None, 2])
    in_y = (gy > ignored[:, :, None, 1]) & (gy < ignored[:, :, None, 3])
    cell = (in_y[..., :, None] & in_x[..., None, :]).any(1)
    return free | cell[:, None]


def detector_loss(net: Network, raw: list[Tensor], truth: Truth) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch and its parts, all divided by the number of places that hold a truth box."""
    wanted, ignored = padded(truth.boxes), padded(truth.ignored)
    total = {"box": raw[0].new_zeros(()), "objectness": raw[0].new_zeros(()), "class": raw[0].new_zeros(())}
    count = 0
    size = input_size(raw[0], net.heads[0])
    unasked = assign(net, Truth(truth.ignored, []), size)
    for r, head, t, u in zip(raw, net.heads, assign(net, truth, size), unasked):
        p = split(r, head)
        with torch.no_grad():
            free = forgiven(decode(p, head), p[..., 4] > QUIET, wanted, ignored)
        goal = torch.zeros_like(p[..., 4])
        weight = (~free).to(p.dtype)
        weight[u.at] = 0  # the places that would hold the ignored boxes
        if len(t.cls):
            mine = p[t.at]  # (k, 5 + classes)
            found = decode_at(mine, t, head, size)
            total["box"] = total["box"] + (1 - complete_iou(found, t.box, size[0] / size[1])).sum()
            one_hot = F.one_hot(t.cls, head.classes).to(p.dtype)
            total["class"] = total["class"] + F.binary_cross_entropy_with_logits(mine[:, 5:], one_hot, reduction="sum")
            good = overlap(found.detach(), t.box)
            goal[t.at] = 1 - IOU_SHARE + IOU_SHARE * good
            weight[t.at] = 1
            count += len(t.cls)
        total["objectness"] = total["objectness"] + F.binary_cross_entropy_with_logits(p[..., 4], goal, weight, reduction="sum")
    gains = {"box": BOX_GAIN, "objectness": 1.0, "class": CLASS_GAIN}
    parts = {k: gains[k] * v / max(count, len(truth.boxes)) for k, v in total.items()}
    return sum(parts.values()), {k: float(v) for k, v in parts.items()}


def decode_at(p: Tensor, t: Assigned, head: Head, size: tuple[int, int]) -> Tensor:
    """Corners of the predictions p (k, 5 + classes) at the places of t, for an input of that size."""
    _, a, y, x = t.at
    w, h = size[0] // head.stride, size[1] // head.stride
    anchor = torch.tensor(head.anchors)[a] / torch.tensor(size)
    s = head.scale_xy
    centre = (p[:, :2].sigmoid() * s - (s - 1) / 2 + torch.stack([x, y], 1)) / torch.tensor([w, h])
    half = p[:, 2:4].clamp(max=6).exp() * anchor / 2
    return torch.cat([centre - half, centre + half], 1)


def quiet_heads(net: Network, prior: float = 0.005) -> None:
    """Start the heads with small weights and a low objectness, so that the empty places do not rule the first steps."""
    for head in net.heads:
        conv = net.layers[head.layer - 1].conv
        with torch.no_grad():
            conv.weight.normal_(0, 0.01)
            bias = conv.bias.view(len(head.anchors), -1)
            bias.zero_()
            bias[:, 4] = float(np.log(prior / (1 - prior)))
            bias[:, 5:] = float(np.log(1 / max(head.classes - 1, 1)))
