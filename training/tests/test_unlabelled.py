"""Learning without labels: from one's like nothing, the same twice, and never out of bounds."""

import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import common
import cv2
import numpy as np
import torch

from dashtrain import blocks, commands, darknet, distill, loop, unlabelled
from dashtrain.boxes import split
from test_darknet import ODD

SETTINGS = loop.Settings(samples=24, batch=3, rate=0.002, decay=0.0, warmup=2, precision="fp32", evaluations=2, log_steps=2, relative=True)

# What compact networks are made of: depthwise convolutions, relu, linear ends, heads without normalization.
DEPTHWISE = """
[net]
width=64
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=relu

[convolutional]
batch_normalize=1
filters=8
groups=8
size=3
stride=2
pad=1
activation=relu

[convolutional]
batch_normalize=1
filters=12
size=1
activation=linear

[convolutional]
batch_normalize=1
filters=12
groups=12
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=12
size=1
activation=linear

[convolutional]
filters=16
size=1
activation=linear

[yolo]
mask=0,1
anchors=8,8, 24,24
classes=3
num=2
"""


def depthwise(seed: int = 3) -> darknet.Network:
    torch.manual_seed(seed)
    return common.lively(darknet.Network(DEPTHWISE), seed)


def mimic(student: darknet.Network, teacher: darknet.Network) -> distill.Mimic:
    m = distill.Mimic(student, teacher)
    m.fit(student, teacher, [torch.rand(4, 3, 64, 64) for _ in range(4)], ridge=1e-6)
    return m


class Fold(unittest.TestCase):
    def test_folding_and_back_changes_no_output(self):
        for net in (depthwise(), common.tiny(), common.lively(darknet.Network(ODD))):
            net.eval()
            x = torch.rand(2, 3, net.height, net.width)
            keys = set(net.state_dict())
            with torch.no_grad():
                whole = net(x)
                for state in (net.fold, net.unfold):
                    for a, b in zip(whole, state()(x), strict=True):
                        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
            self.assertEqual(keys, set(net.state_dict()))

    def test_a_folded_network_is_not_saved(self):
        with self.assertRaisesRegex(ValueError, "unfold"):
            darknet.dump_weights(depthwise().fold())


class Loss(unittest.TestCase):
    def test_nothing_to_learn_from_ones_like(self):
        net = depthwise().eval().fold()
        x = torch.rand(2, 3, 64, 64)
        loss, parts = distill.unlabelled_loss(net, net, mimic(net, net), x)
        self.assertAlmostEqual(0, float(loss), places=3)
        self.assertEqual({"taught_objectness", "taught_box", "taught_class", "hint"}, set(parts))

    def test_gradients_reach_every_parameter_and_not_the_teacher(self):
        student, teacher = depthwise(1).fold(), depthwise(2).fold().requires_grad_(False)
        loss, _ = distill.unlabelled_loss(student, teacher, mimic(student, teacher), torch.rand(2, 3, 64, 64))
        loss.backward()
        for name, p in student.named_parameters():
            self.assertIsNotNone(p.grad, name)
            self.assertGreater(float(p.grad.abs().max()), 0, name)
        self.assertTrue(all(p.grad is None for p in teacher.parameters()))

    def test_the_map_undoes_another_order_and_scale_of_features(self):
        teacher, student = depthwise().eval().fold(), depthwise().eval().fold()
        last = student.layers[4].conv
        with torch.no_grad():
            last.weight.copy_(2 * last.weight.flip(0))
            last.bias.copy_(2 * last.bias.flip(0) + 1)
            x = torch.rand(2, 3, 64, 64)
            found = mimic(student, teacher)
            self.assertEqual((4,), found.layers)
            seen, shown = student.forward_with(x, (4,))[1], teacher.forward_with(x, (4,))[1]
            self.assertLess(float(found(seen, shown)), 1e-3)
            self.assertGreater(float(found([s + 1 for s in seen], shown)), 0.1)

    def test_networks_of_other_layers_are_not_compared_inside(self):
        self.assertEqual((), distill.Mimic(common.tiny(), common.full()).layers)

    def test_a_sure_cell_among_a_thousand_counts(self):
        """One lost object must cost more than a little noise everywhere."""
        net = depthwise()
        told = [torch.full((1, 16, 8, 8), -9.0)]
        split(told[0], net.heads[0])[0, 1, 3, 4, 4] = 4.0

        def cost(raw):
            return sum(float(v) for v in distill.spoken_loss(net, raw, distill.lessons(net, net, told), distill.Gains()).values())

        lost, noisy = told[0].clone(), told[0].clone()
        split(lost, net.heads[0])[0, 1, 3, 4, 4] = -9.0
        split(noisy, net.heads[0])[..., 4] += 1.0
        self.assertGreater(cost([lost]), 5 * cost([noisy]))


class Scratch(unittest.TestCase):
    """A folder of pictures in a scratch folder."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.here = Path(cls.scratch.name)
        cls.folder = blocks.write(cls.here / "blocks", 12, 1)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def load(self, *more: Path):
        return unlabelled.load([self.folder, *more], self.here / "cache", 64, 64)


class Views(Scratch):
    def test_any_pictures_are_taken_and_the_last_are_held_out(self):
        other = self.here / "other"
        other.mkdir()
        for k, size in enumerate(((20, 30), (300, 200), (96, 96))):
            cv2.imwrite(str(other / f"{k}.png"), np.full((*size, 3), 40 * k, np.uint8))
        (other / "notes.txt").write_text("no picture")
        training, held_out = self.load(other)
        self.assertEqual((11 + 2, 1 + 1), (len(training), len(held_out)))
        self.assertEqual((96, 96, 3), training.picture(12).shape)
        self.assertEqual(40, int(training.picture(12).mean()))
        self.assertEqual(80, int(held_out.picture(1).mean()))

    def test_bad_folders_are_refused(self):
        empty = self.here / "empty"
        empty.mkdir()
        broken = self.here / "broken"
        broken.mkdir()
        (broken / "a.jpg").write_bytes(b"\xff\xd8no")
        for path, why in ((empty, "a folder with pictures"), (self.here / "none", "no folder"), (broken, "no picture that can be read")):
            with self.subTest(path), self.assertRaisesRegex(ValueError, why):
                self.load(path)

    def test_a_step_depends_on_seed_and_number_alone(self):
        training, _ = self.load()
        one, two = unlabelled.Views(training, 64, 64, 3, 1), unlabelled.Views(training, 64, 64, 3, 1)
        one(0), one(1)
        self.assertTrue(torch.equal(one(7).pictures, two(7).pictures))
        self.assertFalse(torch.equal(one(7).pictures, one(8).pictures))
        self.assertEqual((3, 3, 64, 64), tuple(one(7).pictures.shape))


class Run(Scratch):
    def task(self, seed: int = 1) -> loop.Task:
        return unlabelled.task(depthwise(seed), depthwise(2), *self.load(), SETTINGS.batch, 1, 4)

    def test_stopped_and_gone_on_is_the_same(self):
        whole, part, rest = self.task(), self.task(), self.task(5)
        loop.train(self.here / "whole", whole, SETTINGS)
        with self.assertRaises(loop.Stopped):
            loop.train(self.here / "parts", part, SETTINGS, stop_at=5)
        loop.train(self.here / "parts", rest, SETTINGS)
        for key, value in whole.net.state_dict().items():
            self.assertTrue(torch.equal(value, rest.net.state_dict()[key]), key)

    def test_one_learns_from_another(self):
        task = self.task()
        s = loop.Settings(**vars(SETTINGS) | {"samples": 240, "batch": 8, "rate": 0.01})
        before = task.accuracy(task.net)["loss"]
        loop.train(self.here / "learns", task, s)
        self.assertLess(task.accuracy(task.net)["loss"], 0.8 * before)

    def test_one_agrees_with_oneself(self):
        task = unlabelled.task(depthwise(), depthwise(), *self.load(), 3, 1, 4)
        found = task.accuracy(task.net)
        self.assertAlmostEqual(0, found["loss"], places=4)
        self.assertGreater(found.get("ap50", 1.0), 0.99)

    def test_other_heads_are_refused(self):
        with self.assertRaisesRegex(ValueError, "heads are not"):
            other = darknet.Network(DEPTHWISE.replace("24,24", "30,30"))
            commands.same_heads(depthwise(), other, Path("t.cfg"))
        with self.assertRaisesRegex(ValueError, "must be alike"):
            commands.same_heads(depthwise(), darknet.Network(DEPTHWISE.replace("width=64", "width=96")), Path("t.cfg"))

    def test_precision_is_not_timed(self):
        """With labels and without: what is timed depends on what else runs."""
        for way in ("told", "labelled"):
            task = SimpleNamespace(net=None, details={}, accuracy=lambda net: {"loss": 1.0})
            s = loop.Settings(24, 3, 0.01)
            with (
                mock.patch.object(commands, "prepare"), mock.patch.object(commands, way, return_value=(task, s)),
                mock.patch.object(commands, "run", return_value=False) as run,
            ):  # fmt: skip
                args = SimpleNamespace(unlabelled=way == "told", out=self.here, name=way, fresh=True)
                self.assertEqual(commands.STOPPED, commands.finetune(args))
            self.assertEqual("bf16" if loop.has_bf16() else "fp32", run.call_args.args[2].precision)


if __name__ == "__main__":
    unittest.main()
