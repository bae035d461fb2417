"""Curves of a run, the table of all runs, and model cards."""

from __future__ import annotations

import csv
import json
from pathlib import Path



def rows(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with open(path, newline="") as f:
        return [{k: float(v) for k, v in r.items()} for r in csv.DictReader(f)]


def curves(folder: Path) -> None:
    """Loss and accuracy over samples, as curves.png in the run's folder; nothing where there is no matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    losses, accuracies = rows(folder / "loss.csv"), rows(folder / "accuracy.csv")
    if not losses:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    about = {"step", "samples", "wall_s", "samples_per_s", "rate", "peak_mb"}
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


def runs(out: Path) -> list[dict]:
    """The records of all finished runs, by name."""
    records = [json.loads(p.read_text()) for p in sorted(out.glob("*/run.json"))]
    return [r for r in records if r.get("done")]


def accuracy(found: dict[str, float]) -> str:
    """The one or two figures that a table shows of an accuracy."""
    return ", ".join(f"{title} {found[key]:.3f}" for key, title in (("ap50", "AP50"), ("lane_f1", "F1"), ("drivable_iou", "IoU")) if key in found)


def table(records: list[dict]) -> str:
    """Markdown: what each run cost and what came of it."""
    lines = [
        "| run | width | input | parameters | file, bytes | samples | time, min | samples/s | memory, MB | seen pictures | held-out seeds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in records:
        d, s = r["details"], r["settings"]
        cells = [
            r["name"], f"{d['width']:g}" if "width" in d else "", "x".join(map(str, d["input"])), f"{d['parameters']:,}",
            f"{d.get('file_bytes', 0):,}", f"{s['samples']:,}", f"{r['wall_s'] / 60:.1f}", f"{r['samples_per_s']:.1f}",
            f"{r['peak_mb']:,}", accuracy(r["seen"]), accuracy(r["held_out"]),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def card(r: dict) -> str:
    """The facts of a model card, as the run's record has them. What a person has seen of its weaknesses is added by hand."""
    d, s = r["details"], r["settings"]
    text = [
        f"# {r['name']}\n",
        f"- Topology: {d['topology']}" + (f", width {d['width']:g}" if d.get("width") else "") + f", input {d['input'][0]}x{d['input'][1]}, RGB / 255, plainly stretched",
        f"- Size: {d['parameters']:,} parameters, {d.get('file_bytes', 0):,} bytes" + (f", sha256 {d['sha256']}" if "sha256" in d else ""),
        f"- Data: {d['training_pictures']:,} synthetic pictures (digest {d['training_digest']}); held out {d['held_out_pictures']:,} of other seeds (digest {d['held_out_digest']})",
        f"- Recipe: {s['samples']:,} samples in batches of {s['batch']}, Muon and AdamW at {s['rate']:g}, cosine, seed {s['seed']}, {s['precision']}, weights averaged at {s['average']:g}" + (f", taught by {d['teacher']}" if d.get("teacher") else ""),
        f"- Training: {r['wall_s'] / 60:.1f} minutes, {r['samples_per_s']:.1f} samples/s, {r['peak_mb']:,} MB, {d.get('threads', '?')} threads",
        f"- Accuracy, by the recipe's own plain evaluator: seen pictures {accuracy(r['seen'])}; held-out seeds {accuracy(r['held_out'])}",
    ]  # fmt: skip
    weakest = sorted((v, k) for k, v in r["held_out"].items() if k in d["classes"])[:3]
    if weakest:
        text.append("- Weakest classes, held-out AP50: " + ", ".join(f"{k} {v:.3f}" for v, k in weakest))
    text.append("- Trained on synthetic pictures alone: it knows no real road.")
    return "\n".join(text) + "\n"
