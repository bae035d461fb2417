"""Times the forward of networks in Dashline and in the engine's own minimal Python
loop, by turns in one run, and prints the ratio of medians.

    forward_loop.py PROGRAM DIR [--rounds N] [--only NAME]

DIR is what internal/tools/forms wrote; PROGRAM is dashline, which is measured as
`dashline bench` does it: in closed loop, by its worker. Both loops have as many
threads as there are cores. Needs cv2 of the same OpenCV that Dashline uses, and
onnxruntime.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import cv2
import numpy as np
import onnxruntime

SIDE = 416
CORES = len(os.sched_getaffinity(0))


class Worker:
    """A pipeline in a process of its own."""

    def __init__(self, program, network, engine):
        self.process = subprocess.Popen([program, "bench", "worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        config = f"detect: {{network: {network}, engine: {engine}}}\nlanes: {{enabled: false}}\ntrack: {{enabled: false}}\nmeasure: 0s\n"
        self.ask({"open": {"protocol": 1, "config": config, "closed": True}})

    def ask(self, order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the worker ended"}
        if answer.get("error"):
            raise RuntimeError(answer["error"])
        return answer

    def forwards(self, n):
        """Milliseconds of n forwards."""
        block = self.ask({"block": {"Scenario": "single-stream", "Rate": 30, "frames": n}})["block"]
        at = block["stages"].index("forward")
        return [f["stages"][at] for f in block["frames"]]

    def close(self):
        self.ask({"end": {}})
        self.process.wait()


class OpenCV:
    def __init__(self, base):
        cv2.setNumThreads(CORES)
        self.net = cv2.dnn.readNetFromDarknet(base + ".cfg", base + ".weights")
        self.names = self.net.getUnconnectedOutLayersNames()
        self.blob = np.random.default_rng(1).random((1, 3, SIDE, SIDE), np.float32)

    def forwards(self, n):
        took = []
        for _ in range(n):
            begin = time.perf_counter()
            self.net.setInput(self.blob)
            self.net.forward(self.names)
            took.append(1000 * (time.perf_counter() - begin))
        return took


class ONNXRuntime:
    def __init__(self, base):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = CORES
        self.session = onnxruntime.InferenceSession(base + ".onnx", options, providers=["CPUExecutionProvider"])
        self.feed = {self.session.get_inputs()[0].name: np.random.default_rng(1).random((1, 3, SIDE, SIDE), np.float32)}

    def forwards(self, n):
        took = []
        for _ in range(n):
            begin = time.perf_counter()
            self.session.run(None, self.feed)
            took.append(1000 * (time.perf_counter() - begin))
        return took


def compare(program, name, engine, base, loop, rounds):
    worker = Worker(program, base + ".yaml", engine)
    sides = {"dashline": worker, "loop": loop(base)}
    took = {side: [] for side in sides}
    ratios = []
    for side in sides.values():
        side.forwards(3)
    n = 3 if "full" in name or "half" in name else 10
    for r in range(rounds):
        middle = {}
        # The order changes, so that neither always comes after the other; the first
        # forward of a turn brings the network back into the caches.
        for side in sorted(sides, reverse=r % 2 == 0):
            t = sides[side].forwards(n + 1)[1:]
            took[side] += t
            middle[side] = statistics.median(t)
        ratios.append(middle["dashline"] / middle["loop"])
    worker.close()
    ours, theirs = statistics.median(took["dashline"]), statistics.median(took["loop"])
    spread = statistics.quantiles(ratios, n=4)
    print("%-12s %-8s dashline %8.2f ms  loop %8.2f ms  ratio %.3f  (rounds: median %.3f, quartiles %.3f to %.3f)"
          % (name, engine, ours, theirs, ours / theirs, statistics.median(ratios), spread[0], spread[2]), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("dir")
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--only", default="")
    a = p.parse_args()
    for name in ("full", "half", "tenth"):
        if a.only in name:
            compare(a.program, name, "opencv", os.path.join(a.dir, name), OpenCV, a.rounds)
    for name in ("full-onnx", "half-onnx", "tenth-onnx", "full-int8", "tenth-int8"):
        if a.only in name:
            compare(a.program, name, "ort", os.path.join(a.dir, name), ONNXRuntime, a.rounds)


if __name__ == "__main__":
    main()
