"""A fast AP50 for use while training; figures to publish are those of `dashline eval detect`."""

from __future__ import annotations

import numpy as np
import torch

from . import augment
from .boxes import corners, detections, overlaps
from .darknet import Network
from .data import HEIGHT, WIDTH, Data


def batch_of(data: Data, indices: list[int], width: int, height: int) -> torch.Tensor:
    """Pictures, plainly stretched, as (N, 3, height, width) in 0 to 1."""
    m = augment.stretch((WIDTH, HEIGHT), (width, height))
    pictures = np.stack([augment.warp(data.picture(i), m, (width, height)) for i in indices])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def detector(net: Network, data: Data, most: int = 0, batch: int = 16, iou: float = 0.5) -> dict[str, float]:
    """AP50 over classes ("ap50") and of each class, over at most `most` evenly spread pictures."""
    net.eval()
    count = min(most, len(data)) if most else len(data)
    indices = np.linspace(0, len(data) - 1, count).astype(int).tolist()
    matches: list[np.ndarray] = []  # class, score, 1 if right
    wanted = np.zeros(len(data.classes))
    for k in range(0, count, batch):
        part = indices[k : k + batch]
        for i, found in zip(part, detections(net, net(batch_of(data, part, net.width, net.height)))):
            boxes, ignored = data.boxes(i)
            wanted += np.bincount(boxes[:, 0].astype(int), minlength=len(wanted))
            matches.append(match(found, boxes, ignored, iou))
    rows = np.concatenate(matches)
    result = {}
    for c, name in enumerate(data.classes):
        if wanted[c]:
            mine = rows[rows[:, 0] == c]
            result[name] = average_precision(mine[:, 1], mine[:, 2], wanted[c])
    return {"ap50": float(np.mean(list(result.values()))) if result else 0.0} | result


def mean_precision(rows: np.ndarray, wanted: np.ndarray) -> float:
    """The mean AP over the classes of which there are some; rows as match gives them, wanted: boxes of each class."""
    each = [rows[rows[:, 0] == c] for c in np.flatnonzero(wanted)]
    return float(np.mean([average_precision(r[:, 1], r[:, 2], n) for r, n in zip(each, wanted[wanted > 0])]))


def match(found: np.ndarray, boxes: np.ndarray, ignored: np.ndarray, limit: float) -> np.ndarray:
    """Rows class, score, right (1 or 0) for the detections that count."""
    iou = overlaps(found, corners(boxes))
    free = np.zeros(len(found), bool)
    if len(ignored) and len(found):
        c = corners(ignored)
        lo = np.maximum(found[:, None, :2], c[None, :, :2])
        hi = np.minimum(found[:, None, 2:4], c[None, :, 2:4])
        area = (found[:, 2:4] - found[:, :2]).prod(1)
        free = ((hi - lo).clip(0).prod(2) > 0.5 * area[:, None]).any(1)
    taken = np.zeros(len(boxes), bool)
    rows = []
    for k, d in enumerate(found):
        open_ = iou[k] * (boxes[:, 0] == d[5]) * ~taken
        best = int(open_.argmax()) if len(boxes) else 0
        if len(boxes) and open_[best] >= limit:
            taken[best] = True
            rows.append((d[5], d[4], 1.0))
        elif not free[k]:
            rows.append((d[5], d[4], 0.0))
    return np.array(rows).reshape(-1, 3)


def average_precision(score: np.ndarray, right: np.ndarray, wanted: float) -> float:
    """The mean of the best precision at 101 recalls, as COCO has it."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(right[order])
    if not len(hits):
        return 0.0
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / wanted, np.linspace(0, 1, 101), "left")
    return float(np.where(at < len(precision), precision[np.minimum(at, len(precision) - 1)], 0).mean())
