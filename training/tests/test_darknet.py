"""Networks from cfgs: the same numbers as OpenCV, the same bytes back."""

import tempfile
import unittest
from pathlib import Path

import common
import cv2
import numpy as np
import torch

from dashtrain import darknet, topology

# What pruning and other people's cfgs bring: odd widths, groups, pooling of
# stride 1, route groups, every shape of shortcut and route.
ODD = """
[net]
width=64
height=96
channels=3

[convolutional]
batch_normalize=1
filters=6
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=12
groups=3
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=1

[convolutional]
batch_normalize=1
filters=7
size=1
stride=1
pad=1
activation=mish

[convolutional]
batch_normalize=1
filters=12
size=3
stride=1
pad=1
activation=leaky

[shortcut]
from=-3
activation=linear

[maxpool]
size=2
stride=2

[maxpool]
size=5
stride=1

[route]
layers=-1,-2

[convolutional]
batch_normalize=1
filters=13
size=3
stride=1
pad=1
activation=relu

[upsample]
stride=2

[route]
layers=-1,5

[convolutional]
filters=14
size=1
stride=1
pad=1
activation=linear

[yolo]
thresh=0.005
mask=1,2
anchors=5,6, 10,12, 20,20
classes=2
num=3
"""


def opencv(net: darknet.Network, pictures: np.ndarray) -> list[np.ndarray]:
    """What OpenCV's importer makes of the network: rows cx, cy, w, h, objectness, class scores."""
    with tempfile.TemporaryDirectory() as d:
        darknet.save(net, f"{d}/n.cfg", f"{d}/n.weights")
        other = cv2.dnn.readNetFromDarknet(f"{d}/n.cfg", f"{d}/n.weights")
    other.setInput(pictures)
    return list(other.forward(other.getUnconnectedOutLayersNames()))


def decoded(net: darknet.Network, pictures: np.ndarray) -> list[np.ndarray]:
    """The same from torch, as OpenCV's region layer orders it: row, column, anchor."""
    from dashtrain.boxes import decode, split

    out = []
    with torch.no_grad():
        for raw, head in zip(net(torch.from_numpy(pictures)), net.heads):
            p = split(raw, head)
            box = decode(p, head)
            objectness = p[..., 4:5].sigmoid()
            scores = objectness * p[..., 5:].sigmoid()
            rows = torch.cat([(box[..., :2] + box[..., 2:]) / 2, box[..., 2:] - box[..., :2], objectness, scores], -1)
            out.append(rows.permute(0, 2, 3, 1, 4).reshape(-1, 5 + head.classes).numpy())
    return out


class Darknet(unittest.TestCase):
    def networks(self):
        yield "full", common.full()
        yield "tiny", common.tiny()
        yield "odd", common.lively(darknet.Network(ODD))

    def test_same_bytes_back(self):
        for name, net in self.networks():
            with self.subTest(name), tempfile.TemporaryDirectory() as d:
                net.seen = 123456789012
                darknet.save(net, f"{d}/a.cfg", f"{d}/a.weights")
                again = darknet.load(f"{d}/a.cfg", f"{d}/a.weights")
                self.assertEqual(Path(f"{d}/a.weights").read_bytes(), darknet.dump_weights(again))
                self.assertEqual(net.cfg, again.cfg)
                x = torch.rand(1, 3, net.height, net.width)
                with torch.no_grad():
                    for a, b in zip(net.eval()(x), again.eval()(x)):
                        self.assertTrue(torch.equal(a, b))

    def test_same_outputs_as_opencv(self):
        rng = np.random.default_rng(5)
        for name, net in self.networks():
            with self.subTest(name):
                net.eval()
                pictures = rng.random((1, 3, net.height, net.width), np.float32)
                for ours, theirs in zip(decoded(net, pictures), opencv(net, pictures), strict=True):
                    # OpenCV sets class scores below the layer's threshold of 0.005 to 0.
                    ours[:, 5:][(theirs[:, 5:] == 0) & (ours[:, 5:] < 0.005 + 1e-4)] = 0
                    np.testing.assert_allclose(ours, theirs, atol=1e-4)

    def test_topologies_are_the_real_ones(self):
        net = darknet.Network(topology.full(416, 416, 1, common.ANCHORS, 80))
        kinds = [s.kind for s in net.sections]
        self.assertEqual((107, 75, 23, 3), (len(kinds), kinds.count("convolutional"), kinds.count("shortcut"), kinds.count("yolo")))
        self.assertEqual(248007048 - 20, len(darknet.dump_weights(net)) - 20)  # the size of the authors' yolov3.weights
        self.assertEqual([32, 16, 8], [h.stride for h in net.heads])
        net = darknet.Network(topology.tiny(416, 416, 1, common.ANCHORS[:6], 80))
        self.assertEqual(35434956 - 20, len(darknet.dump_weights(net)) - 20)  # of yolov3-tiny.weights
        self.assertEqual([32, 16], [h.stride for h in net.heads])

    def test_bad_files_are_refused(self):
        with tempfile.TemporaryDirectory() as d:
            net = common.tiny()
            path = Path(d) / "n.weights"
            raw = darknet.dump_weights(net)
            for content, why in ((raw[:-4], "short"), (raw + b"\0" * 4, "left"), (b"", "cut off")):
                path.write_bytes(content)
                with self.assertRaisesRegex(ValueError, why):
                    darknet.load_weights(net, path)
        for text, why in (
            ("", "no \\[net\\]"),
            ("[net]\n[convolutional\n", "bracket"),
            ("[net]\n[convolutional]\nfilters=many\n", "no number"),
            ("[net]\n[shortcut]\nfrom=-3\n", "points to layer"),
            ("[net]\n[convolutional]\nfilters=7\nactivation=linear\n[yolo]\nanchors=1,1\nmask=0\nclasses=2\nmask=0,4\n", "mask"),
            ("[net]\n[convolutional]\nfilters=9\nactivation=linear\n[yolo]\nanchors=1,1\nmask=0\nclasses=2\n", "needs 7 filters"),
            ("[net]\n[crnn]\n", "not known"),
        ):
            with self.subTest(text), self.assertRaisesRegex(ValueError, why):
                darknet.Network(text)


if __name__ == "__main__":
    unittest.main()
