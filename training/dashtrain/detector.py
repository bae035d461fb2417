"""Training of a detector on labels: batches, loss and accuracy for the loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from . import augment, evaluate
from .darknet import Network
from .data import HEIGHT, WIDTH, Data, Order
from .loop import Parts, Task
from .loss import Truth, detector_loss

LEAST_HEIGHT = 6.0 / 224  # of a box that is still to be found after the warp, share of the picture
WINDOW = 0.75  # sides of a window to the picture's, then up to the next 32 pixels
WHOLE_EVERY = 6  # steps; the others look through windows
AIMED = 0.8  # probability that a window is laid on a box


@dataclass
class Batch:
    """pictures: (N, 3, H, W) uint8, channels last in memory."""

    pictures: Tensor
    truth: Truth

    def inputs(self) -> Tensor:
        return self.pictures.float().div_(255)


class Batches:
    """Makes the batch of a step from the seed and the step's number alone.

    Most batches look through a window of the picture, at the scale of the whole:
    most of what is outside is sky and road, and a step takes little more than half
    the time. Each sixth batch is of whole pictures, so that wholes and their edges
    stay known.
    """

    def __init__(self, data: Data, width: int, height: int, batch: int, seed: int, strength: augment.Strength = augment.Strength()):
        self.data, self.size, self.seed, self.strength = data, (width, height), seed, strength
        self.window = (ceil32(WINDOW * width), ceil32(WINDOW * height))
        self.order = Order(len(data), batch, seed)
        self.bank = augment.noise_bank(height, width)

    def __call__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, 1, step])
        size = self.size if step % WHOLE_EVERY == 0 else self.window
        pictures, boxes, ignored = [], [], []
        for i in self.order.at(step):
            m = augment.random_warp(rng, (WIDTH, HEIGHT), self.size, self.strength)
            if size != self.size:
                m = augment.look(rng, m, self.size, size, self.aim(rng, i, m))
            picture = augment.warp(self.data.picture(i), m, size)
            pictures.append(augment.colours(picture, rng, self.strength, self.bank))
            wanted, free = (augment.move_boxes(b, m, size, (WIDTH, HEIGHT), LEAST_HEIGHT * self.size[1]) for b in self.data.boxes(i))
            boxes.append(wanted[0])
            ignored.append(np.concatenate([wanted[1], *free]))
        return Batch(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), Truth(boxes, ignored))

    def aim(self, rng: np.random.Generator, i: int, m: np.ndarray) -> np.ndarray | None:
        """The middle of one of sample i's boxes under the warp m; now and then, or without boxes, none."""
        boxes, _ = self.data.boxes(i)
        if not len(boxes) or rng.random() >= AIMED:
            return None
        return augment.move_points(boxes[rng.integers(len(boxes)), 1:3] * (WIDTH, HEIGHT), m)


def ceil32(x: float) -> int:
    return -int(-x // 32) * 32


def label_loss(net: nn.Module, batch: Batch) -> tuple[Tensor, Parts]:
    raw = net(batch.inputs())
    with torch.autocast("cpu", enabled=False):
        return detector_loss(net, raw, batch.truth)


def task(net: Network, training: Data, held_out: Data, batch: int, seed: int, most: int = 300) -> Task:
    """The task of training net on labels; its accuracy is AP50 on at most `most` held-out pictures."""
    net.to(memory_format=torch.channels_last)
    return Task(
        net, Batches(training, net.width, net.height, batch, seed), label_loss,
        accuracy=lambda n: evaluate.detector(n, held_out, most), seen=lambda n: evaluate.detector(n, training, most),
    )  # fmt: skip
