"""Training of a detector on pictures without labels, on what a teacher of the same heads says about them.

The teacher sees the very picture that the student sees, changed as it is; so
changes may be strong, and a hundred pictures go a long way: Beyer et al.,
"Knowledge distillation: A good teacher is patient and consistent", 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from . import augment, data, distill, evaluate
from .boxes import detections
from .darknet import Network
from .loop import Parts, Task

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
KEPT = 1.5  # sides of the pictures in memory to the network's input, so that a zoom finds more to see
HELD_OUT = 10  # one in so many pictures, the last ones of each folder: neighbours in a drive are alike
MOSAIC = 0.25  # probability
MIXED = 0.1  # probability that a picture shines through another one
SURE = 0.25  # score from which a box of the teacher's counts as truth for the agreement
FIT = 128  # pictures that the maps of features are fitted on, as of steps that no run reaches
AHEAD = 1 << 30
GAINS = distill.Gains(hint=4.0)
STRENGTH = augment.Strength(zoom=(0.7, 1.7), noise=0.1)


@dataclass
class Pictures:
    """stacks: one array (n, height, width, 3) of uint8 a folder, RGB, mapped, read only."""

    stacks: list[np.ndarray]
    digest: str

    def __len__(self) -> int:
        return sum(len(s) for s in self.stacks)

    def picture(self, i: int) -> np.ndarray:
        for s in self.stacks:
            if i < len(s):
                return s[i]
            i -= len(s)
        raise IndexError("no such picture")


def listed(path: Path, limit: int) -> list[Path]:
    """The pictures of a folder, or of its folder images, by name; limit > 0 takes so many, evenly spread."""
    inner = path / "images"
    where = inner if inner.is_dir() else path
    if not where.is_dir():
        raise ValueError(f"{path}: no folder: name one with pictures")
    files = sorted(p for p in where.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{path}: no {', '.join(sorted(SUFFIXES))}: name a folder with pictures")
    if len(files) > data.MAX_PICTURES:
        raise ValueError(f"{path}: {len(files)} pictures, at most {data.MAX_PICTURES} are read: split the folder or give --limit")
    if 0 < limit < len(files):
        files = [files[k] for k in np.linspace(0, len(files) - 1, limit).astype(int)]
    return files


def load(paths: list[Path], cache: Path, width: int, height: int, limit: int = 0) -> tuple[Pictures, Pictures]:
    """The pictures to train on and those held out, for a network of that input."""
    folders = [listed(Path(p), limit) for p in paths]
    every = [f for files in folders for f in files]
    if len(every) < 4:
        raise ValueError(f"{len(every)} pictures are too few to learn from: give at least 4, better a hundred")
    size = round(KEPT * width), round(KEPT * height)
    stacks = [data.pictures(files, cache, *size) for files in folders]
    cuts = [max(len(s) - max(len(s) // HELD_OUT, len(s) > 1), 1) for s in stacks]
    digest = data.digest(every)[:16]
    held_out = Pictures([s[c:] for s, c in zip(stacks, cuts)], digest)
    training = Pictures([s[:c] for s, c in zip(stacks, cuts)], digest)
    return training, held_out if len(held_out) else training


@dataclass
class Batch:
    """pictures: (N, 3, H, W) uint8, channels last in memory."""

    pictures: Tensor

    def inputs(self) -> Tensor:
        return self.pictures.float().div_(255)


class Views:
    """Makes the batch of a step from the seed and the step's number alone."""

    def __init__(self, pictures: Pictures, width: int, height: int, batch: int, seed: int):
        self.pictures, self.size, self.seed = pictures, (width, height), seed
        self.order = data.Order(len(pictures), batch, seed)
        self.bank = augment.noise_bank(height, width)

    def __call__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, 2, step])
        views = [self.view(rng, i) for i in self.order.at(step)]
        return Batch(torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2))

    def view(self, rng: np.random.Generator, i: int) -> np.ndarray:
        view = self.mosaic(rng, i) if rng.random() < MOSAIC else self.look(rng, i, self.size)
        if rng.random() < MIXED:
            view = cv2.addWeighted(view, 0.7, self.look(rng, self.other(rng), self.size), 0.3, 0)
        return augment.colours(view, rng, STRENGTH, self.bank)

    def other(self, rng: np.random.Generator) -> int:
        return int(rng.integers(len(self.pictures)))

    def look(self, rng: np.random.Generator, i: int, size: tuple[int, int]) -> np.ndarray:
        picture = self.pictures.picture(i)
        source = picture.shape[1], picture.shape[0]
        return augment.warp(picture, augment.random_warp(rng, source, size, STRENGTH), size)

    def mosaic(self, rng: np.random.Generator, i: int) -> np.ndarray:
        """Four pictures around a point. Bochkovskiy et al., "YOLOv4", 2020, section 3.3."""
        width, height = self.size
        x, y = (int(n * rng.uniform(0.3, 0.7)) for n in self.size)
        view = np.empty((height, width, 3), np.uint8)
        for k, (rows, columns) in enumerate((r, c) for r in (slice(0, y), slice(y, height)) for c in (slice(0, x), slice(x, width))):
            part = view[rows, columns]
            part[:] = self.look(rng, i if k == 0 else self.other(rng), (part.shape[1], part.shape[0]))
        return view


def inputs(pictures: Pictures, indices: list[int], net: Network) -> Tensor:
    """Pictures as they are, (N, 3, height, width) in 0 to 1."""
    size = net.width, net.height
    stack = np.stack([cv2.resize(pictures.picture(i), size, interpolation=cv2.INTER_AREA) for i in indices])
    return torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 255


class Agreement:
    """How far a student agrees with its teacher on pictures held out.

    loss: as trained on. ap50: AP at IoU .5 with the teacher's boxes of a score
    above SURE as truth, the mean over classes.
    """

    def __init__(self, teacher: Network, pictures: Pictures, most: int, batch: int = 16):
        count = min(most, len(pictures)) if most else len(pictures)
        self.pictures, self.batch = pictures, batch
        self.indices = np.linspace(0, len(pictures) - 1, count).astype(int).tolist()
        self.told: list[list[Tensor]] = []
        self.truth: list[np.ndarray] = []  # (n, 5) class, cx, cy, w, h
        with torch.no_grad():
            for k in range(0, count, batch):
                told = teacher(inputs(pictures, self.indices[k : k + batch], teacher))
                self.told.append(told)
                self.truth += [boxes_of(found) for found in detections(teacher, told, SURE)]
        self.teacher = teacher

    @torch.no_grad()
    def __call__(self, net: Network) -> Parts:
        net.eval()
        loss, rows = 0.0, []
        for j, told in enumerate(self.told):
            at = j * self.batch
            raw = net(inputs(self.pictures, self.indices[at : at + self.batch], net))
            parts = distill.spoken_loss(net, raw, distill.lessons(net, self.teacher, told), distill.Gains())
            loss += sum(float(v) for v in parts.values()) * len(raw[0])
            for i, found in enumerate(detections(net, raw), at):
                rows.append(evaluate.match(found, self.truth[i], np.zeros((0, 5)), 0.5))
        result = {"loss": loss / len(self.indices)}
        wanted = np.bincount(np.concatenate([t[:, 0] for t in self.truth]).astype(int))
        if wanted.any():
            result["ap50"] = evaluate.mean_precision(np.concatenate(rows), wanted)
        return result


def boxes_of(found: np.ndarray) -> np.ndarray:
    """Detections as truth: (n, 5) class, cx, cy, w, h."""
    lo, hi = found[:, :2], found[:, 2:4]
    return np.concatenate([found[:, 5:6], (lo + hi) / 2, hi - lo], 1)


def task(student: Network, teacher: Network, training: Pictures, held_out: Pictures, batch: int, seed: int, most: int = 300) -> Task:
    """The task of training student on what teacher, which stays as it is, says about pictures.

    Both are folded: normalization keeps its statistics. Changed pictures have
    other ones than plain pictures, which a pruned network's were estimated on;
    and a step of small batches would move them at random.
    """
    for net in (student, teacher):
        net.fold().to(memory_format=torch.channels_last)
    teacher.eval().requires_grad_(False)
    views = Views(training, student.width, student.height, batch, seed)
    mimic = distill.Mimic(student, teacher)
    mimic.fit(student, teacher, [views(AHEAD + k).inputs() for k in range(FIT // batch + 1)])
    return Task(
        student, views, lambda net, seen: distill.unlabelled_loss(net, teacher, mimic, seen.inputs(), GAINS),
        accuracy=Agreement(teacher, held_out, most), extra=mimic,
    )  # fmt: skip
