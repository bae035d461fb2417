"""Detections of a plain cv2.dnn loop, the yardstick for package detect.

    DASHLINE_ASSETS=... /usr/bin/python3 testdata/oracles/detect.py [NETWORK...]

DASHLINE_ASSETS is the folder that has networks/ and drives/. For each network
(default: all of them) it reads drives/videos/solidWhiteRight.mp4 frame by frame
and writes detect-NETWORK.json.gz beside this script:

    {"network", "video", "width", "height", "score", "nms", "opencv", "numpy",
     "frames": [[[class, score, x0, y0, x1, y1], ...one a box], ...one a frame]}

Boxes are pixels of the video, NOT clipped to it; each frame's are in order of
score, best first. A row of the network's output makes at most one box: its
best class, where that scores more than SCORE.
"""

import gzip
import json
import os
import pathlib
import sys

import cv2
import numpy as np

VIDEO = "drives/videos/solidWhiteRight.mp4"
SCORE = 0.30
NMS = 0.45
HERE = pathlib.Path(__file__).resolve().parent


class Darknet:
    """YOLOv3 family: rows cx cy w h obj c0..cN, normalised to the input."""

    def __init__(self, folder, name, size):
        self.net = cv2.dnn.readNetFromDarknet(f"{folder}/{name}.cfg", f"{folder}/{name}.weights")
        self.names = self.net.getUnconnectedOutLayersNames()
        self.size = size

    def __call__(self, frame):
        height, width = frame.shape[:2]
        blob = cv2.dnn.blobFromImage(frame, 1 / 255, (self.size, self.size), swapRB=True, crop=False)
        self.net.setInput(blob)
        rows = np.vstack(self.net.forward(self.names))
        centre = rows[:, 0:2] * (width, height)
        half = rows[:, 2:4] * (width, height) / 2
        return np.hstack([centre - half, centre + half]), rows[:, 5:]


class YOLOX:
    """One output 1xNx(5+C); letterbox at the top left, BGR 0-255, pad 114."""

    def __init__(self, folder, name, size):
        self.net = cv2.dnn.readNetFromONNX(f"{folder}/{name}.onnx")
        self.size = size
        cells, strides = [], []
        for stride in (8, 16, 32):
            n = size // stride
            y, x = np.mgrid[0:n, 0:n]
            cells.append(np.stack([x.ravel(), y.ravel()], 1))
            strides.append(np.full((n * n, 1), stride))
        self.cells, self.strides = np.vstack(cells), np.vstack(strides)

    def __call__(self, frame):
        height, width = frame.shape[:2]
        ratio = min(self.size / height, self.size / width)
        small = cv2.resize(frame, (int(width * ratio), int(height * ratio)), interpolation=cv2.INTER_LINEAR)
        boxed = np.full((self.size, self.size, 3), 114, np.uint8)
        boxed[: small.shape[0], : small.shape[1]] = small
        self.net.setInput(boxed.transpose(2, 0, 1)[None].astype(np.float32))
        rows = self.net.forward()[0]
        centre = (rows[:, 0:2] + self.cells) * self.strides / ratio
        half = np.exp(rows[:, 2:4]) * self.strides / ratio / 2
        return np.hstack([centre - half, centre + half]), rows[:, 4:5] * rows[:, 5:]


class NanoDet:
    """Per stride scores kxC and boxes kx4*8 bins; plain resize, BGR.

    The file's output names say nothing about what they hold ("bbox_pred0" is a
    score tensor), so outputs are told apart by their shapes.
    """

    mean = np.array([103.53, 116.28, 123.675], np.float32)
    std = np.array([57.375, 57.12, 58.395], np.float32)
    bins = 8

    def __init__(self, folder, name, size):
        self.net = cv2.dnn.readNetFromONNX(f"{folder}/{name}.onnx")
        self.names = self.net.getUnconnectedOutLayersNames()
        self.size = size

    def __call__(self, frame):
        height, width = frame.shape[:2]
        small = cv2.resize(frame, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        blob = (small.astype(np.float32) - self.mean) / self.std
        self.net.setInput(np.ascontiguousarray(blob.transpose(2, 0, 1)[None]))
        by_shape = {out.shape: out for out in self.net.forward(self.names)}
        boxes, scores = [], []
        for stride in (8, 16, 32):
            n = self.size // stride
            logits = by_shape[n * n, 4 * self.bins].reshape(-1, 4, self.bins)
            share = np.exp(logits - logits.max(2, keepdims=True))
            share /= share.sum(2, keepdims=True)
            left, top, right, bottom = (share @ np.arange(self.bins) * stride).T
            y, x = (np.mgrid[0:n, 0:n].reshape(2, -1) + 0.5) * stride
            boxes.append(np.stack([x - left, y - top, x + right, y + bottom], 1))
            scores.append(by_shape[n * n, 80])
        scale = np.array([width, height, width, height]) / self.size
        return np.vstack(boxes) * scale, np.vstack(scores)


NETWORKS = {
    "yolo-fastest-1.1-xl": (Darknet, 320),
    "MobileNetV2-YOLOv3-Nano-coco": (Darknet, 320),
    "yolox_nano_416": (YOLOX, 416),
    "nanodet": (NanoDet, 320),
}


def detect(net, frame, score=SCORE, digits=6):
    boxes, scores = net(frame)
    found = []
    classes = scores.argmax(1)
    best = scores.max(1)
    for c in np.unique(classes[best > score]):
        rows = np.flatnonzero((classes == c) & (best > score))
        rects = [[float(v) for v in (x0, y0, x1 - x0, y1 - y0)] for x0, y0, x1, y1 in boxes[rows]]
        for i in cv2.dnn.NMSBoxes(rects, best[rows].tolist(), score, NMS):
            row = rows[i]
            found.append([int(c), round(float(best[row]), digits)] + [round(float(v), 3) for v in boxes[row]])
    return sorted(found, key=lambda d: (-d[1], d[0]))


def main():
    assets = pathlib.Path(os.environ["DASHLINE_ASSETS"])
    for name in sys.argv[1:] or NETWORKS:
        kind, size = NETWORKS[name]
        net = kind(assets / "networks", name, size)
        video = cv2.VideoCapture(str(assets / VIDEO))
        frames = []
        while True:
            ok, frame = video.read()
            if not ok:
                break
            height, width = frame.shape[:2]
            frames.append(detect(net, frame))
        result = {
            "network": name,
            "video": VIDEO,
            "width": width,
            "height": height,
            "score": SCORE,
            "nms": NMS,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
            "frames": frames,
        }
        path = HERE / f"detect-{name}.json.gz"
        text = json.dumps(result, separators=(",", ":"))
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
        print(f"{path.name}: {len(frames)} frames, {sum(map(len, frames))} boxes, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
