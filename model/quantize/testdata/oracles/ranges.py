"""Ranges of values by NumPy: python model/quantize/testdata/oracles/ranges.py

Counts 4096 bins of a few samples and chooses ranges from them, written from the
definitions and independently of the Go code: percentile by the cumulative sum,
the squared error and the divergence of every range that is tried.
"""
import json
import os

import numpy as np

BINS = 4096


def codes(low, high):
    scale = np.float32((high - low) / 255)
    zero = np.clip(np.rint(-low / np.float64(scale)), 0, 255)
    return np.float64(scale), zero


def percentile(counts, edges, p):
    out = np.floor(counts.sum() * (1 - p / 100))
    low = edges[np.argmax(np.cumsum(counts) > out)]
    high = edges[BINS - np.argmax(np.cumsum(counts[::-1]) > out)]
    return min(low, 0), max(high, 0)


def squared(counts, edges, low, high, act):
    x = (edges[:-1] + edges[1:]) / 2
    scale, zero = codes(low, high)
    q = np.clip(np.rint(x / scale) + zero, 0, 255)
    return float((counts * (act(scale * (q - zero)) - act(x)) ** 2).sum())


def divergence(counts, start, end):
    if not counts[start:end].any():
        return None  # infinite: no code tells anything
    p = counts[start:end].astype(float)
    inner = p.copy()
    p[0] += counts[:start].sum()
    p[-1] += counts[end:].sum()
    q = np.zeros_like(inner)
    bounds = [s * len(inner) // 256 for s in range(257)]
    for a, b in zip(bounds, bounds[1:]):
        used = inner[a:b] > 0
        if used.any():
            q[a:b][used] = inner[a:b].sum() / used.sum()

    def smoothed(v):
        zeros = (v == 0).sum()
        v = np.where(v == 0, 1e-4, v - 1e-4 * zeros / max(len(v) - zeros, 1))
        return v / v.sum()

    p, q = smoothed(p), smoothed(q)
    return float((p * np.log(p / q)).sum())


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def main():
    rng = np.random.default_rng(7)
    samples = {
        "normal": rng.normal(0, 1, 20000),
        "relu of normal with outliers": np.concatenate([np.maximum(rng.normal(0, 1, 20000), 0), [30, 42.5]]),
        "laplace moved up": rng.laplace(2, 1, 20000),
        "mostly one value": np.concatenate([np.full(5000, 0.25), rng.normal(0, 0.01, 500)]),
        "all far from 0": rng.uniform(4, 5, 2000),
    }
    cases = []
    for name, x in samples.items():
        low, high = min(x.min(), 0.0), max(x.max(), 0.0)
        counts, edges = np.histogram(x, BINS, (low, high))
        case = {"name": name, "low": low, "high": high, "counts": {int(i): int(c) for i, c in enumerate(counts) if c}}
        case["percentile"] = [{"p": p, "range": percentile(counts, edges, p)} for p in (99.999, 99.99, 99, 90)]
        tried = [(low * a, high * b) for a, b in [(1, 1), (0.5, 0.5), (0.25, 0.9), (1, 0.1)]]
        case["squared"] = [{"range": r, "linear": squared(counts, edges, *r, lambda v: v),
                            "leaky": squared(counts, edges, *r, leaky)} for r in tried]
        zero = min(int(np.floor(-low / ((high - low) / BINS))), BINS - 1)
        spans = [(int(zero - zero * s), int(zero + (BINS - zero) * s)) for s in (1, 0.5, 0.25)]
        case["divergence"] = [{"from": a, "to": b, "is": divergence(counts, a, b)} for a, b in spans]
        cases.append(case)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ranges.json")
    with open(path, "w") as f:
        json.dump(cases, f, indent=None, separators=(",", ":"))
        f.write("\n")


main()
