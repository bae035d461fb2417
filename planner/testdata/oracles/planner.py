#!/usr/bin/env python3
"""Golden values for the planner's closed forms, in plain Python.

Writes planner.json beside itself:
  quintics  coefficients from the six boundary conditions, solved exactly with
            fractions (Gauss-Jordan), and value, first and second derivative;
  drivers   accelerations of the improved Intelligent Driver Model, straight
            from the three cases in Treiber and Kesting, Traffic Flow Dynamics;
  bends     curvature of an offset path beside a cubic, by finite differences
            of its points, with nothing of Frenet's formulas in it;
  lanes     points of the curve that runs beside a cubic along its normal.

Run: python3 planner/testdata/oracles/planner.py
"""
import json
import math
import pathlib
from fractions import Fraction as F


def solve(rows):
    n = len(rows)
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(n):
            if r != i:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i])]
    return [r[n] for r in rows]


def quintic(d, d1, d2, target, length):
    d, d1, d2, target, l = map(F, (d, d1, d2, target, length))

    def row(order, s, value):
        out = []
        for k in range(6):
            c = F(1)
            for j in range(order):
                c *= k - j
            out.append(c * s ** (k - order) if k >= order else F(0))
        return out + [value]

    return solve([
        row(0, F(0), d), row(1, F(0), d1), row(2, F(0), d2),
        row(0, l, target), row(1, l, F(0)), row(2, l, F(0)),
    ])


def value(c, s, order=0):
    total = F(0)
    for k in range(order, 6):
        f = F(1)
        for j in range(order):
            f *= k - j
        total += f * c[k] * F(s) ** (k - order)
    return float(total)


def driver(v, v0, gap, closing, s0, gap_time, a, b, delta=4):
    star = s0 + max(0.0, v * gap_time + v * closing / (2 * math.sqrt(a * b)))
    z = star / gap if gap is not None else 0.0
    if v <= v0:
        free = a * (1 - (v / v0) ** delta)
        if z >= 1:
            return a * (1 - z * z)
        return free * (1 - z ** (2 * a / free)) if free > 0 else 0.0
    free = -b * (1 - (v0 / v) ** (a * delta / b))
    return free + a * (1 - z * z) if z >= 1 else free


def walk(c, start, lengths):
    """x on the cubic c at arc lengths from x = start, by fine midpoint steps."""
    x, s, out = start, 0.0, []
    slope = lambda x: c[1] + x * (2 * c[2] + x * 3 * c[3])
    for goal in lengths:
        n = 2000
        h = (goal - s) / n
        for _ in range(n):
            mid = x + h / 2 / math.hypot(1, slope(x))
            x += h / math.hypot(1, slope(mid))
        s = goal
        out.append(x)
    return out


def beside(c, x, d):
    y = c[0] + x * (c[1] + x * (c[2] + x * c[3]))
    t = math.atan(c[1] + x * (2 * c[2] + x * 3 * c[3]))
    return x - d * math.sin(t), y + d * math.cos(t)


def bend(c, start, q, s):
    """Curvature through three near points of the offset path: Menger's."""
    h = 1e-2
    ss = [s - h, s, s + h]
    xs = walk(c, start, ss)
    p = [beside(c, x, value(q, t)) for x, t in zip(xs, ss)]
    (x0, y0), (x1, y1), (x2, y2) = p
    area2 = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    a, b, cc = math.dist(p[0], p[1]), math.dist(p[1], p[2]), math.dist(p[0], p[2])
    return 2 * area2 / (a * b * cc)


QUINTICS = [(0, 0, 0, 1.8, 30), (-0.4, 0.05, 0.002, 0, 75), (1.5, -0.2, 0.01, -1.8, 10), (0.25, 0.125, -0.015625, 0.25, 16)]
CUBICS = [(1.8, 0.02, 0.002, 0.0), (-1.5, -0.1, -0.003, 0.00004), (0.2, 0.0, 0.0, 0.0)]


def main():
    out = {"quintics": [], "drivers": [], "bends": [], "lanes": []}
    for q in QUINTICS:
        c = quintic(*q)
        out["quintics"].append({
            "from": q, "c": [float(v) for v in c],
            "at": [[q[4] * k / 8, *(value(c, q[4] * F(k, 8), o) for o in range(3))] for k in range(9)],
        })
    for v in (0.0, 5.0, 24.9, 25.0, 31.0):
        for gap in (None, 3.0, 20.0, 60.0):
            for closing in (-4.0, 0.0, 8.0):
                out["drivers"].append([v, gap, closing, driver(v, 25.0, gap, closing, 4.5, 1.8, 1.5, 2.0)])
    for cubic in CUBICS:
        for q in QUINTICS:
            c = quintic(*q)
            for share in (0.1, 0.35, 0.8):
                s = q[4] * share
                out["bends"].append({"cubic": cubic, "from": q, "s": s, "kappa": bend(cubic, 0.0, c, s)})
    for cubic in CUBICS:
        for offset in (-1.8, 0.0, 1.8):
            out["lanes"].append({"cubic": cubic, "offset": offset, "points": [beside(cubic, x, offset) for x in range(0, 101)]})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
