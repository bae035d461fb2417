#!/usr/bin/python3
"""Trains, distils and fine-tunes Dashline's networks on what `dashline synth --export yolo` writes.

A run lives in out/train/NAME: run.json, loss.csv, accuracy.csv, curves.png, its
checkpoint and its network. The same command again goes on from the checkpoint.

  train.py detector --data out/synth/train out/synth/busy --val out/synth/val
  train.py tiny     --data out/synth/train out/synth/busy --val out/synth/val
  train.py distill  --data out/synth/train out/synth/busy --val out/synth/val --teacher out/train/detector
  train.py lanes    --data out/synth/train out/synth/busy --val out/synth/val
  train.py finetune pruned.cfg pruned.weights --teacher full.cfg --unlabelled photos
  train.py report

Exit status: 0 done, 1 an error or a loss that did not fall (smoke), 2 a wrong
command line, 3 stopped with a checkpoint.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from dashtrain import commands  # noqa: E402


def common(p: argparse.ArgumentParser, samples: int, batch: int, rate: float | None, needed: bool = True) -> None:
    p.add_argument("--data", nargs="+", metavar="DIR", required=needed, help="folders to train on")
    p.add_argument("--val", nargs="+", metavar="DIR", required=needed, help="folders of other seeds, for the accuracy during training")
    p.add_argument("--name", help="of the run's folder (default: the command's name)")
    p.add_argument("--samples", type=int, default=samples, help="pictures to train on in all, repeats counted (default: %(default)s)")
    p.add_argument("--minutes", type=float, default=0, help="train as many samples as this time takes instead, by the speed at the start")
    p.add_argument("--batch", type=int, default=batch, help="pictures in a step (default: %(default)s)")
    p.add_argument("--rate", type=float, default=rate, help="highest learning rate" + (" (default: %(default)s)" if rate else ""))
    p.add_argument("--evaluations", type=int, default=5, help="looks at the held-out pictures in a run (default: %(default)s)")
    p.add_argument("--val-pictures", type=int, default=300, help="held-out pictures in each look, evenly spread, 0 for all (default: %(default)s)")
    machine(p)


def machine(p: argparse.ArgumentParser) -> None:
    p.add_argument("--seed", type=int, default=1, help="of initial weights, order and changes of pictures (default: %(default)s)")
    p.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="of convolutions; auto times both (default: %(default)s)")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch (default: %(default)s)")
    p.add_argument("--limit", type=int, default=0, help="pictures to take from each folder, evenly spread, 0 for all (default: %(default)s)")
    p.add_argument("--out", type=Path, default=Path("out/train"), help="where runs live (default: %(default)s)")
    p.add_argument("--cache", type=Path, default=Path("out/train/cache"), help="decoded pictures (default: %(default)s)")
    restart = p.add_mutually_exclusive_group()
    restart.add_argument("--resume", dest="fresh", action="store_false", help="go on from the run's checkpoint if it has one (default)")
    restart.add_argument("--fresh", dest="fresh", action="store_true", help="start anew even if the run has a checkpoint")
    p.set_defaults(fresh=False)


def size(p: argparse.ArgumentParser, width: float) -> None:
    p.add_argument("--width", type=float, default=width, help="multiplier of the numbers of filters (default: %(default)s)")
    p.add_argument("--input", default="512x288", metavar="WxH", help="of the network, multiples of 32 (default: %(default)s)")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands_ = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str, example: str, run) -> argparse.ArgumentParser:
        p = commands_.add_parser(name, help=what, description=what, epilog="example:\n  " + example, formatter_class=argparse.RawDescriptionHelpFormatter)
        p.set_defaults(run=run)
        return p

    p = command("detector", "YOLOv3 with a width multiplier, on labels", "train.py detector --data out/synth/train out/synth/busy --val out/synth/val", commands.detector)
    common(p, samples=64000, batch=16, rate=0.04)
    size(p, 0.25)
    p.set_defaults(topology="full", teacher=None)

    p = command("tiny", "YOLOv3-tiny with a width multiplier, on labels", "train.py tiny --data out/synth/train out/synth/busy --val out/synth/val", commands.detector)
    common(p, samples=32000, batch=16, rate=0.04)
    size(p, 0.375)
    p.set_defaults(topology="tiny", teacher=None)

    p = command(
        "distill", "YOLOv3-tiny on labels and on what a larger detector says and sees; all else as in tiny",
        "train.py distill --data out/synth/train out/synth/busy --val out/synth/val --teacher out/train/detector", commands.detector,
    )  # fmt: skip
    common(p, samples=32000, batch=16, rate=0.04)
    size(p, 0.375)
    p.add_argument("--teacher", type=Path, required=True, metavar="PATH", help="a cfg with its weights beside it, or the folder of a run")
    p.set_defaults(topology="tiny")

    p = command("lanes", "lane lines and drivable area", "train.py lanes --data out/synth/train out/synth/busy --val out/synth/val", commands.lanes)
    common(p, samples=64000, batch=8, rate=0.04)

    p = command(
        "finetune", "train a given cfg and weights on, such as a pruned one; cfg and weights come back",
        "train.py finetune pruned.cfg pruned.weights --data out/synth/train out/synth/busy --val out/synth/val --teacher out/train/detector --result tuned", commands.finetune,
    )  # fmt: skip
    p.add_argument("cfg", type=Path)
    p.add_argument("weights", type=Path)
    common(p, samples=16000, batch=16, rate=None, needed=False)
    p.add_argument("--teacher", type=Path, nargs="+", metavar="PATH", help="the unpruned network, to learn from it too: a cfg with its weights beside it or after it, or the folder of a run")
    p.add_argument("--input", metavar="WxH", help="of the network (default: the cfg's)")
    p.add_argument("--unlabelled", nargs="+", type=Path, metavar="DIR", help="folders of pictures to learn from the teacher on, without labels, instead of --data and --val")
    p.add_argument("--result", type=Path, metavar="PREFIX", help="also write PREFIX.cfg and PREFIX.weights")

    p = command("widths", "the full topology at several widths on the same samples, and the table of their cost", "train.py widths --data out/synth/train out/synth/busy --val out/synth/val", commands.widths)
    common(p, samples=4800, batch=16, rate=0.04)
    p.add_argument("--widths", type=float, nargs="+", default=[0.25, 0.125, 0.0625], help="multipliers of the numbers of filters (default: %(default)s)")
    p.add_argument("--input", default="512x288", metavar="WxH", help="of the network, multiples of 32 (default: %(default)s)")

    p = command("report", "the table of all finished runs, and a card and curves in each one's folder", "train.py report > table.md", commands.reported)
    p.add_argument("--out", type=Path, default=Path("out/train"), help="where runs live (default: %(default)s)")

    p = command("adopt", "make a finished run's network one that the program knows by name, in testdata/networks", 'train.py adopt out/train/lanes dashline-lanes "lane lines and drivable area"', commands.adopted)
    p.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the run")
    p.add_argument("name", help="of the network")
    p.add_argument("summary", help="one line for people")

    p = command("smoke", "see in two minutes that losses fall, on a handful of pictures", "train.py smoke", commands.smoke)
    p.add_argument("--data", nargs="+", metavar="DIR", help="exported folders (default: pictures of plain blocks, made on the spot)")
    p.add_argument("--steps", type=int, default=30, help="of each of four networks (default: %(default)s)")
    p.add_argument("--keep", type=Path, metavar="DIR", help="copy the runs' logs there")
    p.add_argument("--seed", type=int, default=1, help="of initial weights (default: %(default)s)")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch (default: %(default)s)")
    return top


def main() -> int:
    args = parser().parse_args()
    try:
        return args.run(args)
    except (ValueError, OSError, FloatingPointError) as e:
        print(f"train.py {args.command}: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
