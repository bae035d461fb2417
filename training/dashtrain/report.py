"""Curves of a run, the table of all runs, and model cards."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402


def rows(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with open(path, newline="") as f:
        return [{k: float(v) for k, v in r.items()} for r in csv.DictReader(f)]


def curves(folder: Path) -> None:
    """Loss and accuracy over samples, as curves.png in the run's folder."""
    losses, accuracies = rows(folder / "loss.csv"), rows(folder / "accuracy.csv")
    if not losses:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    about = {"step", "samples", "wall_s", "samples_per_s", "rate", "peak_rss_mb"}
    for key in (k for k in losses[0] if k not in about):
        left.plot([r["samples"] for r in losses], [r[key] for r in losses], label=key)
    left.set(title=f"{folder.name}: loss", xlabel="samples", yscale="log")
    left.legend()
    for key in (k for k in (accuracies[0] if accuracies else {}) if k not in about):
        right.plot([r["samples"] for r in accuracies], [r[key] for r in accuracies], marker="o", label=key)
    right.set(title="held-out accuracy", xlabel="samples", ylim=(0, 1.02))
    if accuracies:
        right.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(folder / "curves.png", dpi=80)
    plt.close(figure)
