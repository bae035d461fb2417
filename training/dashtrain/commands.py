"""What each command of train.py does."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import torch

from . import darknet, data, detector as labels, lanes as lanenet, lanetask, loop, report, topology
from .loss import quiet_heads

STOPPED = 3  # exit status of a run that was stopped and can go on


def prepare(args: Namespace) -> None:
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)


def settings(args: Namespace) -> loop.Settings:
    return loop.Settings(args.samples, args.batch, args.rate, seed=args.seed, precision=args.precision, evaluations=args.evaluations, minutes=args.minutes)


def dimensions(text: str) -> tuple[int, int]:
    try:
        width, height = (int(v) for v in text.lower().split("x"))
    except ValueError:
        raise ValueError(f"--input {text}: write it as WIDTHxHEIGHT, such as 384x224") from None
    return width, height


def folders(args: Namespace) -> tuple[data.Data, data.Data]:
    """Training and held-out samples, which must not be the same."""
    shared = {Path(p).resolve() for p in args.data} & {Path(p).resolve() for p in args.val}
    if shared:
        raise ValueError(f"{sorted(shared)[0]} is given to --data and to --val: held-out pictures must be of other seeds")
    training, held_out = data.load(args.data, args.cache, args.limit), data.load(args.val, args.cache)
    if training.classes != held_out.classes:
        raise ValueError("--data and --val have other classes: export both with the same program")
    print(f"{len(training)} pictures to train on, {len(held_out)} held out", flush=True)
    return training, held_out


def described(training: data.Data, held_out: data.Data, more: dict) -> dict:
    """What a run's record says about its data and its network."""
    return {
        "training_pictures": len(training), "training_digest": training.digest(),
        "held_out_pictures": len(held_out), "held_out_digest": held_out.digest(),
        "classes": training.classes,
    } | more  # fmt: skip


def about(net: darknet.Network, topology_: str, width: float) -> dict:
    return {
        "topology": topology_, "width": width, "input": [net.width, net.height],
        "parameters": darknet.parameters(net), "file_bytes": len(darknet.dump_weights(net)),
    }  # fmt: skip


def run(folder: Path, task: loop.Task, s: loop.Settings, fresh: bool) -> bool:
    """Train; false when the run was stopped."""
    try:
        loop.train(folder, task, s, fresh)
    except loop.Stopped as e:
        print(e, file=sys.stderr)
        return False
    report.curves(folder)
    return True


def keep(net: darknet.Network, folder: Path, samples: int) -> None:
    """Write the network of a finished run."""
    net.seen = samples
    darknet.save(net, folder / (folder.name + ".cfg"), folder / (folder.name + ".weights"))
    print(f"wrote {folder}/{folder.name}.cfg and .weights", flush=True)


def detector(args: Namespace) -> int:
    """A detector from nothing, on labels."""
    prepare(args)
    training, held_out = folders(args)
    width, height = dimensions(args.input)
    make = {"full": topology.full, "tiny": topology.tiny}[args.topology]
    anchors = data.anchors(training.all_boxes(), {"full": 9, "tiny": 6}[args.topology], width, height)
    net = darknet.Network(make(width, height, args.width, anchors, len(training.classes)))
    quiet_heads(net)
    task = labels.task(net, training, held_out, args.batch, args.seed, args.val_pictures)
    task.details = described(training, held_out, about(net, args.topology, args.width))
    folder = args.out / (args.name or args.command)
    if not run(folder, task, settings(args), args.fresh):
        return STOPPED
    keep(net, folder, args.samples)
    return 0


def lanes(args: Namespace) -> int:
    """The lane network from nothing."""
    prepare(args)
    training, held_out = folders(args)
    net = lanenet.LaneNet()
    task = lanetask.task(net, training, held_out, args.batch, args.seed, args.val_pictures)
    folder = args.out / (args.name or args.command)
    file = folder / (folder.name + ".onnx")
    task.details = described(training, held_out, {"topology": "lanes", "input": [lanenet.WIDTH, lanenet.HEIGHT], "parameters": darknet.parameters(net)})
    if not run(folder, task, settings(args), args.fresh):
        return STOPPED
    lanenet.export(net, file)
    print(f"wrote {file}", flush=True)
    return 0
