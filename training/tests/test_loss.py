"""The detector's loss: where it pulls, and where it must not."""

import unittest

import common
import numpy as np
import torch

from dashtrain import evaluate
from dashtrain.boxes import complete_iou, decode, detections, overlap, split
from dashtrain.loss import Truth, assign, detector_loss, quiet_heads

NONE = np.zeros((0, 5), np.float32)
BOX = np.array([[1, 0.4, 0.6, 0.2, 0.3]], np.float32)


def heads(net, batch: int = 1, seed: int = 1) -> list[torch.Tensor]:
    """Random raw outputs that take gradients."""
    g = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, len(h.anchors) * (5 + h.classes), net.height // h.stride, net.width // h.stride, generator=g).requires_grad_()
        for h in net.heads
    ]  # fmt: skip


class Loss(unittest.TestCase):
    def setUp(self):
        self.net = common.full()

    def test_each_box_is_assigned_where_its_middle_is(self):
        boxes = np.array([[0, 0.01, 0.01, 0.1, 0.12], [1, 0.999, 0.999, 0.9, 0.9], [0, 0.5, 0.5, 0.3, 0.25]], np.float32)
        places = assign(self.net, Truth([boxes], [NONE]), (self.net.width, self.net.height))
        for wanted in boxes:
            mine = 0
            for head, t in zip(self.net.heads, places):
                for k in range(len(t.cls)):
                    centre = (t.box[k, :2] + t.box[k, 2:]) / 2
                    if not np.allclose(centre, wanted[1:3], atol=1e-5):
                        continue
                    mine += 1
                    size = torch.tensor([self.net.width / head.stride, self.net.height / head.stride])
                    self.assertEqual((centre * size).int().tolist(), [int(t.at[3][k]), int(t.at[2][k])])
                    self.assertEqual(int(wanted[0]), int(t.cls[k]))
            self.assertGreaterEqual(mine, 1)

    def test_descent_finds_the_boxes(self):
        """Raw outputs alone, without a network, must come to say what the truth says."""
        raw = [r.detach().mul(0.1).requires_grad_() for r in heads(self.net)]
        truth = Truth([np.concatenate([BOX, [[0, 0.8, 0.3, 0.1, 0.15]]]).astype(np.float32)], [NONE])
        opt = torch.optim.Adam(raw, 0.1)
        for _ in range(200):
            opt.zero_grad()
            loss, _ = detector_loss(self.net, raw, truth)
            loss.backward()
            opt.step()
        found = detections(self.net, [r.detach() for r in raw], floor=0.3)[0]
        rows = evaluate.match(found, truth.boxes[0], NONE, 0.9)
        self.assertEqual(2, int(rows[:, 2].sum()), found)
        self.assertEqual(2, len(found), found)

    def test_gradient_is_that_of_differences(self):
        """Of class where a box is, and of objectness where none is. (CIoU holds its own weight still.)"""
        raw = [r.detach().double().requires_grad_() for r in heads(self.net)]
        truth = Truth([BOX], [NONE])
        loss, _ = detector_loss(self.net, raw, truth)
        loss.backward()
        at = assign(self.net, truth, (self.net.width, self.net.height))
        k = next(i for i, t in enumerate(at) if len(t.cls))
        _, a, y, x = (int(v[0]) for v in at[k].at)
        wide = 5 + self.net.heads[k].classes
        for index in ((0, a * wide + 5, y, x), (0, a * wide + 6, y, x), (0, a * wide + 4, 0, 0)):

            def value(step: float) -> float:
                moved = [r.detach().clone() for r in raw]
                moved[k][index] += step
                return float(detector_loss(self.net, moved, truth)[0])

            gradient = float(raw[k].grad[index])
            self.assertGreater(abs(gradient), 1e-6)
            self.assertAlmostEqual((value(1e-4) - value(-1e-4)) / 2e-4, gradient, delta=1e-4 * (1 + abs(gradient)))

    def test_ignored_boxes_give_no_loss(self):
        """Whatever is predicted in an ignored box changes nothing."""
        ignored = np.array([[0, 0.5, 0.5, 0.4, 0.5]], np.float32)
        net = common.full(192, 128)
        raw = heads(net)
        with_none, _ = detector_loss(net, raw, Truth([NONE], [NONE]))
        loss, _ = detector_loss(net, raw, Truth([NONE], [ignored]))
        self.assertLess(float(loss), float(with_none))
        loss.backward()
        for r, head in zip(raw, net.heads):
            gradient = split(r.grad, head)
            h, w = gradient.shape[2:4]
            gx, gy = (np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h
            inside = (abs(gy - 0.5) < 0.25)[:, None] & (abs(gx - 0.5) < 0.2)
            self.assertTrue(inside.any())
            self.assertEqual(0, float(gradient[:, :, torch.from_numpy(inside)].abs().max()))
        self.assertGreater(max(float(r.grad.abs().max()) for r in raw), 0)

    def test_a_far_ignored_box_frees_no_coarse_cell(self):
        """One much smaller than a cell frees the place that would hold it, and nothing of the coarse heads."""
        net = common.full(192, 128)
        raw = [r.detach() * 0 for r in heads(net)]
        none, far = Truth([NONE], [NONE]), Truth([NONE], [np.array([[0, 0.37, 0.4, 0.02, 0.03]], np.float32)])
        freed = []
        for head, a, b in zip(net.heads, self.gradients(net, raw, none), self.gradients(net, raw, far)):
            freed.append(int(((a != 0) & (b == 0)).any(-1).sum()))
        self.assertEqual([0, 0], freed[:2])
        self.assertTrue(1 <= freed[2] <= 3, freed)

    def test_only_loud_places_are_forgiven(self):
        """A box that reaches into an ignored one from a cell outside of it is left alone, unless it is quiet anyhow."""
        net = common.full(192, 128)
        head = net.heads[0]
        ignored = Truth([NONE], [np.array([[0, 100 / 192, 0.5, 100 / 192, 1]], np.float32)])  # columns 50 to 150
        for objectness, most in ((0.0, 0.0), (-6.0, 1 / (1 + np.exp(6)))):
            raw = [r.detach() * 0 for r in heads(net)]
            raw[0][0, 0, 1, 1] = 2.2  # column 1 of stride 32: its middle is at 48, the box's now at 61
            raw[0][0, 2:4, 1, 1] = -0.3
            raw[0][0, 4, 1, 1] = objectness
            half = head.anchors[0][0] * np.exp(-0.3) / 2
            self.assertGreater(61 + half - max(50, 61 - half), half)  # more than half of it lies inside
            gradient = float(self.gradients(net, raw, ignored)[0][0, 0, 1, 1, 4])
            self.assertAlmostEqual(most, gradient, places=5)

    @staticmethod
    def gradients(net, raw, truth):
        raw = [r.clone().requires_grad_() for r in raw]
        detector_loss(net, raw, truth)[0].backward()
        return [split(r.grad, h) for r, h in zip(raw, net.heads)]

    def test_empty_pictures_have_a_finite_loss(self):
        loss, parts = detector_loss(self.net, heads(self.net, 2), Truth([NONE, NONE], [NONE, NONE]))
        self.assertTrue(torch.isfinite(loss))
        self.assertEqual((0, 0), (parts["box"], parts["class"]))

    def test_overlaps(self):
        a = torch.tensor([0.0, 0.0, 0.4, 0.4])
        for b, iou in (([0.0, 0.0, 0.4, 0.4], 1), ([0.2, 0.0, 0.6, 0.4], 1 / 3), ([0.5, 0.5, 0.6, 0.6], 0)):
            self.assertAlmostEqual(iou, float(overlap(a, torch.tensor(b))), places=5)
        self.assertAlmostEqual(1, float(complete_iou(a, a, 1.7)), places=5)
        self.assertLess(float(complete_iou(a, torch.tensor([0.5, 0.5, 0.9, 0.9]), 1.7)), 0)

    def test_new_heads_are_quiet(self):
        quiet_heads(self.net)
        with torch.no_grad():
            for raw, head in zip(self.net.eval()(torch.rand(1, 3, 64, 96)), self.net.heads):
                self.assertLess(float(split(raw, head)[..., 4].sigmoid().mean()), 0.05)


class Evaluation(unittest.TestCase):
    def test_average_precision(self):
        """A right one, a wrong one, a right one of two: 51 recalls at 1, 50 at 2/3."""
        self.assertAlmostEqual((51 + 50 * 2 / 3) / 101, evaluate.average_precision(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0, 1]), 2))
        self.assertEqual(0, evaluate.average_precision(np.zeros(0), np.zeros(0), 3))

    def test_ignored_boxes_count_for_nothing(self):
        found = np.array([[0.1, 0.1, 0.3, 0.3, 0.9, 0], [0.6, 0.6, 0.8, 0.8, 0.8, 0]])
        box = np.array([[0, 0.2, 0.2, 0.2, 0.2]], np.float32)
        ignored = np.array([[0, 0.7, 0.7, 0.3, 0.3]], np.float32)
        self.assertEqual([1, 0], evaluate.match(found, box, NONE, 0.5)[:, 2].tolist())
        self.assertEqual([1], evaluate.match(found, box, ignored, 0.5)[:, 2].tolist())


if __name__ == "__main__":
    unittest.main()
