#!/usr/bin/env python3
"""Reads Dashline's messages the way a program in another language would: with
nats-py and the Python code that protoc generates from the .proto files.

    nats_client.py URL PROTO_DIR --frames N

It subscribes to dashline.> and reads until N frame reports have come, or
nothing came for --idle seconds. Standard output is one JSON object:

    {"kinds": {"detections": 221, ...}, "boxes": 1460, "problems": [],
     "digest": "<sha256 over all message digests in order>",
     "messages": {"<subject>": [{"seq": 0, "count": 1, "digest": "<sha256>"}, ...]}}

The state of a camera is of no frame; its "seq" is 0 here.

A message's digest is over every field, in the order in which the .proto file
lists them, little-endian: integers and lengths as 64 bits, float and double as
their bits (-0 as 0, since Python's own Protobuf reads it so), a string as its length and its UTF-8, a list as its length and its
items, a duration or a time as its nanoseconds (time since 1970, 128 bits), and
what may be absent as a byte 0, or 1 and the value (a box that is absent is four
zeros), a bool as a byte. Another program that
computes the same from its own values has read the same.
"""
import argparse
import asyncio
import hashlib
import importlib
import json
import os
import struct
import subprocess
import sys
import tempfile

import nats


def generate(proto_dir, out):
    """Generates the Python code into out and returns the class of each schema."""
    folder = os.path.join(proto_dir, "dashline", "v1")
    files = [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.endswith(".proto")]
    subprocess.run(["protoc", "--proto_path=" + proto_dir, "--python_out=" + out, *files], check=True)
    sys.path.insert(0, out)
    module = lambda name: importlib.import_module("dashline.v1." + name)
    return {
        "dashline.v1.Detections": module("detections_pb2").Detections,
        "dashline.v1.Tracks": module("tracks_pb2").Tracks,
        "dashline.v1.LaneSet": module("lanes_pb2").LaneSet,
        "dashline.v1.Trajectory": module("plan_pb2").Trajectory,
        "dashline.v1.FrameReport": module("frames_pb2").FrameReport,
        "dashline.v1.CameraState": module("camera_pb2").CameraState,
    }


class Digest:
    """Collects the bytes that a message's digest is over."""

    def __init__(self):
        self.hash = hashlib.sha256()

    def uint(self, v):
        self.hash.update(struct.pack("<Q", v))

    def floats(self, *vs):
        self.hash.update(struct.pack("<%df" % len(vs), *(v + 0.0 for v in vs)))

    def doubles(self, *vs):
        self.hash.update(struct.pack("<%dd" % len(vs), *(v + 0.0 for v in vs)))

    def text(self, s):
        b = s.encode()
        self.uint(len(b))
        self.hash.update(b)

    def optional(self, message, field, write):
        there = message.HasField(field)
        self.hash.update(b"\1" if there else b"\0")
        if there:
            write(getattr(message, field))

    def each(self, items, write):
        self.uint(len(items))
        for i in items:
            write(i)

    def duration(self, d):
        self.hash.update(struct.pack("<q", d.seconds * 10**9 + d.nanos))

    def time(self, t):
        self.hash.update((t.seconds * 10**9 + t.nanos).to_bytes(16, "little", signed=True))

    def header(self, h):
        self.text(h.camera)
        self.uint(h.seq)
        self.optional(h, "captured_at", self.time)
        self.duration(h.arrived)
        self.duration(h.pts)
        self.uint(h.capture_clock)

    def network(self, n):
        for s in (n.name, n.engine, n.requested, n.backend):
            self.text(s)

    def pixel(self, p):
        self.floats(p.x, p.y)

    def detections(self, m):
        self.header(m.header)
        self.uint(m.width)
        self.uint(m.height)
        self.network(m.by)
        self.each(m.items, self.detection)

    def box(self, b):
        self.floats(b.x0, b.y0, b.x1, b.y1)

    def tracks(self, m):
        self.header(m.header)
        self.uint(m.width)
        self.uint(m.height)
        self.duration(m.ahead)
        self.hash.update(b"\1" if m.only else b"\0")
        self.each(m.items, self.track)

    def track(self, t):
        self.uint(t.id)
        self.uint(getattr(t, "class"))
        self.text(t.label)
        self.floats(t.score)
        self.uint(t.state)
        for b in (t.measured, t.box, t.forecast):
            self.box(b)
        self.floats(t.vx, t.vy, t.sigma)
        self.duration(t.unseen)
        self.optional(t, "detection", self.uint)

    def detection(self, o):
        self.box(o.box)
        self.uint(getattr(o, "class"))
        self.text(o.label)
        self.floats(o.score)

    def lanes(self, m):
        self.header(m.header)
        self.uint(m.width)
        self.uint(m.height)
        self.network(m.by)
        self.each(m.lanes, self.lane)
        self.optional(m, "ego_left", self.uint)
        self.optional(m, "ego_right", self.uint)
        self.each(m.drivable, self.pixel)
        self.floats(m.drivable_confidence)

    def lane(self, l):
        self.each(l.points, self.pixel)
        c = l.curve
        self.doubles(c.c0, c.c1, c.c2, c.c3, c.x0, c.x1)
        self.floats(l.confidence)

    def plan(self, m):
        self.header(m.header)
        self.uint(m.mode)
        self.text(m.why)
        self.optional(m, "lead_object", self.uint)
        self.doubles(m.lead_distance, m.lead_speed)
        self.each(m.points, self.point)

    def point(self, p):
        self.doubles(p.t, p.position.x, p.position.y, p.heading, p.speed, p.acceleration, p.curvature)

    def frames(self, m):
        self.header(m.header)
        self.uint(m.outcome)
        for s in (m.stage, m.reason, m.detail):
            self.text(s)
        self.duration(m.age)
        self.duration(m.deadline)
        self.each(m.stages, self.stage)
        self.each(m.networks, self.network)

    def camera(self, m):
        self.text(m.camera)
        self.optional(m, "at", self.time)
        self.uint(m.status)
        for s in (m.detail, m.transport, m.codec):
            self.text(s)
        for n in (m.sessions, m.packets, m.lost):
            self.uint(n)
        self.uint(m.clock)
        self.duration(m.clock_offset)
        self.doubles(m.clock_drift)
        self.uint(m.clock_steps)

    def stage(self, s):
        self.text(s.stage)
        self.duration(s.took)


class Account:
    """What was received."""

    def __init__(self, schemas):
        self.schemas = schemas
        self.kinds, self.messages, self.problems = {}, {}, []
        self.boxes = 0
        self.all = hashlib.sha256()

    def add(self, m):
        kind = m.subject.rsplit(".", 1)[-1]
        body = self.schemas[m.headers["Dashline-Schema"]]()
        body.ParseFromString(m.data)
        d = Digest()
        getattr(d, kind)(body)
        seq, count = int(m.headers.get("Dashline-Seq", 0)), int(m.headers["Dashline-Count"])

        past = self.messages.setdefault(m.subject, [])
        if count != len(past) + 1:
            self.problems.append("%s: message %d has count %d" % (m.subject, len(past) + 1, count))
        if kind == "camera":
            if "Dashline-Seq" in m.headers or m.subject.split(".")[2] != body.camera:
                self.problems.append("%s: headers and payload of message %d disagree" % (m.subject, count))
        else:
            if past and seq <= past[-1]["seq"]:
                self.problems.append("%s: seq %d after %d" % (m.subject, seq, past[-1]["seq"]))
            if seq != body.header.seq or m.subject.split(".")[2] != body.header.camera:
                self.problems.append("%s: headers and payload of seq %d disagree" % (m.subject, seq))
        past.append({"seq": seq, "count": count, "digest": d.hash.hexdigest()})
        self.all.update(d.hash.digest())
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "detections":
            self.boxes += len(body.items)


async def read(url, account, frames, idle):
    nc = await nats.connect(url)
    try:
        sub = await nc.subscribe("dashline.>", pending_msgs_limit=-1, pending_bytes_limit=-1)
        while account.kinds.get("frames", 0) < frames:
            try:
                account.add(await sub.next_msg(timeout=idle))
            except nats.errors.TimeoutError:
                account.problems.append("nothing came for %g s" % idle)
                break
    finally:
        await nc.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("url")
    p.add_argument("proto_dir", help="folder that has dashline/v1/*.proto")
    p.add_argument("--frames", type=int, required=True, help="frame reports to read")
    p.add_argument("--idle", type=float, default=20, help="seconds without a message after which to end (default 20)")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as out:
        account = Account(generate(args.proto_dir, out))
        asyncio.run(read(args.url, account, args.frames, args.idle))
    json.dump({
        "kinds": account.kinds,
        "boxes": account.boxes,
        "problems": account.problems,
        "digest": account.all.hexdigest(),
        "messages": account.messages,
    }, sys.stdout)
    print()


if __name__ == "__main__":
    main()
