#!/usr/bin/env python3
"""A plain loop over a video or an RTSP stream: read, forward, draw.

This is what a pipeline is compared with: OpenCV's own functions one after the
other, on one thread of Python, with as many threads in OpenCV as it likes.

    plain_loop.py SOURCE CFG WEIGHTS WIDTH HEIGHT [--ages FILE] [--seconds N]

It prints one JSON object: frames, seconds, frames a second. With --ages it also
writes a line for each frame: seconds since the first frame was there, and the
frame's age then, in milliseconds. A frame's age is how much later it was done
than the stream's clock says, plus nothing: the freshest frame of the run is taken
to be as old as its own work took.
"""
import argparse
import json
import time

import cv2
import numpy as np

p = argparse.ArgumentParser()
p.add_argument("source")
p.add_argument("cfg")
p.add_argument("weights")
p.add_argument("width", type=int)
p.add_argument("height", type=int)
p.add_argument("--ages")
p.add_argument("--seconds", type=float, default=1e9)
a = p.parse_args()

net = cv2.dnn.readNetFromDarknet(a.cfg, a.weights)
names = net.getUnconnectedOutLayersNames()
video = cv2.VideoCapture(a.source)
if not video.isOpened():
    raise SystemExit(f"plain_loop.py: {a.source} does not open")
frames, first, rows = 0, None, []
while True:
    ok, image = video.read()
    if not ok:
        break
    begun = time.monotonic()
    if first is None:
        first = begun
    blob = cv2.dnn.blobFromImage(image, 1 / 255, (a.width, a.height), swapRB=True)
    net.setInput(blob)
    found = np.vstack(net.forward(names))
    scores = found[:, 5:].max(axis=1)
    found = found[scores > 0.3]
    scores = scores[scores > 0.3]
    h, w = image.shape[:2]
    boxes = [[int((x - bw / 2) * w), int((y - bh / 2) * h), int(bw * w), int(bh * h)] for x, y, bw, bh in found[:, :4]]
    for i in np.array(cv2.dnn.NMSBoxes(boxes, scores.tolist(), 0.3, 0.45)).flatten():
        x, y, bw, bh = boxes[i]
        cv2.rectangle(image, (x, y), (x + bw, y + bh), (0, 255, 0), 2)
    frames += 1
    done = time.monotonic()
    rows.append((done, done - begun, video.get(cv2.CAP_PROP_POS_MSEC) / 1000))
    if done - first > a.seconds:
        break
took = rows[-1][0] - first
if a.ages:
    # How late each frame is by the stream's clock, from the least late one.
    late = [done - pts for done, _, pts in rows]
    least = min(range(len(rows)), key=lambda i: late[i])
    with open(a.ages, "w") as f:
        for (done, work, pts), behind in zip(rows, late):
            f.write(f"{done - first:.4f} {1000 * (behind - late[least] + rows[least][1]):.2f}\n")
print(json.dumps({"frames": frames, "seconds": round(took, 3), "fps": round(frames / took, 2)}))
