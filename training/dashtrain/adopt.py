"""A finished run becomes a network that the program knows by name: its files and
its card go to testdata/networks, its description to the catalogue."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from . import report

NETWORKS, CATALOG = Path("testdata/networks"), Path("model/catalog/networks")


def described(name: str, summary: str, record: dict, files: list[tuple[str, Path]]) -> str:
    """The description, as model/catalog reads it."""
    lanes = record["details"]["topology"] == "lanes"
    width, height = record["details"]["input"]
    lines = [
        f"name: {name}", f"summary: {summary}", f"task: {'lanes' if lanes else 'detect'}", f"format: {'onnx' if lanes else 'darknet'}",
        "files:",
    ]  # fmt: skip
    for role, path in files:
        data = path.read_bytes()
        lines += [f"  - role: {role}", f"    path: {path.name}", f"    sha256: {hashlib.sha256(data).hexdigest()}", f"    bytes: {len(data)}"]
    lines += [
        "input:", f"  width: {width}", f"  height: {height}", "  resize: stretch", "  color: rgb", "  mean: [0, 0, 0]",
        "  scale: [0.00392156862745098, 0.00392156862745098, 0.00392156862745098] # 1/255",
        "decode:", f"  kind: {'twinlite' if lanes else 'yolo'}",
    ]  # fmt: skip
    if not lanes:
        lines.append("classes: [" + ", ".join(record["details"]["classes"]) + "]")
    lines += ["license: Apache-2.0", f"source: made by this project, see testdata/networks/{name}.md"]
    return "\n".join(lines) + "\n"


def adopt(folder: Path, name: str, summary: str) -> list[Path]:
    """Copy a run's network, card and curves, and describe it. What a person added to an older card stays."""
    record = next((r for r in report.runs(folder.parent) if r["name"] == folder.name), None)
    if record is None:
        raise ValueError(f"{folder}: there is no finished run: train it to its end first")
    NETWORKS.mkdir(parents=True, exist_ok=True)
    ends = {".onnx": "model"} if record["details"]["topology"] == "lanes" else {".cfg": "config", ".weights": "weights"}
    files = []
    for end, role in ends.items():
        files.append((role, NETWORKS / (name + end)))
        shutil.copyfile(folder / (folder.name + end), files[-1][1])
    report.curves(folder)
    curves = NETWORKS / f"{name}-training.png"
    shutil.copyfile(folder / "curves.png", curves)
    card = NETWORKS / f"{name}.md"
    mark = "\n<!-- by hand from here on -->\n"
    by_hand = card.read_text().partition(mark)[2] if card.is_file() else ""
    card.write_text(report.card({**record, "name": name}) + f"- Command: `{record['command']}`\n\n![Loss and held-out accuracy over samples]({curves.name})\n" + mark + by_hand)
    description = CATALOG / f"{name}.yaml"
    description.write_text(described(name, summary, record, files))
    return [path for _, path in files] + [curves, card, description]
