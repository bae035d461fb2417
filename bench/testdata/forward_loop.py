"""Times the forward of networks in Dashline and in the engine's own minimal Python
loop, by turns in one run, and prints the ratio of medians.

    forward_loop.py PROGRAM DIR VIDEO [--rounds N] [--only NAME]

DIR is what internal/tools/forms wrote; PROGRAM is dashline, which is measured as
`dashline bench` does it: in closed loop, by its worker. Both loops have as many
threads as there are cores. Needs cv2 of the same OpenCV that Dashline uses, and
onnxruntime. The loops read a video and make a blob of each picture, as any loop
that detects something does: without that, small networks find everything in the
caches.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import cv2
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


class Loop:
    """A plain loop over a video. forward is the engine's."""

    def __init__(self, video):
        self.video, self.capture = video, cv2.VideoCapture(video)

    def blob(self):
        ok, picture = self.capture.read()
        if not ok:
            self.capture = cv2.VideoCapture(self.video)
            ok, picture = self.capture.read()
        return cv2.dnn.blobFromImage(picture, 1 / 255, (SIDE, SIDE), swapRB=True)

    def forwards(self, n):
        """Milliseconds of n forwards."""
        took = []
        for _ in range(n):
            blob = self.blob()
            begin = time.perf_counter()
            self.forward(blob)
            took.append(1000 * (time.perf_counter() - begin))
        return took


class OpenCV(Loop):
    def __init__(self, video, base):
        super().__init__(video)
        cv2.setNumThreads(CORES)
        self.net = cv2.dnn.readNetFromDarknet(base + ".cfg", base + ".weights")
        self.names = self.net.getUnconnectedOutLayersNames()

    def forward(self, blob):
        self.net.setInput(blob)
        self.net.forward(self.names)


class ONNXRuntime(Loop):
    def __init__(self, video, base, spin=True):
        super().__init__(video)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = CORES
        if not spin:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(base + ".onnx", options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def forward(self, blob):
        self.session.run(None, {self.input: blob})


def calm(video, base):
    """ONNX Runtime as Dashline sets it: threads that wait do not spin."""
    return ONNXRuntime(video, base, spin=False)


def compare(program, name, engine, base, loop, rounds, note=""):
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
    print("%-12s %-8s dashline %8.2f ms  loop %8.2f ms  ratio %.3f  (rounds: median %.3f, quartiles %.3f to %.3f)%s"
          % (name, engine, ours, theirs, ours / theirs, statistics.median(ratios), spread[0], spread[2], note), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("dir")
    p.add_argument("video")
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--only", default="")
    a = p.parse_args()
    runs = [(name, "opencv", OpenCV, "") for name in ("full", "half", "tenth")]
    for name in ("full-onnx", "half-onnx", "tenth-onnx", "full-int8", "tenth-int8"):
        runs += [(name, "ort", ONNXRuntime, ""), (name, "ort", calm, "  neither spins")]
    for name, engine, kind, note in runs:
        if a.only in name:
            base = os.path.join(a.dir, name)
            compare(a.program, name, engine, base, lambda base: kind(a.video, base), a.rounds, note)


if __name__ == "__main__":
    main()
