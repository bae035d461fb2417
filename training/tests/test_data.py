"""Data: what is read, what is refused, and truth that stays on its picture."""

import tempfile
import unittest
from pathlib import Path

import common
import cv2
import numpy as np

from dashtrain import augment, blocks, data, detector, lanes, lanetask


class Folders(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.here = Path(self.scratch.name)
        self.folder = blocks.write(self.here / "a", 6, 1)

    def tearDown(self):
        self.scratch.cleanup()

    def test_read(self):
        other = blocks.write(self.here / "b", 4, 2)
        both = data.load([self.folder, other], self.here / "cache")
        self.assertEqual(10, len(both))
        self.assertEqual((360, 640, 3), both.picture(7).shape)
        picture = cv2.imread(str(other / "images" / "s2_000001.jpg"))[..., ::-1]
        np.testing.assert_array_equal(picture, both.picture(7))
        self.assertEqual((3, 5), both.boxes(7)[0].shape)
        self.assertEqual(2, len(both.lanes(7).lines))
        files = sorted((self.here / "cache").iterdir())
        data.load([self.folder, other], self.here / "cache")
        self.assertEqual(files, sorted((self.here / "cache").iterdir()))
        (self.folder / "images" / "s1_000000.jpg").write_bytes((other / "images" / "s2_000000.jpg").read_bytes())
        changed = data.load([self.folder], self.here / "cache")
        np.testing.assert_array_equal(both.picture(6), changed.picture(0))

    def test_refused(self):
        label = next((self.folder / "labels").iterdir())
        for text in ("0 0.5 0.5 0.1", "2 .5 .5 .1 .1", "0 .5 .5 0 .1", "0 nan .5 .1 .1", "car .5 .5 .1 .1"):
            with self.subTest(text), self.assertRaises(ValueError):
                label.write_text(text)
                data.load([self.folder], self.here / "cache")
        with self.assertRaisesRegex(ValueError, "classes.txt"):
            data.load([self.here / "none"], self.here / "cache")
        truth = next((self.folder / "lanes").iterdir())
        for text in ("[]", "{", '{"lanes": [[[1], [2]]]}', '{"lanes": [[1, 2]], "drivable": 3}'):
            with self.subTest(text), self.assertRaises(ValueError):
                truth.write_text(text)
                data.read_lanes(truth)

    def test_anchors_follow_the_sizes(self):
        rng = np.random.default_rng(1)
        sizes = np.concatenate([rng.normal(c, 0.003, (200, 2)) for c in (0.05, 0.2, 0.5)])
        boxes = np.concatenate([np.zeros((600, 3)), sizes], 1)
        found = data.anchors(boxes, 3, 400, 200)
        np.testing.assert_allclose(found, [(20, 10), (80, 40), (200, 100)], rtol=0.03)

    def test_order_takes_each_sample_once_an_epoch(self):
        order = data.Order(10, 4, 3)
        taken = [i for step in range(5) for i in order.at(step)]
        self.assertEqual(list(range(10)), sorted(taken[:10]))
        self.assertEqual(list(range(10)), sorted(taken[10:]))
        self.assertNotEqual(taken[:10], taken[10:])
        self.assertEqual(taken[8:12], data.Order(10, 4, 3).at(2))


class Warps(unittest.TestCase):
    def test_truth_stays_on_the_picture(self):
        """A bright box in a dark picture, warped both ways, must be where its label is."""
        size = (384, 224)
        rng = np.random.default_rng(2)
        picture = np.zeros((360, 640, 3), np.uint8)
        picture[100:220, 250:400] = 255
        box = np.array([[1, 325 / 640, 160 / 360, 150 / 640, 120 / 360]], np.float32)
        for _ in range(50):
            m = augment.random_warp(rng, (640, 360), size, augment.Strength())
            warped = augment.warp(picture, m, size)[..., 0]
            kept, _ = augment.move_boxes(box, m, size, (640, 360), 6)
            if not len(kept):
                continue
            ys, xs = np.nonzero(warped > 160)
            x, y, w, h = kept[0, 1:] * (*size, *size)
            np.testing.assert_allclose([xs.min(), xs.max() + 1, ys.min(), ys.max() + 1], [x - w / 2, x + w / 2, y - h / 2, y + h / 2], atol=1.01)

    def test_plain_stretch_is_opencvs_resize(self):
        picture = np.random.default_rng(1).integers(0, 255, (360, 640, 3), np.uint8)
        ours = augment.warp(picture, augment.stretch((640, 360), (384, 224)), (384, 224))
        theirs = cv2.resize(picture, (384, 224), interpolation=cv2.INTER_LINEAR)
        # warpAffine places samples to a 32nd of a pixel.
        self.assertLess(abs(ours.astype(int) - theirs)[2:-2, 2:-2].mean(), 2.5)

    def test_boxes_that_leave_are_ignored(self):
        size = (640, 360)
        shift = np.array([[1, 0, 300], [0, 1, 0.0]])
        boxes = np.array([[0, 0.1, 0.5, 0.1, 0.1], [0, 0.58, 0.5, 0.2, 0.1], [0, 0.9, 0.5, 0.1, 0.1], [0, 0.2, 0.5, 0.1, 0.01]], np.float32)
        kept, lost = augment.move_boxes(boxes, shift, size, size, 6)
        self.assertEqual((1, 2), (len(kept), len(lost)))
        self.assertTrue((lost[:, 1] + lost[:, 3] / 2 <= 1 + 1e-6).all())

    def test_a_window_lies_on_its_aim(self):
        rng, whole, window = np.random.default_rng(1), (512, 288), (384, 224)
        m = augment.stretch((640, 360), whole)
        for aim in ([0, 0], [511, 287], [300, 140], None):
            corners = []
            for _ in range(50):
                at = augment.look(rng, m, whole, window, None if aim is None else np.array(aim, float))
                np.testing.assert_array_equal(m[:, :2], at[:, :2])  # the scale stays
                corners.append(m[:, 2] - at[:, 2])
                self.assertTrue((corners[-1] >= 0).all() and (corners[-1] <= np.subtract(whole, window)).all())
                if aim is not None:
                    self.assertTrue((corners[-1] <= aim).all() and (corners[-1] + window >= aim).all())
            if aim in ([300, 140], None):
                self.assertGreater(np.std(corners, 0).min(), 8)

    def test_aims_are_boxes(self):
        """Over mirrors and zooms, what a window is laid on is the middle of a box."""
        with tempfile.TemporaryDirectory() as d:
            samples = data.load([blocks.write(Path(d) / "a", 6, 1)], Path(d) / "cache")
            make = detector.Batches(samples, 192, 128, 4, 5)
            rng, aimed = np.random.default_rng(2), 0
            for k in range(60):
                m = augment.random_warp(rng, (640, 360), (192, 128), augment.Strength())
                aim = make.aim(rng, k % 6, m)
                if aim is None:
                    continue
                aimed += 1
                moved = augment.move_points(samples.boxes(k % 6)[0][:, 1:3] * (640, 360), m)
                self.assertLess(np.abs(moved - aim).sum(1).min(), 1e-3)
            self.assertGreater(aimed, 30)

    def test_most_batches_are_windows(self):
        with tempfile.TemporaryDirectory() as d:
            samples = data.load([blocks.write(Path(d) / "a", 6, 1)], Path(d) / "cache")
            make = detector.Batches(samples, 192, 128, 4, 5)
            self.assertEqual([(128, 192)] + 5 * [(96, 160)] + [(128, 192)], [tuple(make(k).pictures.shape[2:]) for k in range(7)])

    def test_a_step_is_the_same_again(self):
        with tempfile.TemporaryDirectory() as d:
            samples = data.load([blocks.write(Path(d) / "a", 6, 1)], Path(d) / "cache")
            for make in (lambda: detector.Batches(samples, 192, 128, 4, 5), lambda: lanetask.LaneBatches(samples, 4, 5)):
                first, second = make(), make()
                first(0)
                np.testing.assert_array_equal(first(3).pictures, second(3).pictures)


class Lanes(unittest.TestCase):
    LINES = [np.array([[100, 359], [300, 160]], np.float32), np.array([[540, 359], [340, 160]], np.float32)]

    def truth(self):
        road = np.array([[100, 359], [300, 160], [340, 160], [540, 359]], np.float32)
        return data.LaneTruth(self.LINES, road, [np.array([[300, 300], [340, 300], [340, 340], [300, 340]], np.float32)])

    def test_masks(self):
        drivable, lines = lanetask.masks(self.truth(), augment.stretch((640, 360), (640, 360)))
        self.assertEqual((255, 0, 0), tuple(int(drivable[y, x]) for x, y in ((320, 250), (320, 320), (20, 300))))
        for x, y in ((200, 259.5), (440, 259.5)):
            row = np.flatnonzero(lines[259])
            near = row[abs(row + 0.5 - x) < 20]
            self.assertAlmostEqual(x, near.mean() + 0.5, delta=1)
            self.assertAlmostEqual(lanetask.LINE_WIDTH * np.sqrt(2), len(near), delta=2)

    def test_a_perfect_mask_gives_the_lines(self):
        _, lines = lanetask.masks(self.truth(), augment.stretch((640, 360), (640, 360)))
        found = lanetask.chains(lines > 0)
        self.assertEqual(2, len(found))
        self.assertEqual(2, lanetask.pairs(found, self.LINES))
        self.assertEqual(0, lanetask.pairs([f + (14, 0) for f in found], self.LINES))
        self.assertEqual(0, lanetask.pairs([], self.LINES))

    def test_opencv_reads_the_export(self):
        import torch

        torch.manual_seed(2)
        net = lanes.LaneNet().eval()
        for m in net.modules():
            if isinstance(m, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(m.bias, 0, 0.3)
                torch.nn.init.uniform_(m.running_var, 0.5, 1.5)
        picture = np.random.default_rng(1).random((1, 3, 360, 640), np.float32)
        with tempfile.TemporaryDirectory() as d:
            lanes.export(net, Path(d) / "lanes.onnx")
            other = cv2.dnn.readNetFromONNX(str(Path(d) / "lanes.onnx"))
        other.setInput(picture)
        with torch.no_grad():
            for ours, theirs in zip(net(torch.from_numpy(picture)), other.forward(["da", "ll"])):
                self.assertEqual((1, 2, 360, 640), theirs.shape)
                np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


if __name__ == "__main__":
    unittest.main()
