"""Folders of pictures and their truth, as `dashline synth --export yolo` writes them.

    DIR/classes.txt             one name a line
    DIR/images/NAME.jpg         640x360
    DIR/labels/NAME.txt         "class cx cy w h", shares of the picture
    DIR/ignore/NAME.txt         the same for boxes that must cause no loss
    DIR/lanes/NAME.json         {"lanes": [[[x,y],...],...], "drivable": [[x,y],...],
                                 "outlines": [[[x,y],...],...]}, pixels of the picture

Pictures are decoded once into a file of raw bytes under a cache folder, which is
then mapped into memory: runs that train side by side share its pages. The
file's name is a hash of all pictures' bytes.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 640, 360
MAX_PICTURES = 200_000
MAX_BOXES = 512  # in a picture


@dataclass
class LaneTruth:
    """Lines, the polygon of the drivable area, and outlines of what stands on it: arrays (n, 2), pixels."""

    lines: list[np.ndarray]
    drivable: np.ndarray
    outlines: list[np.ndarray]


@dataclass
class Folder:
    """One exported folder. boxes and ignored hold (n, 5) float32: class, cx, cy, w, h as shares of the picture."""

    path: Path
    classes: list[str]
    names: list[str]
    pictures: np.ndarray  # (n, 360, 640, 3) uint8 RGB, mapped, read only
    boxes: list[np.ndarray]
    ignored: list[np.ndarray]

    def lanes(self, i: int) -> LaneTruth:
        return read_lanes(self.path / "lanes" / (self.names[i] + ".json"))

    def files(self) -> list[Path]:
        return [self.path / "images" / (n + ".jpg") for n in self.names]


class Data:
    """Several folders as one list of samples."""

    def __init__(self, folders: list[Folder]):
        if not folders:
            raise ValueError("no data folder was given: name at least one")
        self.folders = folders
        self.classes = folders[0].classes
        for f in folders:
            if f.classes != self.classes:
                raise ValueError(f"{f.path}: its classes differ from those of {folders[0].path}: export both with the same program")
        self.ends = np.cumsum([len(f.names) for f in folders]).tolist()

    def __len__(self) -> int:
        return self.ends[-1]

    def at(self, i: int) -> tuple[Folder, int]:
        """The folder of sample i, and its index there."""
        k = bisect.bisect_right(self.ends, i)
        return self.folders[k], i - (self.ends[k - 1] if k else 0)

    def picture(self, i: int) -> np.ndarray:
        f, j = self.at(i)
        return f.pictures[j]

    def boxes(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes to find and boxes to ignore."""
        f, j = self.at(i)
        return f.boxes[j], f.ignored[j]

    def lanes(self, i: int) -> LaneTruth:
        f, j = self.at(i)
        return f.lanes(j)

    def all_boxes(self) -> np.ndarray:
        return np.concatenate([b for f in self.folders for b in f.boxes])

    def digest(self) -> str:
        """A short hash of the folders' pictures, for a run's record."""
        return hashlib.sha256("".join(digest(f.files()) for f in self.folders).encode()).hexdigest()[:16]


def load(paths: list[str | Path], cache: str | Path, limit: int = 0) -> Data:
    """Open exported folders; limit > 0 takes evenly spread samples, that many from each."""
    return Data([load_folder(Path(p), Path(cache), limit) for p in paths])


def load_folder(path: Path, cache: Path, limit: int = 0) -> Folder:
    listed = path / "classes.txt"
    if not listed.is_file():
        raise ValueError(f"{path}: no classes.txt: is it a folder written by dashline synth --export yolo?")
    classes = listed.read_text().split("\n")
    classes = [c.strip() for c in classes if c.strip()]
    names = sorted(p.stem for p in (path / "images").glob("*.jpg"))
    if not names:
        raise ValueError(f"{path}: no images/*.jpg: export the drive again")
    if len(names) > MAX_PICTURES:
        raise ValueError(f"{path}: {len(names)} pictures, at most {MAX_PICTURES} are read: split the folder")
    if 0 < limit < len(names):
        names = [names[k] for k in np.linspace(0, len(names) - 1, limit).astype(int)]
    boxes = [read_boxes(path / "labels" / (n + ".txt"), len(classes)) for n in names]
    ignored = [read_boxes(path / "ignore" / (n + ".txt"), len(classes)) for n in names]
    folder = Folder(path, classes, names, np.zeros(0, np.uint8), boxes, ignored)
    folder.pictures = pictures(folder.files(), cache)
    return folder


def read_boxes(path: Path, classes: int) -> np.ndarray:
    """(n, 5) float32; a missing file is a picture without boxes."""
    if not path.is_file():
        return np.zeros((0, 5), np.float32)
    text = path.read_text().split()
    if not text:
        return np.zeros((0, 5), np.float32)
    try:
        rows = np.array(text, np.float32).reshape(-1, 5)
    except ValueError:
        raise ValueError(f"{path}: not lines of five numbers (class cx cy w h): export the drive again") from None
    wrong = not np.isfinite(rows).all() or (rows[:, 0] < 0).any() or (rows[:, 0] >= classes).any()
    if wrong or (rows[:, 3:] <= 0).any() or len(rows) > MAX_BOXES:
        raise ValueError(f"{path}: a class outside of 0 to {classes - 1}, an empty box, or more than {MAX_BOXES} boxes: export the drive again")
    return rows


def read_lanes(path: Path) -> LaneTruth:
    def points(value) -> np.ndarray:
        array = np.array(value, np.float32)
        if array.size and (array.ndim != 2 or array.shape[1] != 2):
            raise ValueError("a point is not two numbers")
        return array.reshape(-1, 2)

    try:
        truth = json.loads(path.read_text())
        return LaneTruth(
            [points(v) for v in truth.get("lanes") or [] if len(v) >= 2],
            points(truth.get("drivable") or []),
            [points(v) for v in truth.get("outlines") or [] if len(v) >= 3],
        )
    except (OSError, ValueError, AttributeError, TypeError) as e:
        raise ValueError(f"{path}: no truth about lanes ({e}): export the drive again") from None


def digest(files: list[Path]) -> str:
    """Hash of the pictures' files and names, which names the cache."""
    h = hashlib.sha256()
    for f in files:
        h.update(f.stem.encode() + b"\0")
        h.update(hashlib.sha256(f.read_bytes()).digest())
    return h.hexdigest()[:24]


def pictures(files: list[Path], cache: Path, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """All pictures, stretched to one size, as (n, height, width, 3) uint8 RGB, decoded on the first call."""
    cache.mkdir(parents=True, exist_ok=True)
    size = "" if (width, height) == (WIDTH, HEIGHT) else f"-{width}x{height}"
    file = cache / (digest(files) + size + ".rgb")
    shape = (len(files), height, width, 3)
    if not file.is_file() or file.stat().st_size != np.prod(shape):
        part = file.with_suffix(f".{os.getpid()}.part")
        with open(part, "wb") as out:
            for f in files:
                picture = cv2.imread(str(f), cv2.IMREAD_COLOR)
                if picture is None:
                    raise ValueError(f"{f}: no picture that can be read: mend it or take it away")
                if picture.shape[:2] != (height, width):
                    shrinks = picture.shape[0] > height and picture.shape[1] > width
                    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if size and shrinks else cv2.INTER_LINEAR)
                out.write(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).tobytes())
        os.replace(part, file)
    return np.memmap(file, np.uint8, "r", shape=shape)


class Order:
    """Which samples a step takes: a new permutation for each epoch, from the seed alone."""

    def __init__(self, count: int, batch: int, seed: int):
        self.count, self.batch, self.seed = count, batch, seed
        self._epoch, self._order = -1, np.zeros(0, int)

    def at(self, step: int) -> list[int]:
        return [self._sample(k) for k in range(step * self.batch, (step + 1) * self.batch)]

    def _sample(self, k: int) -> int:
        epoch, i = divmod(k, self.count)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.count)
        return int(self._order[i])


def anchors(boxes: np.ndarray, count: int, width: int, height: int, seed: int = 0) -> list[tuple[float, float]]:
    """k-means over box sizes with distance 1 - IoU, small to large, in pixels of a width x height input.

    Redmon and Farhadi, "YOLO9000", 2017, section 2. boxes: (n, 5) as shares.
    """
    if len(boxes) < count:
        raise ValueError(f"{len(boxes)} boxes are too few for {count} anchors: give more training data")
    rng = np.random.default_rng(seed)
    sizes = boxes[:, 3:5].astype(np.float64) * (width, height)
    if len(sizes) > 20000:
        sizes = sizes[rng.choice(len(sizes), 20000, replace=False)]
    by_area = sizes[np.argsort(sizes.prod(1))]
    centres = by_area[((np.arange(count) + 0.5) / count * len(by_area)).astype(int)]
    for _ in range(100):
        shared = np.minimum(sizes[:, None], centres).prod(2)
        nearest = (shared / (sizes.prod(1)[:, None] + centres.prod(1) - shared)).argmax(1)
        moved = np.array([np.median(sizes[nearest == k], 0) if (nearest == k).any() else centres[k] for k in range(count)])
        if np.allclose(moved, centres):
            break
        centres = moved
    centres = centres[np.argsort(centres.prod(1))]
    return [(round(float(w), 1), round(float(h), 1)) for w, h in centres]
