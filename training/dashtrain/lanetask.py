"""Training of the lane network: targets, loss, and how well it does.

Targets are at half the picture's size and soft at edges: lines LINE_WIDTH
pixels of the picture wide, and the drivable polygon less the outlines of what
stands on it. Both planes of an output are one decision: the loss looks at their
difference alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import augment
from .data import HEIGHT, WIDTH, Data, LaneTruth, Order
from .lanes import LaneNet, enlarge
from .loop import Parts, Task

LINE_WIDTH = 6
JUDGED_WIDTH = 30 * WIDTH / 1640  # CULane's 30 pixels of a 1640 wide picture
STRENGTH = augment.Strength(zoom=(1.0, 1.3), shift=0.0)  # no border comes in
_SHIFT = 4  # bits below the pixel that OpenCV draws with


@dataclass
class LaneBatch:
    """pictures (N, 3, 360, 640) uint8, channels last; targets (N, 2, 180, 320) uint8: drivable, line."""

    pictures: Tensor
    targets: Tensor


def drawn(points: np.ndarray) -> np.ndarray:
    """Points as OpenCV's drawing takes them: its pixel centres are whole numbers."""
    return np.round((points.clip(-4000, 4000) - 0.5) * (1 << _SHIFT)).astype(np.int32)


def masks(truth: LaneTruth, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drivable and line mask of the warped picture, (360, 640) uint8, 0 to 255."""
    drivable, lines = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    if len(truth.drivable) >= 3:
        cv2.fillPoly(drivable, [drawn(augment.move_points(truth.drivable, matrix))], 255, cv2.LINE_8, _SHIFT)
        for outline in truth.outlines:
            cv2.fillPoly(drivable, [drawn(augment.move_points(outline, matrix))], 0, cv2.LINE_8, _SHIFT)
    moved = [drawn(augment.move_points(line, matrix)) for line in truth.lines]
    if moved:
        cv2.polylines(lines, moved, False, 255, LINE_WIDTH, cv2.LINE_8, _SHIFT)
    return drivable, lines


class LaneBatches:
    """Makes the batch of a step from the seed and the step's number alone."""

    def __init__(self, data: Data, batch: int, seed: int, strength: augment.Strength = STRENGTH):
        self.data, self.seed, self.strength = data, seed, strength
        self.order = Order(len(data), batch, seed)
        self.bank = augment.noise_bank(HEIGHT, WIDTH)
        self.truth: dict[int, LaneTruth] = {}  # of samples met before

    def __call__(self, step: int) -> LaneBatch:
        rng = np.random.default_rng([self.seed, 2, step])
        pictures, targets = [], []
        size = (WIDTH, HEIGHT)
        for i in self.order.at(step):
            if i not in self.truth:
                self.truth[i] = self.data.lanes(i)
            m = augment.random_warp(rng, size, size, self.strength)
            picture = augment.warp(self.data.picture(i), m, size)
            pictures.append(augment.colours(picture, rng, self.strength, self.bank))
            half = (WIDTH // 2, HEIGHT // 2)
            targets.append([cv2.resize(k, half, interpolation=cv2.INTER_AREA) for k in masks(self.truth[i], m)])
        return LaneBatch(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), torch.from_numpy(np.array(targets)))


def lane_loss(net: nn.Module, batch: LaneBatch) -> tuple[Tensor, Parts]:
    """Cross entropy and Dice loss of each decision, means over the batch.

    Milletari et al., "V-Net", 2016, for the Dice loss: lines are a few hundredths of the picture.
    """
    planes = net.logits(batch.pictures.float().div_(255))
    with torch.autocast("cpu", enabled=False):
        planes = enlarge(planes, 2)
        decision = torch.stack([planes[:, 1] - planes[:, 0], planes[:, 3] - planes[:, 2]], 1)
        target = batch.targets.float() / 255
        entropy = F.binary_cross_entropy_with_logits(decision, target, reduction="none").mean((0, 2, 3))
        p = decision.sigmoid()
        shared, both = (p * target).sum((0, 2, 3)), (p * p + target * target).sum((0, 2, 3))
        dice = 1 - (2 * shared + 1) / (both + 1)
        parts = {"drivable": entropy[0] + 0.5 * dice[0], "line": 3 * entropy[1] + dice[1]}
    return parts["drivable"] + parts["line"], {k: float(v.detach()) for k, v in parts.items()}


@torch.no_grad()
def accuracy(net: LaneNet, data: Data, most: int = 0, batch: int = 8) -> dict[str, float]:
    """Drivable IoU over all pixels, and F1 of lines by CULane's rule, on at most `most` evenly spread pictures.

    The lines are chains of mask rows, plainer than what Dashline makes of the
    same mask: its own figures are those of `dashline eval lanes`.
    """
    count = min(most, len(data)) if most else len(data)
    indices = np.linspace(0, len(data) - 1, count).astype(int).tolist()
    shared = both = 0
    right = found = wanted = 0
    plain = augment.stretch((WIDTH, HEIGHT), (WIDTH, HEIGHT))
    for k in range(0, count, batch):
        part = indices[k : k + batch]
        pictures = torch.from_numpy(np.stack([data.picture(i) for i in part])).permute(0, 3, 1, 2)
        da, ll = net(pictures.float() / 255)
        for i, area, line in zip(part, (da[:, 1] > da[:, 0]).numpy(), (ll[:, 1] > ll[:, 0]).numpy()):
            truth = data.lanes(i)
            drivable, _ = masks(truth, plain)
            shared += int((area & (drivable > 0)).sum())
            both += int((area | (drivable > 0)).sum())
            predicted, actual = chains(line), [c for c in map(clipped, truth.lines) if len(c) >= 2]
            right += pairs(predicted, actual)
            found, wanted = found + len(predicted), wanted + len(actual)
    return {"drivable_iou": shared / max(both, 1), "lane_f1": 2 * right / max(found + wanted, 1)}


def clipped(line: np.ndarray) -> np.ndarray:
    """The points of a line in the picture and the next one outside, so that it reaches the border."""
    inside = (line[:, 0] >= 0) & (line[:, 0] < WIDTH) & (line[:, 1] >= 0) & (line[:, 1] < HEIGHT)
    if not inside.any():
        return line[:0]
    first, last = np.flatnonzero(inside)[[0, -1]]
    return line[max(0, first - 1) : last + 2]


def chains(mask: np.ndarray, least: int = 10) -> list[np.ndarray]:
    """Lines of a mask: runs of each row, from bottom to top, linked while each touches one of the next row."""
    alive: list[tuple[list[tuple[float, float]], float, float]] = []
    done = []
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    edges = np.diff(padded, axis=1)
    for y in range(mask.shape[0] - 1, -1, -1):
        starts, stops = np.flatnonzero(edges[y] == 1), np.flatnonzero(edges[y] == -1)
        coming, taken = [], set()
        for x0, x1 in zip(starts, stops):
            # The chain whose last run is nearest in its middle, and touches.
            touching = [(abs(a + b - x0 - x1), k) for k, (_, a, b) in enumerate(alive) if k not in taken and a <= x1 + 2 and x0 <= b + 2]
            points = []
            if touching:
                k = min(touching)[1]
                taken.add(k)
                points = alive[k][0]
            points.append(((x0 + x1) / 2, y + 0.5))
            coming.append((points, x0, x1))
        done += [c[0] for k, c in enumerate(alive) if k not in taken]
        alive = coming
    done += [c[0] for c in alive]
    return [np.array(p[:: max(1, len(p) // 24)] + p[-1:], np.float32) for p in done if len(p) >= least]


def pairs(predicted: list[np.ndarray], actual: list[np.ndarray], limit: float = 0.5) -> int:
    """How many lines pair up with an IoU above limit when both are drawn JUDGED_WIDTH wide.

    Pan et al., "Spatial As Deep" (CULane), 2018, section 4.1. Pairs are made greedily, best first.
    """

    def draw(line: np.ndarray) -> np.ndarray:
        canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.polylines(canvas, [drawn(line)], False, 1, round(JUDGED_WIDTH), cv2.LINE_8, _SHIFT)
        return canvas.ravel() > 0

    if not predicted or not actual:
        return 0
    p, a = np.stack([draw(v) for v in predicted]).astype(np.float32), np.stack([draw(v) for v in actual]).astype(np.float32)
    shared = p @ a.T
    iou = shared / (p.sum(1)[:, None] + a.sum(1) - shared + 1e-9)
    count = 0
    while iou.size and iou.max() > limit:
        i, j = np.unravel_index(iou.argmax(), iou.shape)
        iou[i], iou[:, j] = 0, 0
        count += 1
    return count


def task(net: LaneNet, training: Data, held_out: Data, batch: int, seed: int, most: int = 200) -> Task:
    """The task of training net; its accuracy is on at most `most` held-out pictures."""
    net.to(memory_format=torch.channels_last)
    return Task(
        net, LaneBatches(training, batch, seed), lane_loss,
        accuracy=lambda n: accuracy(n, held_out, most), seen=lambda n: accuracy(n, training, most),
    )  # fmt: skip
