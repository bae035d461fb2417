#!/usr/bin/env python3
"""Golden values for bench/stats, by SciPy and NumPy.

Writes stats.json beside itself:
  miss_rates   Clopper-Pearson intervals, by scipy.stats.binomtest;
  counts       the ratio of two Poisson rates given their sum, by the same;
  betas        quantiles of beta distributions, whole and of parts of frames;
  ranks        the order statistics that bound a quantile, by the quantiles of
               the binomial distribution, and their exact chances;
  quantiles    numpy.quantile, linear;
  quantile_intervals  interpolated ones of 1, 2, ... n, from Nyblom's formula
               and binomial chances;
  frames       how many frames a bound needs, by the binomial distribution;
  ljung_box    the statistic on mid-ranks and its p value, written out, as there
               is none in SciPy;
  signed_ranks the Hodges-Lehmann estimate and the interval, from Walsh averages
               and all 2^n signs (n <= 14), and where there are no ties the same
               by inverting scipy.stats.wilcoxon;
  means        the interval of scipy.stats.ttest_1samp.

Run: python3 bench/stats/testdata/oracles/stats.py
"""
import itertools
import json
import math
import pathlib

import numpy as np
from scipy import stats

rng = np.random.default_rng(8)


def interval(misses, n, level):
    ci = stats.binomtest(misses, n).proportion_ci(level, "exact")
    return [float(ci.low), float(ci.high)]


def miss_rates():
    cases = [(0, 1), (1, 1), (0, 100), (1, 100), (50, 100), (99, 100), (0, 4603), (1, 6636), (3, 10000), (20, 20000), (700, 100000)]
    return [{"misses": k, "n": n, "level": l, "want": interval(k, n, l)} for k, n in cases for l in (.9, .95, .99)]


def counts():
    out = []
    for b, nb, h, nh, l in [(0, 1000, 5, 1000, .95), (5, 1000, 0, 1000, .95), (3, 1000, 12, 1000, .98), (10, 2000, 10, 1000, .99), (40, 9000, 55, 8000, .9)]:
        low, high = interval(h, b + h, l)
        times = lambda s: None if s == 1 else s / (1 - s) * nb / nh
        out.append({"base": [b, nb], "head": [h, nh], "level": l, "want": [times(low), times(high)]})
    return out


def betas():
    return [{"a": a, "b": b, "p": p, "want": float(stats.beta.ppf(p, a, b))}
            for a, b in [(1, 1), (1, 4603), (2, 6635), (.5, 30), (3.7, 812.4), (51, 50), (21, 19980), (9.3, 9990.7)]
            for p in (.001, .005, .025, .5, .975, .995)]


def ranks():
    """The greatest r with P(Bin(n, q) < r) <= tail, and that chance."""
    out = []
    for n, q in [(20, .5), (100, .5), (500, .99), (2000, .5), (4603, .999), (10000, .99), (20000, .999)]:
        for tail in (.005, .025, .05):
            r = int(stats.binom.ppf(tail, n, q))  # P(Bin <= r) >= tail
            while stats.binom.cdf(r, n, q) <= tail:
                r += 1
            while r > 0 and stats.binom.cdf(r - 1, n, q) > tail:
                r -= 1
            out.append({"n": n, "q": q, "tail": tail, "rank": r, "chance": float(stats.binom.cdf(r - 1, n, q))})
    return out


def quantiles():
    x = np.sort(rng.standard_t(3, 37))
    return {"x": x.tolist(), "at": [0, .1, .25, .5, .9, .99, 1], "want": np.quantile(x, [0, .1, .25, .5, .9, .99, 1]).tolist()}


def lower(n, q, tail):
    """Nyblom's interpolated lower bound of the ranks 1, 2, ... n; None without one."""
    chance = lambda r: stats.binom.cdf(r - 1, n, q)
    if chance(1) > tail:
        return None
    r = 1
    while r < n and chance(r + 1) <= tail:
        r += 1
    if r == n:
        return float(n)
    share = 1 / (1 + r * (1 - q) * (chance(r + 1) - tail) / ((n - r) * q * (tail - chance(r))))
    return float(r + share)


def quantile_intervals():
    out = []
    for n, q in [(10, .5), (37, .5), (100, .9), (300, .99), (500, .99), (6000, .999)]:
        for level in (.9, .95, .98):
            low, high = lower(n, q, (1 - level) / 2), lower(n, 1 - q, (1 - level) / 2)
            out.append({"n": n, "q": q, "level": level, "want": [low, None if high is None else n + 1 - high]})
    return out


def frames():
    out = []
    for q, level, above in [(.5, .95, 0), (.9, .95, 3), (.99, .99, 0), (.99, .95, 1), (.999, .95, 0), (.999, .99, 0), (.999, .99, 1), (.999, .99, 5), (.9999, .99, 2)]:
        p = 1 - q
        n = above + 1
        step = 1 << 20
        while step:  # the chance falls with n
            while stats.binom.cdf(above, n + step - 1, p) > 1 - level:
                n += step
            step //= 2
        while stats.binom.cdf(above, n, p) > 1 - level:
            n += 1
        out.append({"q": q, "level": level, "above": above, "want": n})
    return out


def ljung_box():
    out = []
    for name, n, rho in [("independent", 200, 0), ("alike", 300, .3), ("tied", 150, .2), ("infinite", 120, .4)]:
        e = rng.standard_t(2, n)
        x = np.zeros(n)
        for i in range(n):
            x[i] = rho * (x[i - 1] if i else 0) + e[i]
        if name == "tied":
            x = np.round(x)
        ranks = stats.rankdata(np.where(x > 4, 1e9, x) if name == "infinite" else x)
        d = ranks - ranks.mean()
        lags = min(20, n // 5)
        r = [float((d[k:] * d[:-k]).sum() / (d * d).sum()) for k in range(1, lags + 1)]
        q = n * (n + 2) * sum(v * v / (n - k) for k, v in enumerate(r, 1))
        series = ["inf" if name == "infinite" and v > 4 else float(v) for v in x]
        out.append({"name": name, "x": [str(v) for v in series], "lags": lags, "lag1": r[0], "statistic": float(q), "p": float(stats.chi2.sf(q, lags))})
    return out


def signed_ranks():
    out = []
    for name, n, level in [("six", 6, .95), ("eight", 8, .99), ("twelve", 12, .95), ("fourteen", 14, .98), ("tied", 12, .9)]:
        x = rng.standard_t(3, n) * 3 + 1
        if name == "tied":
            x = np.round(x)
        walsh = np.sort([(x[i] + x[j]) / 2 for i in range(n) for j in range(i + 1)])
        sums = np.sort([sum(s) for s in itertools.product(*[(0, i) for i in range(1, n + 1)])])
        tail = (1 - level) / 2
        c = 0  # the greatest with P(T < c) <= tail
        while (sums < c + 1).mean() <= tail:
            c += 1
        low, high = float(walsh[c - 1]), float(walsh[-c])
        if name != "tied":
            for inside, edge, out_ in ((low + 1e-6, low, low - 1e-6), (high - 1e-6, high, high + 1e-6)):
                assert stats.wilcoxon(x - inside, method="exact").pvalue > 1 - level
                assert stats.wilcoxon(x - out_, method="exact").pvalue <= 1 - level
        out.append({"name": name, "x": x.tolist(), "level": level, "want": [low, float(np.median(walsh)), high]})
    return out


def means():
    out = []
    for n, level in [(2, .95), (4, .998), (8, .998), (12, .95), (30, .99)]:
        x = rng.normal(.01, .02, n)
        ci = stats.ttest_1samp(x, 0).confidence_interval(level)
        out.append({"x": x.tolist(), "level": level, "want": [float(ci.low), float(x.mean()), float(ci.high)]})
    return out


golden = {f.__name__: f() for f in (miss_rates, counts, betas, ranks, quantiles, quantile_intervals, frames, ljung_box, signed_ranks, means)}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
