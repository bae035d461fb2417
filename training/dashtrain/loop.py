"""Steps, checkpoints and logs of a run, whatever it trains.

A run lives in a folder: run.json (what was asked for and, when it is done, what
came of it), loss.csv, accuracy.csv, curves.png, checkpoint.pt. A step depends
on the seed and its number alone, so a run that goes on from its checkpoint ends
as one that was never stopped.
"""

from __future__ import annotations

import csv
import json
import math
import os
import resource
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor, nn

from .optimizer import Optimizer

Parts = dict[str, float]


@dataclass
class Settings:
    """How a run is trained. samples is its whole length, whatever the machine."""

    samples: int
    batch: int = 16
    rate: float = 0.03  # of kernels, see optimizer
    decay: float = 0.02
    warmup: int = 100  # steps
    clip: float = 20.0  # norm of the gradient
    average: float = 0.998  # of the weights, over steps
    seed: int = 1
    precision: str = "auto"  # auto, fp32, bf16
    evaluations: int = 5  # in a run, the last one at its end
    save_s: float = 60.0  # between checkpoints
    log_steps: int = 20
    minutes: float = 0.0  # if not 0, samples is set from the speed of the first steps
    relative: bool = False  # updates in the size of each filter, see optimizer

    @property
    def steps(self) -> int:
        return max(1, self.samples // self.batch)


@dataclass
class Task:
    """What is trained: a batch for a step, its loss, and how well the averaged network does."""

    net: nn.Module
    batch: Callable[[int], Any]  # made ahead in one thread
    loss: Callable[[nn.Module, Any], tuple[Tensor, Parts]]
    accuracy: Callable[[nn.Module], Parts]
    extra: nn.Module | None = None  # trained with the network and not kept
    seen: Callable[[nn.Module], Parts] | None = None  # accuracy on training pictures, once, at the end
    details: dict[str, Any] = field(default_factory=dict)  # for run.json


class Average:
    """Exponential average of weights and statistics, quicker at the start."""

    def __init__(self, net: nn.Module, decay: float):
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        keep = self.decay * (1 - math.exp(-(step + 1) / 200))
        for k, v in net.state_dict().items():
            if v.dtype.is_floating_point:
                self.state[k].lerp_(v, 1 - keep)
            else:
                self.state[k].copy_(v)


class Stopped(Exception):
    """The run was asked to stop, and has written its checkpoint."""


def memory_mb() -> float:
    """Resident memory of this process, MB, without the pictures that it maps from the cache."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rate_at(step: int, s: Settings) -> float:
    """Linear warm-up, then half a cosine to a hundredth."""
    warm = min(s.warmup, s.steps // 10 + 1)
    if step < warm:
        return s.rate * (step + 1) / warm
    done = (step - warm) / max(1, s.steps - warm)
    return s.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1, done))) / 2)


def one_step(task: Task, batch: Any, opt: Optimizer, bf16: bool, clip: float) -> Parts:
    opt.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
        loss, parts = task.loss(task.net, batch)
    loss.backward()
    nn.utils.clip_grad_norm_([p for g in opt.param_groups for p in g["params"] if p.grad is not None], clip)
    opt.step()
    return {"loss": float(loss.detach())} | parts


def has_bf16() -> bool:
    """Whether the processor multiplies in bfloat16."""
    try:
        return any("bf16" in line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except OSError:
        return False


def faster_in_bf16(task: Task, s: Settings) -> bool:
    """Time a few steps in each precision, and put everything back as it was."""
    modules = [m for m in (task.net, task.extra) if m is not None]
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in modules]
    batch = task.batch(1)  # like most, where steps differ in size
    took = {}
    for bf16 in (False, True):
        opt = Optimizer(modules, 0.0, 0.0, bf16, s.relative)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            one_step(task, batch, opt, bf16, s.clip)
            times.append(time.perf_counter() - start)
        took[bf16] = min(times[1:])
    for m, state in zip(modules, before):
        m.load_state_dict(state)
    print(f"a step takes {took[False] * 1e3:.0f} ms in fp32, {took[True] * 1e3:.0f} ms in bf16", flush=True)
    return took[True] < 0.95 * took[False]


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    write(part)
    os.replace(part, path)


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, lambda p: p.write_text(json.dumps(value, indent=1) + "\n"))


def record(folder: Path) -> dict[str, Any]:
    """A run's record."""
    return json.loads((folder / "run.json").read_text())


def annotate(folder: Path, details: dict[str, Any]) -> None:
    """Add to the details in a run's record."""
    kept = record(folder)
    kept["details"] |= details
    write_json(folder / "run.json", kept)


def append(path: Path, row: dict[str, Any]) -> None:
    """A row at the end of a CSV; the first row gives the columns."""
    new = not path.is_file()
    with open(path, "a", newline="") as f:
        w = csv.DictWriter(f, list(row))
        if new:
            w.writeheader()
        w.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def drop_after(path: Path, step: int) -> None:
    """Cut off rows that a run wrote after its last checkpoint."""
    if not path.is_file():
        return
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    kept = [r for r in rows if int(r["step"]) <= step]
    if len(kept) == len(rows):
        return
    path.unlink()
    for r in kept:
        append(path, r)


def train(folder: Path, task: Task, s: Settings, fresh: bool = False, stop_at: int = 0) -> nn.Module:
    """Train task until its samples are used up; the network comes back with its averaged weights.

    A folder with a checkpoint goes on from it unless fresh. SIGTERM and SIGINT
    end the run with a checkpoint by raising Stopped; so does step stop_at,
    which is for tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    losses, accuracies = folder / "loss.csv", folder / "accuracy.csv"
    modules = [m for m in (task.net, task.extra) if m is not None]
    average = Average(task.net, s.average)
    step, wall, peak = 0, 0.0, memory_mb()
    if checkpoint.is_file() and not fresh:
        saved = torch.load(checkpoint)
        kept, asked = {"relative": False} | saved["settings"], asdict(s)
        differ = [k for k in ("batch", "rate", "seed", "average", "decay", "relative") if kept[k] != asked[k]]
        if not s.minutes and kept["samples"] != s.samples:
            differ.append("samples")
        if differ:
            raise ValueError(f"{folder}: its checkpoint was made with other {', '.join(differ)}: give the same ones, another --name, or --fresh")
        s = Settings(**kept)
        for m, state in zip(modules, saved["modules"]):
            m.load_state_dict(state)
        opt = Optimizer(modules, s.rate, s.decay, s.precision == "bf16", s.relative)
        opt.load_state_dict(saved["optimizer"])
        average.state, step, wall, peak = saved["average"], saved["step"], saved["wall_s"], max(peak, saved["peak_mb"])
        drop_after(losses, step), drop_after(accuracies, step)
        print(f"going on from step {step} of {s.steps}", flush=True)
    else:
        for old in (losses, accuracies, checkpoint):
            old.unlink(missing_ok=True)
        bf16 = s.precision == "bf16" or s.precision == "auto" and faster_in_bf16(task, s)
        s = Settings(**asdict(s) | {"precision": "bf16" if bf16 else "fp32"})
        opt = Optimizer(modules, s.rate, s.decay, bf16, s.relative)
        average = Average(task.net, s.average)
        if s.minutes:
            s.samples = samples_in(task, s, s.minutes * 60)
    bf16 = s.precision == "bf16"
    made = {"name": folder.name, "settings": asdict(s), "details": task.details, "command": " ".join(sys.argv), "done": False}
    write_json(folder / "run.json", made)

    asked_to_stop: list[int] = []
    previous = {k: signal.signal(k, lambda n, _: asked_to_stop.append(n)) for k in (signal.SIGTERM, signal.SIGINT)}
    begun, base, saved_at = time.perf_counter(), wall, time.perf_counter()
    evaluate_at = {round(s.steps * (k + 1) / s.evaluations) for k in range(s.evaluations)}
    worker = ThreadPoolExecutor(1)

    def keep() -> None:
        state = {
            "settings": asdict(s), "modules": [m.state_dict() for m in modules], "optimizer": opt.state_dict(),
            "average": average.state, "step": step, "wall_s": wall, "peak_mb": peak,
        }  # fmt: skip
        write_atomically(checkpoint, lambda p: torch.save(state, p))

    try:
        coming = worker.submit(task.batch, step)
        sums: Parts = {}
        logged, logged_at = step, time.perf_counter()
        while step < s.steps:
            batch = coming.result()
            coming = worker.submit(task.batch, step + 1)
            task.net.train()
            opt.set_rate(rate_at(step, s))
            parts = one_step(task, batch, opt, bf16, s.clip)
            if not math.isfinite(parts["loss"]):
                raise FloatingPointError(f"step {step}: the loss is {parts['loss']}: lower --rate")
            average.update(task.net, step)
            step += 1
            now = time.perf_counter()
            wall, peak = base + now - begun, max(peak, memory_mb())
            for k, v in parts.items():
                sums[k] = sums.get(k, 0.0) + v
            if step % s.log_steps == 0 or step == s.steps:
                steps = step - logged
                speed = steps * s.batch / (now - logged_at)
                row = {"step": step, "samples": step * s.batch, "wall_s": wall, "samples_per_s": speed, "rate": rate_at(step - 1, s), "peak_mb": peak}
                append(losses, row | {k: v / steps for k, v in sums.items()})
                left = (s.steps - step) * s.batch / max(speed, 1e-9) / 60
                print(f"{folder.name}  step {step}/{s.steps}  loss {sums['loss'] / steps:.3f}  {speed:.1f} samples/s  {left:.1f} min left", flush=True)
                sums, logged, logged_at = {}, step, now
            if step in evaluate_at and step < s.steps:
                result = accuracy(task, average)
                append(accuracies, {"step": step, "samples": step * s.batch, "wall_s": wall} | result)
                print(f"{folder.name}  " + "  ".join(f"{k} {v:.3f}" for k, v in result.items()), flush=True)
                logged_at += time.perf_counter() - now
            if asked_to_stop or step == stop_at:
                keep()
                raise Stopped(f"{folder.name} stopped at step {step} of {s.steps}; the same command goes on from there")
            if time.perf_counter() - saved_at > s.save_s:
                keep()
                saved_at = time.perf_counter()
        keep()
        coming.cancel()
    finally:
        worker.shutdown(wait=True)
        for k, handler in previous.items():
            signal.signal(k, handler)
    task.net.load_state_dict(average.state)
    task.net.eval()
    result = task.accuracy(task.net)
    drop_after(accuracies, s.steps - 1)
    append(accuracies, {"step": step, "samples": step * s.batch, "wall_s": wall} | result)
    print(f"{folder.name}  " + "  ".join(f"{k} {v:.3f}" for k, v in result.items()), flush=True)
    made |= {
        "done": True, "wall_s": round(wall, 1), "samples_per_s": round(step * s.batch / max(wall, 1e-9), 2),
        "peak_mb": round(peak), "held_out": result, "seen": task.seen(task.net) if task.seen else {},
    }  # fmt: skip
    write_json(folder / "run.json", made)
    return task.net


def accuracy(task: Task, average: Average) -> Parts:
    """The averaged network's accuracy, with the trained weights put back afterwards."""
    trained = {k: v.clone() for k, v in task.net.state_dict().items()}
    task.net.load_state_dict(average.state)
    task.net.eval()
    result = task.accuracy(task.net)
    task.net.load_state_dict(trained)
    task.net.train()
    return result


def samples_in(task: Task, s: Settings, seconds: float) -> int:
    """How many samples fit into a time, from the speed of a few steps that are then undone."""
    modules = [m for m in (task.net, task.extra) if m is not None]
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in modules]
    opt = Optimizer(modules, 0.0, 0.0, s.precision == "bf16", s.relative)
    times = []
    for k in range(7):
        start = time.perf_counter()
        one_step(task, task.batch(k), opt, s.precision == "bf16", s.clip)
        times.append(time.perf_counter() - start)
    for m, state in zip(modules, before):
        m.load_state_dict(state)
    return max(s.batch, int(seconds / (sum(times[1:]) / 6)) * s.batch)
