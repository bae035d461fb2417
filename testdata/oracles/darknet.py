"""Detections of YOLOv3-tiny with random weights, as detect.py's loop finds them.

    DASHLINE_ASSETS=... /usr/bin/python3 testdata/oracles/darknet.py

The trained weights of the YOLOv3 family are not among the assets. Weights of
the right shape are: internal/tools/weights writes them, the same for a seed.
What they find means nothing, but each box must be in its place. Scores are low
with them, so the cfg's heads get a low thresh. Every 100th frame of the video is
looked at; the output, detect-yolov3-tiny.json.gz, has detect.py's format, and

    {"every", "seed", "sha256": of the weights}
"""

import gzip
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile

import cv2
import numpy as np

import detect

NETWORK, SIZE = "yolov3-tiny", 416
SEED = 7
SCORE = 0.0002
EVERY = 100


def main():
    assets = pathlib.Path(os.environ["DASHLINE_ASSETS"]).resolve()
    cfg = assets / "networks" / f"{NETWORK}.cfg"
    command = ["go", "run", "./internal/tools/weights", cfg, str(SEED)]
    weights = subprocess.run(command, cwd=detect.HERE.parent.parent, stdout=subprocess.PIPE, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / f"{NETWORK}.cfg").write_text(cfg.read_text().replace("[yolo]", f"[yolo]\nthresh={SCORE / 2:f}"))
        (folder / f"{NETWORK}.weights").write_bytes(weights)
        net = detect.Darknet(folder, NETWORK, SIZE)
    video = cv2.VideoCapture(str(assets / detect.VIDEO))
    frames = []
    seen = 0
    while True:
        ok, frame = video.read()
        if not ok:
            break
        height, width = frame.shape[:2]
        if seen % EVERY == 0:
            frames.append(detect.detect(net, frame, SCORE, 9))
        seen += 1
    result = {
        "network": NETWORK,
        "video": detect.VIDEO,
        "width": width,
        "height": height,
        "score": SCORE,
        "nms": detect.NMS,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "every": EVERY,
        "seed": SEED,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "frames": frames,
    }
    path = detect.HERE / f"detect-{NETWORK}.json.gz"
    text = json.dumps(result, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{path.name}: {len(frames)} frames, {sum(map(len, frames))} boxes, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
