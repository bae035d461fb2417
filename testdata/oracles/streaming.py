"""Streaming accuracy of made-up runs, with numpy alone: writes streaming.json.

Each run has moments (a time in microseconds and objects) and answers (when the
picture was taken, when the answer was published, what was found). For each moment
the answer that counts is searched for among all, without sorting: of those that
were published by then the one on the newest picture, then the one that was
published last, then the last in the list. Average precision is computed here, too,
after COCO's rules for one range of area and no crowds. The same again with each
answer brought up to the moment: every box goes on with the velocity of its centre
and the growth of its sides that the answer gives, clipped to the picture.

    python3 testdata/oracles/streaming.py
"""

import json
import os

import numpy as np

rng = np.random.default_rng(7)
moved = np.random.default_rng(8)  # of velocities
FRAME = 33333  # microseconds
WIDTH, HEIGHT = 500, 360


def newest(t, captured, published):
    there = np.flatnonzero(published <= t)
    for key in (captured, published):
        if len(there) == 0:
            return -1
        there = there[key[there] == key[there].max()]
    return int(there[-1]) if len(there) else -1


def iou(a, b):
    """Of boxes x, y, w, h: rows of a with rows of b."""
    lo = np.maximum(a[:, None, :2], b[None, :, :2])
    hi = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    inter = np.prod(np.clip(hi - lo, 0, None), axis=2)
    return inter / (np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None] - inter)


def average_precision(images, classes):
    """images: pairs of truth (class x y w h) and found (class score x y w h)."""
    values = []
    for threshold in np.linspace(0.5, 0.95, 10):
        for c in range(classes):
            scores, right, objects = [], [], 0
            for truth, found in images:
                truth = np.array([r[1:] for r in truth if r[0] == c]).reshape(-1, 4)
                found = sorted((r[1:] for r in found if r[0] == c), key=lambda r: -r[0])
                objects += len(truth)
                free = np.ones(len(truth), bool)
                for r in found:
                    fits = iou(np.array([r[1:]]), truth)[0] * free if len(truth) else np.zeros(0)
                    best = int(fits.argmax()) if len(fits) else -1
                    hit = best >= 0 and fits[best] >= threshold
                    if hit:
                        free[best] = False
                    scores.append(r[0])
                    right.append(hit)
            if objects == 0:
                continue
            order = np.argsort(-np.array(scores), kind="stable")
            tp = np.cumsum(np.array(right, float)[order])
            precision = tp / np.arange(1, len(tp) + 1)
            recall = tp / objects
            precision = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
            values.append((threshold, np.where(at < len(precision), np.append(precision, 0)[np.minimum(at, len(precision))], 0).mean()))
    values = np.array(values)
    return float(values[:, 1].mean()), float(values[values[:, 0] == 0.5, 1].mean())


def ahead(answer, t):
    """What an answer's boxes are at time t."""
    out = []
    s = (t - answer["captured"]) / 1e6
    for (c, score, x, y, w, h), (vx, vy, vw, vh) in zip(answer["found"], answer["moves"]):
        w2, h2 = w + vw * s, h + vh * s
        x0, y0 = x + vx * s - (w2 - w) / 2, y + vy * s - (h2 - h) / 2
        x1, y1 = np.clip(x0 + w2, 0, WIDTH), np.clip(y0 + h2, 0, HEIGHT)
        x0, y0 = np.clip(x0, 0, WIDTH), np.clip(y0, 0, HEIGHT)
        if w2 > 0 and h2 > 0 and x1 > x0 and y1 > y0:
            out.append([c, score, x0, y0, x1 - x0, y1 - y0])
    return out


def run():
    """A few objects that move and answers that are late, missing, twice there or out of order."""
    objects = [(int(rng.integers(2)), rng.uniform([50, 50, 20, 20], [400, 250, 90, 90]), rng.uniform(-6, 6, 2)) for _ in range(4)]
    place = lambda o, i: [float(v) for v in np.round(np.append(o[1][:2] + o[2] * i, o[1][2:]), 2)]
    moments, answers = [], []
    for i in range(24):
        t = i * FRAME
        moments.append({"at": t, "truth": [[o[0], *place(o, i)] for o in objects]})
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            latency = int(rng.choice([0, FRAME, rng.integers(1, 4 * FRAME)]))
            found, moves = [], []
            for o in objects:
                if rng.random() < 0.85:
                    box = np.round(np.array(place(o, i)) + rng.normal(0, 1.5, 4), 2)
                    found.append([o[0], round(float(rng.random()), 6), *map(float, box)])
                    rates = np.append(o[2] * 30, [0, 0]) + moved.normal(0, [20, 20, 15, 15])
                    moves.append([round(float(v), 3) for v in rates])
            answers.append({"captured": t, "published": t + latency, "found": found, "moves": moves})
    rng.shuffle(answers)
    captured = np.array([a["captured"] for a in answers])
    published = np.array([a["published"] for a in answers])
    used = [newest(m["at"], captured, published) for m in moments]
    images = [(m["truth"], answers[u]["found"] if u >= 0 else []) for m, u in zip(moments, used)]
    ap, ap50 = average_precision(images, 2)
    images = [(m["truth"], ahead(answers[u], m["at"]) if u >= 0 else []) for m, u in zip(moments, used)]
    ahead_ap, ahead_ap50 = average_precision(images, 2)
    return {
        "moments": moments, "answers": answers, "used": used, "ap": ap, "ap50": ap50,
        "width": WIDTH, "height": HEIGHT, "ahead_ap": ahead_ap, "ahead_ap50": ahead_ap50,
    }


out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "streaming.json")
with open(out, "w") as f:
    json.dump([run() for _ in range(6)], f, separators=(",", ":"))
    f.write("\n")
