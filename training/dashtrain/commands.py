"""What each command of train.py does. Each returns the exit status."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

import torch

from . import adopt, blocks, darknet, data, distill as teaching, evaluate, lanetask, loop, report, topology, unlabelled
from . import detector as labels
from . import lanes as lanenet
from .loss import quiet_heads

STOPPED = 3  # a run was stopped and can go on
LABELLED_RATE, UNLABELLED_RATE = 0.01, 0.0003  # of finetune; the second is relative


def prepare(args: Namespace) -> None:
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)


def settings(args: Namespace) -> loop.Settings:
    return loop.Settings(args.samples, args.batch, args.rate, seed=args.seed, precision=args.precision, evaluations=args.evaluations, minutes=args.minutes)


def dimensions(text: str) -> tuple[int, int]:
    try:
        width, height = (int(v) for v in text.lower().split("x"))
    except ValueError:
        raise ValueError(f"--input {text}: write it as WIDTHxHEIGHT, such as 512x288") from None
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


def described(args: Namespace, training: data.Data, held_out: data.Data, more: dict) -> dict:
    """What a run's record says about its data, its machine and its network."""
    return {
        "training_pictures": len(training), "training_digest": training.digest(),
        "held_out_pictures": len(held_out), "held_out_digest": held_out.digest(),
        "classes": training.classes, "threads": args.threads,
    } | more  # fmt: skip


def about(net: darknet.Network, kind: str, width: float) -> dict:
    known = {"width": width} if width else {}
    return {"topology": kind, "input": [net.width, net.height], "parameters": darknet.parameters(net)} | known


def made(args: Namespace, training: data.Data, kind: str, width: float) -> darknet.Network:
    """A new detector. The same arguments make the same one."""
    across, down = dimensions(args.input)
    count, write = {"full": (9, topology.full), "tiny": (6, topology.tiny)}[kind]
    anchors = data.anchors(training.all_boxes(), count, across, down)
    torch.manual_seed(args.seed)
    net = darknet.Network(write(across, down, width, anchors, len(training.classes)))
    quiet_heads(net)
    return net


def opened(path: Path, classes: list[str] | None = None, weights: Path | None = None) -> darknet.Network:
    """A trained detector: a cfg with its weights beside it or named, or the folder of a run; of those classes if they are given."""
    if path.is_dir():
        path = path / (path.name + ".cfg")
    weights = weights or path.with_suffix(".weights")
    if path.suffix != ".cfg" or not path.is_file() or not weights.is_file():
        raise ValueError(f"{path}: no .cfg with a .weights file beside it: name a cfg or the folder of a finished run")
    net = darknet.load(path, weights)
    return net if classes is None else fitting(net, path, classes)


def fitting(net: darknet.Network, path: Path, classes: list[str]) -> darknet.Network:
    if not net.heads or any(h.classes != len(classes) for h in net.heads):
        raise ValueError(f"{path}: its heads are not for the data's {len(classes)} classes: train a network of its own")
    return net


def folder_of(args: Namespace) -> Path:
    return args.out / (args.name or args.command)


def run(folder: Path, task: loop.Task, s: loop.Settings, fresh: bool) -> bool:
    """Train; false when the run was stopped."""
    try:
        loop.train(folder, task, s, fresh)
    except loop.Stopped as e:
        print(e, file=sys.stderr)
        return False
    report.curves(folder)
    return True


def keep(net: darknet.Network, folder: Path) -> None:
    """Write the network of a finished run, and say so in its record."""
    net.unfold().seen += loop.record(folder)["settings"]["samples"]
    cfg, weights = folder / (folder.name + ".cfg"), folder / (folder.name + ".weights")
    darknet.save(net, cfg, weights)
    measured(folder, weights)


def measured(folder: Path, file: Path) -> None:
    loop.annotate(folder, {"file_bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()})
    print(f"wrote {file}", flush=True)


def taught(task: loop.Task, student: darknet.Network, teacher: darknet.Network, label_share: float = 1.0) -> loop.Task:
    """The same task with a teacher."""
    torch.manual_seed(0)  # of the adapters
    teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    if (teacher.width, teacher.height) != (student.width, student.height):
        raise ValueError(f"teacher's input is {teacher.width}x{teacher.height}, student's {student.width}x{student.height}: they must be alike")
    hint = teaching.Hint(student, teacher)
    task.extra = hint
    task.loss = lambda net, batch: teaching.distil_loss(net, teacher, hint, batch, labels=label_share)
    return task


def detector(args: Namespace) -> int:
    """A detector from nothing: on labels, or taught by another one as well."""
    prepare(args)
    training, held_out = folders(args)
    net = made(args, training, args.topology, args.width)
    task = labels.task(net, training, held_out, args.batch, args.seed, args.val_pictures)
    task.details = described(args, training, held_out, about(net, args.topology, args.width))
    if args.teacher:
        task = taught(task, net, opened(args.teacher, training.classes))
        task.details["teacher"] = args.teacher.name
    folder = folder_of(args)
    if not run(folder, task, settings(args), args.fresh):
        return STOPPED
    keep(net, folder)
    return 0


def finetune(args: Namespace) -> int:
    """Train a given network on, as it is: on labels, or on what a teacher says about pictures without any."""
    prepare(args)
    task, s = (told if args.unlabelled else labelled)(args)
    net = task.net
    if s.precision == "auto":  # not by timing, which would make the result depend on how busy the machine is
        s.precision = "bf16" if loop.has_bf16() else "fp32"
    task.details["before"] = task.accuracy(net)
    print("before: " + (report.accuracy(task.details["before"]) or "what is held out has nothing to agree on"), flush=True)
    folder = folder_of(args)
    if not run(folder, task, s, args.fresh):
        return STOPPED
    keep(net, folder)
    if args.result:
        darknet.save(net, args.result.with_suffix(".cfg"), args.result.with_suffix(".weights"))
        print(f"wrote {args.result.with_suffix('.cfg')} and {args.result.with_suffix('.weights')}")
    return 0


def labelled(args: Namespace) -> tuple[loop.Task, loop.Settings]:
    """Fine-tuning on labels, beside which there may be a teacher."""
    if not args.data or not args.val:
        raise ValueError("nothing to learn from: give --data and --val, or --unlabelled and --teacher")
    args.rate = args.rate or LABELLED_RATE
    training, held_out = folders(args)
    net = sized(args, fitting(darknet.load(args.cfg, args.weights), args.cfg, training.classes))
    task = labels.task(net, training, held_out, args.batch, args.seed, args.val_pictures)
    task.details = described(args, training, held_out, about(net, "of " + args.cfg.name, 0))
    if args.teacher:
        task = taught(task, net, sized(args, opened(args.teacher[0], training.classes, *args.teacher[1:])))
        task.details["teacher"] = args.teacher[0].name
    return task, settings(args)


def told(args: Namespace) -> tuple[loop.Task, loop.Settings]:
    """Fine-tuning without labels."""
    if len(args.teacher or ()) > 2:
        raise ValueError("--teacher takes a cfg and, where they are not beside it, its weights")
    if args.data or args.val:
        raise ValueError("--unlabelled does without --data and --val: give one or the other")
    if not args.teacher:
        raise ValueError("--unlabelled needs a --teacher: without labels there is nobody else to learn from")
    args.rate = args.rate or UNLABELLED_RATE
    net = sized(args, darknet.load(args.cfg, args.weights))
    teacher = sized(args, opened(args.teacher[0], None, *args.teacher[1:]))
    same_heads(net, teacher, args.teacher[0])
    training, held_out = unlabelled.load(args.unlabelled, args.cache, net.width, net.height, args.limit)
    print(f"{len(training)} pictures to train on, {len(held_out)} held out", flush=True)
    task = unlabelled.task(net, teacher, training, held_out, args.batch, args.seed, args.val_pictures)
    task.details = about(net, "of " + args.cfg.name, 0) | {
        "training_pictures": len(training), "training_digest": training.digest,
        "held_out_pictures": len(held_out), "held_out_digest": held_out.digest,
        "classes": [], "threads": args.threads, "teacher": args.teacher[0].name,
    }  # fmt: skip
    s = settings(args)
    s.relative, s.decay = True, 0.0
    return task, s


def sized(args: Namespace, net: darknet.Network) -> darknet.Network:
    """The network at the input size that was asked for, if one was."""
    if args.input:
        net.width, net.height = dimensions(args.input)
    if any(net.width % h.stride or net.height % h.stride for h in net.heads):
        raise ValueError(f"an input of {net.width}x{net.height} is no multiple of the network's strides: give --input")
    return net


def same_heads(student: darknet.Network, teacher: darknet.Network, path: Path) -> None:
    if (teacher.width, teacher.height) != (student.width, student.height):
        raise ValueError(f"{path}: its input is {teacher.width}x{teacher.height}, the student's {student.width}x{student.height}: they must be alike")
    heads = [[(h.anchors, h.classes, h.stride, h.scale_xy) for h in net.heads] for net in (student, teacher)]
    if not heads[0] or heads[0] != heads[1]:
        raise ValueError(f"{path}: its heads are not the student's: give the network that was pruned")


def lanes(args: Namespace) -> int:
    """The lane network from nothing."""
    prepare(args)
    training, held_out = folders(args)
    torch.manual_seed(args.seed)
    net = lanenet.LaneNet()
    task = lanetask.task(net, training, held_out, args.batch, args.seed, args.val_pictures)
    task.details = described(args, training, held_out, {"topology": "lanes", "input": [lanenet.WIDTH, lanenet.HEIGHT], "parameters": darknet.parameters(net)})
    folder = folder_of(args)
    if not run(folder, task, settings(args), args.fresh):
        return STOPPED
    file = folder / (folder.name + ".onnx")
    lanenet.export(net, file)
    measured(folder, file)
    return 0


def widths(args: Namespace) -> int:
    """The full topology at several widths, all on the same samples."""
    prepare(args)
    training, held_out = folders(args)
    done = []
    for width in args.widths:
        net = made(args, training, "full", width)
        task = labels.task(net, training, held_out, args.batch, args.seed, args.val_pictures)
        task.details = described(args, training, held_out, about(net, "full", width))
        folder = args.out / f"{args.name or args.command}-{width:g}"
        if not run(folder, task, settings(args), args.fresh):
            return STOPPED
        keep(net, folder)
        done.append(folder.name)
    print(report.table([r for r in report.runs(args.out) if r["name"] in done]), end="")
    return 0


def reported(args: Namespace) -> int:
    """The table of all finished runs on standard output; a card and curves in each run's folder."""
    records = report.runs(args.out)
    if not records:
        raise ValueError(f"{args.out}: no finished run: train one first")
    for r in records:
        (args.out / r["name"] / "card.md").write_text(report.card(r))
        report.curves(args.out / r["name"])
    print(report.table(records), end="")
    return 0


def adopted(args: Namespace) -> int:
    """Make a finished run's network one that the program knows by name."""
    for path in adopt.adopt(args.run_folder, args.name, args.summary):
        print(f"wrote {path}")
    return 0


def smoke(args: Namespace) -> int:
    """A few steps of everything on a handful of pictures; 1 if a loss does not fall."""
    prepare(args)
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        paths = args.data or [blocks.write(here / "blocks", 24, 1)]
        samples = data.load(paths, here / "cache", 24)
        args.input = "192x128"
        teacher, student = made(args, samples, "full", 0.125), made(args, samples, "tiny", 0.125)
        tasks = {"detector": labels.task(teacher, samples, samples, 8, 1, 8), "tiny": labels.task(student, samples, samples, 8, 1, 8)}
        second = made(args, samples, "tiny", 0.125)
        tasks["lanes"] = lanetask.task(lanenet.LaneNet(), samples, samples, 4, 1, 8)
        fell = [falls(here / name, task, args.steps) for name, task in tasks.items()]
        pupil = taught(labels.task(second, samples, samples, 8, 1, 8), second, teacher)
        fell.append(falls(here / "distill", pupil, args.steps))
        if args.keep:
            shutil.copytree(here, args.keep, ignore=shutil.ignore_patterns("cache", "blocks"), dirs_exist_ok=True)
    return 0 if all(fell) else 1


def falls(folder: Path, task: loop.Task, steps: int) -> bool:
    """Train a few steps; whether the last fifth's loss is at most 85 % of the first's."""
    batch = len(task.batch(0).pictures)
    task.seen = None
    loop.train(folder, task, loop.Settings(steps * batch, batch, warmup=5, evaluations=1, precision="fp32", log_steps=max(1, steps // 5)), fresh=True)
    losses = [r["loss"] for r in report.rows(folder / "loss.csv")]
    fell = losses[-1] <= 0.85 * losses[0]
    print(f"{folder.name}: loss {losses[0]:.3f} to {losses[-1]:.3f}: {'falls' if fell else 'does not fall enough'}", flush=True)
    return fell
