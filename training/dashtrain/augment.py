"""Changes to a training picture: one warp and one table of colours, so that they cost little.

A warp is a 2x3 matrix from the points of the 640x360 picture to those of the
network's input; pixel centres are at .5 in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

BORDER = (114, 114, 114)  # what lies outside of the picture


@dataclass(frozen=True)
class Strength:
    """How far samples are changed. Shares of the picture, standard deviations of logarithms, probabilities."""

    flip: float = 0.5
    moved: float = 0.6  # probability of any scale or shift
    zoom: tuple[float, float] = (0.95, 1.6)
    shift: float = 0.06
    gain: float = 0.04  # of each colour
    gamma: float = 0.18
    contrast: tuple[float, float] = (0.7, 1.2)
    brightness: float = 15.0
    noise: float = 0.2  # probability
    blur: float = 0.08  # probability


def stretch(source: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
    """The plain stretch from width, height to width, height."""
    return np.array([[target[0] / source[0], 0, 0], [0, target[1] / source[1], 0]], np.float64)


def random_warp(rng: np.random.Generator, source: tuple[int, int], target: tuple[int, int], s: Strength) -> np.ndarray:
    """A stretch with a random mirror, scale and shift before it."""
    width, height = source
    m = np.eye(3)
    if rng.random() < s.flip:
        m = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1.0]])
    if rng.random() < s.moved:
        zoom = np.exp(rng.uniform(*np.log(s.zoom)))
        # A zoom in looks anywhere inside, a zoom out leaves a border anywhere.
        spare = abs(zoom - 1) / 2
        dx, dy = rng.uniform(-spare, spare, 2) + rng.uniform(-s.shift, s.shift, 2) / 2
        m = np.array([[zoom, 0, width * ((1 - zoom) / 2 + dx)], [0, zoom, height * ((1 - zoom) / 2 + dy)], [0, 0, 1.0]]) @ m
    return np.vstack([stretch(source, target), (0, 0, 1)])[:2] @ m


def look(rng: np.random.Generator, m: np.ndarray, whole: tuple[int, int], window: tuple[int, int], aim: np.ndarray | None) -> np.ndarray:
    """The warp to a window somewhere in the whole, over the point aim if there is one."""
    out = m.copy()
    for k in range(2):
        low, high = 0, whole[k] - window[k]
        if aim is not None:
            low, high = np.clip((aim[k] - window[k], aim[k]), low, high)
        out[k, 2] -= rng.uniform(low, high)
    return out


def warp(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture under the warp, (height, width, 3)."""
    to_centres = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    m = np.vstack([matrix, (0, 0, 1)]) @ to_centres
    m[:2, 2] -= 0.5
    return cv2.warpAffine(picture, m[:2], size, flags=cv2.INTER_LINEAR, borderValue=BORDER)


def colours(picture: np.ndarray, rng: np.random.Generator, s: Strength, bank: np.ndarray) -> np.ndarray:
    """Random exposure, colour, noise and sharpness. bank is of noise_bank."""
    levels = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, s.gamma))
    contrast = rng.uniform(*s.contrast)
    middle = rng.uniform(80, 180)
    table = levels * 255 * np.exp(rng.normal(0, s.gain, 3))
    table = (table - middle) * contrast + middle + rng.normal(0, s.brightness)
    picture = cv2.LUT(picture, table.clip(0, 255).astype(np.uint8)[None])
    if rng.random() < s.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.1))
    if rng.random() < s.noise:
        h, w = picture.shape[:2]
        y, x = rng.integers(0, bank.shape[0] - h + 1), rng.integers(0, bank.shape[1] - w + 1)
        picture = cv2.addWeighted(picture, 1, bank[y : y + h, x : x + w], rng.uniform(0.2, 1), 0, dtype=cv2.CV_8U)
    return picture


def noise_bank(height: int, width: int) -> np.ndarray:
    """Noise to cut pieces from, a little larger than a picture, (h, w, 3) int16."""
    rng = np.random.default_rng(7)
    return rng.normal(0, 12, (height + 64, width + 64, 3)).round().astype(np.int16)


def move_boxes(boxes: np.ndarray, matrix: np.ndarray, target: tuple[int, int], source: tuple[int, int], least: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 5) as shares, under the warp: those still to be found, and those of which too little is left.

    A box is left when at least 40 % of its area is inside and it is at least
    `least` pixels of the target high.
    """
    if not len(boxes):
        return boxes, boxes
    x0, y0 = ((boxes[:, k] - boxes[:, k + 2] / 2) * source[k - 1] for k in (1, 2))
    x1, y1 = ((boxes[:, k] + boxes[:, k + 2] / 2) * source[k - 1] for k in (1, 2))
    sx, sy = matrix[0, 0], matrix[1, 1]
    xa, xb = np.sort(np.stack([x0 * sx, x1 * sx]) + matrix[0, 2], 0)
    ya, yb = np.stack([y0 * sy, y1 * sy]) + matrix[1, 2]
    area = (xb - xa) * (yb - ya)
    xa, xb = xa.clip(0, target[0]), xb.clip(0, target[0])
    ya, yb = ya.clip(0, target[1]), yb.clip(0, target[1])
    inside = (xb > xa) & (yb > ya)
    kept = inside & ((xb - xa) * (yb - ya) >= 0.4 * area) & (yb - ya >= least)
    moved = np.stack([boxes[:, 0], (xa + xb) / 2 / target[0], (ya + yb) / 2 / target[1], (xb - xa) / target[0], (yb - ya) / target[1]], 1).astype(np.float32)
    return moved[kept], moved[inside & ~kept]


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(n, 2) points under the warp."""
    return points @ matrix[:, :2].T + matrix[:, 2]
