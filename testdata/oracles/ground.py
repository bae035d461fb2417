#!/usr/bin/python3
"""The lens and the road plane as OpenCV computes them.

For a calibrated camera (its published numbers stand below) in several
mountings, writes ground.json beside itself: points on the road with the pixel
that cv2.projectPoints gives, and distorted pixels with the ideal direction that
cv2.undistortPointsIter gives. Pixels are OpenCV's: (0, 0) is the centre of the
top-left pixel.

Run: /usr/bin/python3 testdata/oracles/ground.py
"""
import json
import pathlib

import cv2
import numpy as np

W, H = 1280, 720
FX, FY, CX, CY = 1156.9403474747762, 1152.1386922571314, 665.9485959405619, 388.78517910064295
K1, K2, P1, P2, K3 = (
    -0.23763662063480342, -0.08541292180012745, -0.0007909559596063361,
    -0.00011590872258452942, 0.10574129135833475,
)
K = np.array([[FX, 0, CX], [0, FY, CY], [0, 0, 1]])
DIST = np.array([K1, K2, P1, P2, K3])
# height above the road (m), pitch down, yaw left, roll right side down (degrees)
MOUNTS = [(1.3, 0, 0, 0), (1.3, 4, 0, 0), (1.6, -2, 3, 0), (2.2, 8, -5, 2), (1.0, 1.5, 0, -4)]


def axis(v, degrees):
    """Right-hand rotation about v, as Rodrigues gives it."""
    return cv2.Rodrigues(np.array(v, float) * np.deg2rad(degrees))[0]


def pose(height, pitch, yaw, roll):
    """rvec and tvec that take vehicle coordinates to OpenCV's camera."""
    base = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float)
    mount = axis([0, 0, 1], yaw) @ axis([0, 1, 0], pitch) @ axis([1, 0, 0], roll)
    r = base @ mount.T
    return cv2.Rodrigues(r)[0], -r @ np.array([0, 0, height], float)


def main():
    rng = np.random.default_rng(7)
    mounts = []
    for mount in MOUNTS:
        rvec, tvec = pose(*mount)
        road = np.column_stack([rng.uniform(6, 80, 40), np.zeros(40), np.zeros(40)])
        road[:, 1] = rng.uniform(-0.35, 0.35, 40) * road[:, 0]
        road = road.round(6)
        px, _ = cv2.projectPoints(road, rvec, tvec, K, DIST)
        mounts.append({
            "height_m": mount[0], "pitch": mount[1], "yaw": mount[2], "roll": mount[3],
            "ground": road[:, :2].tolist(),
            "pixels": px[:, 0].round(6).tolist(),
        })
    px = np.column_stack([rng.uniform(0, W, 100), rng.uniform(0, H, 100)]).round(3)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-13)
    ideal = cv2.undistortPointsIter(px[:, None], K, DIST, None, None, stop)[:, 0]
    out = {
        "cv2": cv2.__version__,
        "width": W, "height": H, "fx": FX, "fy": FY, "cx": CX, "cy": CY,
        "k1": K1, "k2": K2, "p1": P1, "p2": P2, "k3": K3,
        "mounts": mounts,
        "undistort": {"pixels": px.tolist(), "ideal": np.round(ideal, 9).tolist()},
    }
    path = pathlib.Path(__file__).resolve().with_suffix(".json")
    path.write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
