#!/usr/bin/env python3
"""Optimal assignments by SciPy's linear_sum_assignment, for the tracker's own.

Writes assign.json beside itself: cases of a cost matrix (row-major), a limit,
and the least sum of costs where a row or column of the smaller side that has no
pair costs the limit. The costs are multiples of 1/64 below 2, so that sums are
exact. Of equally good assignments any will do, so the sum alone is compared.

Run: python3 detect/track/testdata/oracles/assign.py  (needs numpy and scipy)
"""
import json
import pathlib

import numpy as np
from scipy.optimize import linear_sum_assignment

rng = np.random.default_rng(7)
cases = []
shapes = [(1, 1), (1, 7), (7, 1), (4, 4), (5, 9), (9, 5), (16, 16), (12, 40), (40, 12), (30, 31), (50, 50)]
for rows, cols in shapes:
    for kind in ("any", "few values", "sparse"):
        if kind == "any":
            cost = rng.integers(0, 128, (rows, cols))
        elif kind == "few values":  # many equally good assignments
            cost = 16 * rng.integers(0, 4, (rows, cols))
        else:  # what boxes give: most pairs do not overlap
            cost = np.where(rng.random((rows, cols)) < 0.15, rng.integers(0, 64, (rows, cols)), 64)
        limit = int(rng.integers(30, 129))
        capped = np.minimum(cost, limit)
        i, j = linear_sum_assignment(capped)
        cases.append({
            "rows": rows, "cols": cols, "limit": limit,
            "cost": cost.flatten().tolist(), "sum": int(capped[i, j].sum()),
        })

out = {"unit": 64, "cases": cases}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
