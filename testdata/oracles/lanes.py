#!/usr/bin/python3
"""Masks of the lane networks, as plain Python with cv2.dnn finds them.

Reads networks and drives from DASHLINE_ASSETS and writes beside itself
  lanes.json           the pictures, in order, with their sizes
  lanes_NETWORK.gz     for every picture the drivable mask and then the lane
                       mask, 640x360, one bit a pixel, rows packed to bytes,
                       most significant bit first

Run: DASHLINE_ASSETS=... /usr/bin/python3 testdata/oracles/lanes.py
"""
import glob
import gzip
import json
import os
import pathlib

import cv2
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ASSETS = pathlib.Path(os.environ["DASHLINE_ASSETS"])
VIDEO = "drives/videos/solidWhiteRight.mp4"
STILLS = "drives/carnd_images/lanelines_960x540"
# name: rows of border above and below
NETWORKS = {
    "twinlitenet_cv46": 0,
    "twinlitenetplus_small_cv46": 12,
    "twinlitenetplus_nano_cv46": 12,
}
W, H = 640, 360


def pictures():
    """Every tenth frame of the drive, then the stills by name."""
    video = cv2.VideoCapture(str(ASSETS / VIDEO))
    index = 0
    while True:
        ok, img = video.read()
        if not ok:
            break
        if index % 10 == 0:
            yield {"file": VIDEO, "frame": index}, img
        index += 1
    for path in sorted(glob.glob(str(ASSETS / STILLS / "*.jpg"))):
        yield {"file": f"{STILLS}/{os.path.basename(path)}", "frame": -1}, cv2.imread(path)


def masks(net, img, pad):
    x = cv2.resize(img, (W, H), interpolation=cv2.INTER_LINEAR)
    if pad:
        x = cv2.copyMakeBorder(x, pad, pad, 0, 0, cv2.BORDER_CONSTANT, value=(114, 114, 114))
    net.setInput(cv2.dnn.blobFromImage(x, 1 / 255.0, swapRB=True))
    da, ll = net.forward(("da", "ll"))
    return [o[0, 1, pad : pad + H] > o[0, 0, pad : pad + H] for o in (da, ll)]


def main():
    cv2.setNumThreads(2)
    listed = []
    for name, pad in NETWORKS.items():
        net = cv2.dnn.readNet(str(ASSETS / "networks" / f"{name}.onnx"))
        packed = bytearray()
        listed = []
        for about, img in pictures():
            listed.append({**about, "width": img.shape[1], "height": img.shape[0]})
            for mask in masks(net, img, pad):
                packed += np.packbits(mask, axis=1).tobytes()
        with open(HERE / f"lanes_{name}.gz", "wb") as raw:
            with gzip.GzipFile("", "wb", 9, raw, 0) as out:
                out.write(bytes(packed))
        print(name, len(listed), "pictures")
    about = {"cv2": cv2.__version__, "width": W, "height": H, "pictures": listed}
    (HERE / "lanes.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
