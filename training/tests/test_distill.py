"""Teaching: nothing to learn from one's like, and something from all others."""

import unittest

import common
import numpy as np
import torch

from dashtrain import detector, distill
from dashtrain.boxes import split
from dashtrain.loss import Truth

NONE = np.zeros((0, 5), np.float32)


class Distill(unittest.TestCase):
    def spoken(self, student, teacher, raw, told) -> dict[str, float]:
        return {k: float(v) for k, v in distill.spoken_loss(student, raw, distill.lessons(student, teacher, told), distill.Gains()).items()}

    def test_nothing_to_learn_from_ones_like(self):
        for net in (common.full(), common.tiny()):
            net.eval()
            with torch.no_grad():
                raw = net(torch.rand(2, 3, net.height, net.width))
            self.assertTrue(any((split(r, h)[..., 4] > 0).any() for r, h in zip(raw, net.heads)))
            for part, value in self.spoken(net, net, raw, raw).items():
                self.assertAlmostEqual(0, value, places=5, msg=part)
            for part, value in self.spoken(net, net, [r + 0.5 for r in raw], raw).items():
                self.assertGreater(value, 1e-3, part)

    def test_hint_of_ones_like_is_zero(self):
        net = common.tiny()
        hint = distill.Hint(net, net)
        for a in hint.adapters:
            torch.nn.init.dirac_(a.weight)
            torch.nn.init.zeros_(a.bias)
        with torch.no_grad():
            _, seen = net.eval().forward_with(torch.rand(1, 3, net.height, net.width), hint.student)
            self.assertAlmostEqual(0, float(hint(seen, seen)), places=6)
            self.assertGreater(float(hint([s + 1 for s in seen], seen)), 0.01)

    def test_every_teacher_anchor_falls_to_one(self):
        student, teacher = common.tiny(), common.full()
        fallen = sorted(f for head in distill.pairing(student, teacher) for anchor in head for f in anchor)
        self.assertEqual([(h, a) for h in range(3) for a in range(3)], fallen)

    def test_a_small_find_reaches_the_students_coarser_head(self):
        """One sure prediction of the teacher's finest head must show at the student's cell that holds it."""
        student, teacher = common.tiny(), common.full()
        told = [torch.full((1, 21, teacher.height // h.stride, teacher.width // h.stride), -9.0) for h in teacher.heads]
        fine = split(told[2], teacher.heads[2])
        fine[0, 1, 5, 7, 4] = 4.0  # row 5, column 7 of stride 8
        shown = [(t.objectness * t.known[None, :, None, None] > 0).nonzero().tolist() for t in distill.lessons(student, teacher, told)]
        self.assertEqual([], shown[0])
        self.assertEqual([[2, 3]], [place[2:] for place in shown[1]])

    def test_the_teacher_does_not_move(self):
        student, teacher = common.tiny(), common.full().eval().requires_grad_(False)
        before = {k: v.clone() for k, v in teacher.state_dict().items()}
        batch = detector.Batch(torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8), Truth([NONE, NONE], [NONE, NONE]))
        hint = distill.Hint(student, teacher)
        loss, parts = distill.distil_loss(student, teacher, hint, batch)
        loss.backward()
        self.assertTrue(all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items()))
        self.assertTrue(all(p.grad is not None for p in hint.parameters()))
        self.assertGreater(parts["hint"], 0)


if __name__ == "__main__":
    unittest.main()
