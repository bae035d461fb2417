"""Pictures of plain blocks on a plain road: enough to see that training works, where no renderer is."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

CLASSES = ["car", "person"]


def write(path: Path, count: int, seed: int) -> Path:
    """A folder in the layout that dashtrain.data reads: coloured blocks on grey, a road of two lines."""
    rng = np.random.default_rng(seed)
    for d in ("images", "labels", "ignore", "lanes"):
        (path / d).mkdir(parents=True)
    (path / "classes.txt").write_text("".join(c + "\n" for c in CLASSES))
    for i in range(count):
        picture = np.full((360, 640, 3), rng.integers(60, 120), np.uint8)
        rows, outlines = [], []
        middle = float(rng.uniform(260, 380))
        lines = [[[middle - 250, 359.0], [middle - 20, 160.0]], [[middle + 250, 359.0], [middle + 20, 160.0]]]
        road = [lines[0][0], lines[0][1], lines[1][1], lines[1][0]]
        cv2.fillPoly(picture, [np.array(road, np.int32)], (70, 70, 70))
        for line in lines:
            cv2.line(picture, *(tuple(int(v) for v in p) for p in line), (240, 240, 240), 6)
        for _ in range(3):
            c = int(rng.integers(2))
            w, h = (90, 60) if c == 0 else (30, 80)
            x, y = int(rng.integers(0, 640 - w)), int(rng.integers(120, 360 - h))
            cv2.rectangle(picture, (x, y), (x + w, y + h), (200, 60, 40) if c == 0 else (40, 200, 60), -1)
            rows.append(f"{c} {(x + w / 2) / 640} {(y + h / 2) / 360} {w / 640} {h / 360}\n")
            outlines.append([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        name = f"s{seed}_{i:06d}"
        cv2.imwrite(str(path / "images" / (name + ".jpg")), picture)
        (path / "labels" / (name + ".txt")).write_text("".join(rows))
        (path / "ignore" / (name + ".txt")).write_text("")
        (path / "lanes" / (name + ".json")).write_text(json.dumps({"lanes": lines, "drivable": road, "outlines": outlines}))
    return path
