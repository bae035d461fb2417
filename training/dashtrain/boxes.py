"""Boxes of heads: decoding as darknet does it, overlaps, suppression."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .darknet import Head, Network


def split(raw: Tensor, head: Head) -> Tensor:
    """A head's raw output as (N, anchors, H, W, 5 + classes)."""
    n, _, h, w = raw.shape
    return raw.view(n, len(head.anchors), 5 + head.classes, h, w).permute(0, 1, 3, 4, 2)


def input_size(raw: Tensor, head: Head) -> tuple[int, int]:
    """Width and height of the input that a head's raw output is of."""
    return raw.shape[3] * head.stride, raw.shape[2] * head.stride


def decode(p: Tensor, head: Head) -> Tensor:
    """Boxes of split outputs p as x0, y0, x1, y1 in shares of the picture, (N, anchors, H, W, 4).

    Redmon and Farhadi, "YOLOv3", 2018, section 2.1. Sizes are bounded at e^6 anchors.
    """
    h, w = p.shape[2:4]
    anchor = torch.tensor(head.anchors, dtype=p.dtype) / torch.tensor([w * head.stride, h * head.stride], dtype=p.dtype)
    grid = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"), -1).to(p.dtype)
    s = head.scale_xy
    centre = (p[..., :2].sigmoid() * s - (s - 1) / 2 + grid) / torch.tensor([w, h], dtype=p.dtype)
    half = p[..., 2:4].clamp(max=6).exp() * anchor[:, None, None] / 2
    return torch.cat([centre - half, centre + half], -1)


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes in corners, broadcast over leading dimensions."""
    lo = torch.maximum(a[..., :2], b[..., :2])
    hi = torch.minimum(a[..., 2:], b[..., 2:])
    shared = (hi - lo).clamp(min=0).prod(-1)
    both = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return shared / (both + 1e-9)


def complete_iou(a: Tensor, b: Tensor, aspect: float) -> Tensor:
    """CIoU of boxes in shares; aspect is the picture's width to height.

    Zheng et al., "Distance-IoU Loss", 2020: IoU less the distance of the
    centres and the difference of the shapes.
    """
    scale = torch.tensor([aspect, 1, aspect, 1], dtype=a.dtype)
    a, b = a * scale, b * scale
    iou = overlap(a, b)
    outer = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(-1) / 4
    wa, ha = (a[..., 2:] - a[..., :2]).clamp(min=1e-6).unbind(-1)
    wb, hb = (b[..., 2:] - b[..., :2]).clamp(min=1e-6).unbind(-1)
    shape = 4 / math.pi**2 * (torch.atan(wb / hb) - torch.atan(wa / ha)) ** 2
    with torch.no_grad():
        weight = shape / (1 - iou + shape + 1e-9)
    return iou - apart / ((outer**2).sum(-1) + 1e-9) - weight * shape


def detections(net: Network, raw: list[Tensor], floor: float = 0.01, nms: float = 0.45, most: int = 100) -> list[np.ndarray]:
    """What a detector reports for each picture: (n, 6) x0, y0, x1, y1 in shares, score, class, best first.

    A box's class is its most probable one, its score objectness times class, as OpenCV's region layer gives them.
    """
    boxes, scores = [], []
    for r, head in zip(raw, net.heads):
        p = split(r, head)
        n = p.shape[0]
        boxes.append(decode(p, head).reshape(n, -1, 4))
        scores.append((p[..., 4:5].sigmoid() * p[..., 5:].sigmoid()).reshape(n, -1, head.classes))
    every = torch.cat(boxes, 1).numpy(), torch.cat(scores, 1).numpy()
    found = []
    for box, score in zip(*every):
        cls = score.argmax(1)
        best = score[np.arange(len(score)), cls]
        top = np.flatnonzero(best > floor)
        top = top[np.argsort(-best[top], kind="stable")[:400]]
        rows = np.concatenate([box[top], best[top, None], cls[top, None]], 1)
        found.append(suppress(rows, nms)[:most])
    return found


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of (n, 4) with (m, 4) corners, (n, m)."""
    lo = np.maximum(a[:, None, :2], b[None, :, :2])
    hi = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    shared = (hi - lo).clip(0).prod(2)
    return shared / ((a[:, 2:4] - a[:, :2]).prod(1)[:, None] + (b[:, 2:4] - b[:, :2]).prod(1) - shared + 1e-9)


def suppress(rows: np.ndarray, limit: float) -> np.ndarray:
    """Greedy suppression within a class of rows as detections gives them, best first."""
    iou = overlaps(rows, rows) * (rows[:, None, 5] == rows[None, :, 5])
    alive = np.ones(len(rows), bool)
    for i in range(len(rows)):
        if alive[i]:
            alive[i + 1 :] &= iou[i, i + 1 :] <= limit
    return rows[alive]


def corners(boxes: np.ndarray) -> np.ndarray:
    """(n, 5) class, cx, cy, w, h to (n, 4) corners."""
    half = boxes[:, 3:5] / 2
    return np.concatenate([boxes[:, 1:3] - half, boxes[:, 1:3] + half], 1)
