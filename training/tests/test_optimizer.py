"""The optimizer: what it makes of a kernel's momentum, and that it comes down."""

import unittest

import common  # noqa: F401
import torch
from torch import nn

from dashtrain.optimizer import Optimizer, kernels, orthogonal


class Orthogonal(unittest.TestCase):
    def test_singular_values_are_near_one_and_vectors_stay(self):
        g = torch.Generator().manual_seed(1)
        for shape in ((16, 144), (64, 9), (32, 32), (256, 1152)):
            m = torch.randn(*shape, generator=g)
            for precision, slack in ((torch.float32, 0.0), (torch.bfloat16, 0.05)):
                with self.subTest(shape=shape, precision=precision):
                    got = orthogonal(m, precision)
                    self.assertEqual(m.dtype, got.dtype)
                    values = torch.linalg.svdvals(got)
                    if shape != (32, 32):  # a square one has values too small to be lifted in five steps
                        self.assertGreater(float(values.min()), 0.6 - slack)
                    self.assertLess(float(values.max()), 1.3 + slack)
                    u, _, v = torch.linalg.svd(m, full_matrices=False)
                    self.assertGreater(float((got * (u @ v)).sum() / got.norm() / (u @ v).norm()), 0.9)

    def test_zero_gradient_moves_nothing(self):
        self.assertEqual(0, float(orthogonal(torch.zeros(4, 8), torch.float32).abs().max()))


class Descent(unittest.TestCase):
    def net(self) -> nn.Sequential:
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1, groups=2, bias=False), nn.Conv2d(8, 1, 1))

    def test_only_hidden_kernels_are_orthogonalized(self):
        net = self.net()
        self.assertEqual([id(net[1].weight)], [id(p) for p in kernels([net])])
        opt = Optimizer([net], 0.01, 0.02)
        self.assertEqual(sum(1 for _ in net.parameters()), sum(len(g["params"]) for g in opt.param_groups))

    def test_every_parameter_moves_and_the_loss_falls(self):
        net = self.net()
        opt = Optimizer([net], 0.02, 0.0)
        x = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(2))
        wanted = x.mean((1, 2, 3))
        before = [p.detach().clone() for p in net.parameters()]
        losses = []
        for _ in range(60):
            opt.zero_grad()
            loss = ((net(x).mean((1, 2, 3)) - wanted) ** 2).mean()
            loss.backward()
            opt.step()
            losses.append(float(loss.detach()))
        self.assertLess(losses[-1], losses[0] / 3)
        for a, b in zip(before, net.parameters()):
            self.assertFalse(torch.equal(a, b))

    def test_state_comes_back(self):
        """Exactness of a resumed run is tested in test_loop; here, that nothing of the state is left out."""
        net = self.net()
        opt = Optimizer([net], 0.02, 0.0)
        net(torch.randn(2, 3, 8, 8)).sum().backward()
        opt.step()
        again = Optimizer([net], 0.02, 0.0)
        again.load_state_dict(opt.state_dict())
        self.assertEqual(len(list(net.parameters())), len(again.state))


class RelativeUpdates(unittest.TestCase):
    """Updates in the size of what they change, however large the gradient."""

    def test_an_update_is_bounded_by_its_filter(self):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 1, bias=False), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1))
        with torch.no_grad():
            for m in net:
                if isinstance(m, nn.Conv2d):  # filters of very different sizes
                    m.weight.mul_(10.0 ** torch.linspace(-3, 2, len(m.weight)).view(-1, 1, 1, 1))
        opt = Optimizer([net], 0.01, 0.0, relative=True)
        hidden = {id(p) for p in kernels([net])}
        for step in range(5):
            before = [p.detach().clone() for p in net.parameters()]
            opt.zero_grad()
            (1e6 * net(torch.randn(4, 3, 8, 8)).square().mean()).backward()
            opt.step()
            for was, p in zip(before, net.parameters()):
                if p.ndim < 2:
                    continue
                size = was.flatten(1).square().mean(1).sqrt()
                moved = (p.detach() - was).flatten(1).square().mean(1).sqrt()
                least = 0.01 * size.square().mean().sqrt()  # what filters of zeros move by
                # Rows of an orthogonal matrix are of about one size, not of exactly one.
                slack = 3.0 if id(p) in hidden else 1.001
                self.assertTrue((moved <= 0.01 * slack * torch.maximum(size, least)).all(), (step, tuple(p.shape)))
                self.assertGreater(float(moved.max()), 0)

    def test_scales_of_filters_do_not_matter(self):
        """The same network with its filters written ten times as large, and read so, takes the same steps ten times as large."""
        torch.manual_seed(1)
        x, wanted = torch.randn(8, 4, 6, 6), torch.randn(8, 5, 6, 6)
        weights = []
        for scale in (1.0, 10.0):
            torch.manual_seed(2)
            conv = nn.Conv2d(4, 5, 1, bias=False)
            with torch.no_grad():
                conv.weight.mul_(scale)
            opt = Optimizer([conv], 0.01, 0.0, relative=True)
            for _ in range(5):
                opt.zero_grad()
                ((conv(x) / scale - wanted) ** 2).mean().backward()
                opt.step()
            weights.append(conv.weight.detach() / scale)
        torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    unittest.main()
