"""Runs: one that was stopped ends as one that was not; what is written can be read."""

import json
import tempfile
import unittest
from pathlib import Path

import common
import torch

from dashtrain import blocks, data, detector, lanes, lanetask, loop, report

SETTINGS = loop.Settings(samples=24, batch=3, warmup=2, precision="fp32", evaluations=2, log_steps=2)


class Loop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.here = Path(cls.scratch.name)
        cls.data = data.load([blocks.write(cls.here / "blocks", 8, 1)], cls.here / "cache")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def tasks(self):
        torch.manual_seed(1)
        yield "detector", detector.task(common.tiny(), self.data, self.data, SETTINGS.batch, 1, 4)
        torch.manual_seed(1)
        yield "lanes", lanetask.task(lanes.LaneNet(), self.data, self.data, SETTINGS.batch, 1, 4)

    def test_stopped_and_gone_on_is_the_same(self):
        for (name, whole), (_, part), (_, rest) in zip(self.tasks(), self.tasks(), self.tasks()):
            with self.subTest(name):
                loop.train(self.here / (name + "-whole"), whole, SETTINGS)
                folder = self.here / (name + "-parts")
                with self.assertRaises(loop.Stopped):
                    loop.train(folder, part, SETTINGS, stop_at=5)
                with torch.no_grad():  # it must not matter how the network begins
                    for p in rest.net.parameters():
                        p.zero_()
                loop.train(folder, rest, SETTINGS)
                for key, value in whole.net.state_dict().items():
                    self.assertTrue(torch.equal(value, rest.net.state_dict()[key]), key)
                steps = [r["step"] for r in report.rows(folder / "loss.csv")]
                self.assertEqual([2, 4, 6, 8], steps)
                for a, b in zip(report.rows(self.here / (name + "-whole") / "accuracy.csv"), report.rows(folder / "accuracy.csv"), strict=True):
                    self.assertEqual({k: v for k, v in a.items() if k != "wall_s"}, {k: v for k, v in b.items() if k != "wall_s"})

    def test_a_checkpoint_of_another_run_is_refused(self):
        _, task = next(self.tasks())
        folder = self.here / "refused"
        with self.assertRaises(loop.Stopped):
            loop.train(folder, task, SETTINGS, stop_at=1)
        other = loop.Settings(**vars(SETTINGS) | {"rate": 1e-4})
        with self.assertRaisesRegex(ValueError, "other rate"):
            loop.train(folder, task, other)

    def test_record_table_and_card(self):
        _, task = next(self.tasks())
        task.details = {"topology": "tiny", "width": 0.0625, "input": [96, 64], "parameters": 7, "training_pictures": 8, "training_digest": "a", "held_out_pictures": 8, "held_out_digest": "b", "classes": self.data.classes}
        loop.train(self.here / "recorded", task, SETTINGS)
        record = json.loads((self.here / "recorded" / "run.json").read_text())
        self.assertTrue(record["done"])
        self.assertGreater(record["peak_mb"], 10)
        self.assertIn("ap50", record["held_out"])
        self.assertIn("| recorded | 0.0625 | 96x64 | 7 |", report.table([record]))
        self.assertIn("24 samples in batches of 3", report.card(record))
        report.curves(self.here / "recorded")
        self.assertTrue((self.here / "recorded" / "curves.png").stat().st_size > 1000)

    def test_a_loss_that_is_no_number_ends_the_run(self):
        _, task = next(self.tasks())
        broken = task.loss
        task.loss = lambda net, batch: (broken(net, batch)[0] * float("nan"), {})
        with self.assertRaisesRegex(FloatingPointError, "lower --rate"):
            loop.train(self.here / "broken", task, SETTINGS)


if __name__ == "__main__":
    unittest.main()
