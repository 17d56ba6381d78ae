# SPDX-License-Identifier: MIT
"""The torch drop-in on tensors of any strides: their values, and that none is copied."""

import contextlib
import unittest
import unittest.mock

import torch

import groupnorm
from groupnorm import Layout
from torch_groupnorm import GroupNorm, group_norm
from torch_pair import TOLERANCE, TorchTest, channels_last, views

SHAPE, GROUPS = (3, 12, 7, 5), 4
LAST = {"channels last", "channels of channels last", "the same, channels last",
        "every other column of channels last", "expanded image"}
# Those whose samples are dense, channels first.
FIRST = {"contiguous", "channels", "every other sample", "expanded batch"}


@contextlib.contextmanager
def addresses(name):
    """A dict that has the addresses given to the library's function, by the header's names."""
    names = {
        "gn_forward": "plan x gamma beta y mean rstd",
        "gn_forward_add": "plan x skip gamma beta sum y mean rstd",
        "gn_backward": "plan dy x mean rstd gamma beta dx dgamma dbeta",
        "gn_backward_add": "plan dy sum mean rstd gamma beta dx dskip dgamma dbeta",
    }[name].split()
    library, given = groupnorm._library, {}
    with unittest.mock.patch.object(library, name, side_effect=getattr(library, name)) as function:
        yield given
    given.update(zip(names, function.call_args.args))


class ViewTest(TorchTest):
    def setUp(self):
        torch.manual_seed(0)
        self.weight, self.bias = torch.randn(2, 12)

    def test_values(self):
        for dtype in TOLERANCE:
            for name, x in views(SHAPE, dtype).items():
                for activation in (None, "silu"):
                    with self.subTest(name, dtype=dtype, activation=activation):
                        self.check_function(x, GROUPS, self.weight.to(dtype), self.bias.to(dtype),
                                            activation)

    def test_skips(self):
        for name, x in views(SHAPE, torch.float64).items():
            for skip_name, skip in views(SHAPE, torch.float64).items():
                with self.subTest(name, skip=skip_name):
                    self.check_function(x, GROUPS, skip=skip)

    def test_gradients_of_any_strides(self):
        for name, x in views(SHAPE).items():
            x = x.detach().requires_grad_()
            y = group_norm(x, GROUPS, self.weight)
            for dy_name, dy in views(SHAPE).items():
                with self.subTest(name, dy=dy_name):
                    dx, = torch.autograd.grad(y, x, dy, retain_graph=True)
                    expected, = torch.autograd.grad(y, x, dy.contiguous(), retain_graph=True)
                    self.assertTrue(torch.equal(dx, expected))

    def test_layouts(self):
        for name, x in views(SHAPE).items():
            with self.subTest(name):
                y = group_norm(x.requires_grad_(), GROUPS)
                last = y.grad_fn.arguments["layout"] is Layout.CHANNELS_LAST
                self.assertEqual(last, name in LAST)

    def test_layouts_of_small_images(self):
        for shape in ((2, 12, 2, 1), (2, 12, 1, 2), (2, 12, 2, 2), (2, 12, 2)):
            x = channels_last(torch.randn(shape)).requires_grad_()
            y = group_norm(x, GROUPS)
            self.assertIs(y.grad_fn.arguments["layout"], Layout.CHANNELS_LAST)
            y = group_norm(x.detach().contiguous().requires_grad_(), GROUPS)
            self.assertIs(y.grad_fn.arguments["layout"], Layout.CHANNELS_FIRST)
        one = channels_last(torch.randn(2, 12, 5, 4))[:, :1].requires_grad_()
        self.assertIs(group_norm(one, 1).grad_fn.arguments["layout"], Layout.CHANNELS_FIRST)

    def test_strides_of_dense_tensors_are_kept(self):
        for name in ("contiguous", "channels last", "transposed", "batch last"):
            x = views(SHAPE)[name].requires_grad_()
            y, total = group_norm(x, GROUPS, skip=x.detach(), return_sum=True)
            dx, = torch.autograd.grad(y, x, torch.randn(SHAPE))
            for result in (y, total, dx):
                self.assertEqual(result.stride(), x.stride(), name)

    def test_no_copy(self):
        """The library is given the addresses of the tensors themselves.

        Of gradients, of those in the order of x; others are copied.
        """
        for dtype in TOLERANCE:
            weight, bias = self.weight.to(dtype).requires_grad_(), self.bias.to(dtype)
            for name, x in views(SHAPE, dtype).items():
                for dy_name, dy in views(SHAPE, dtype).items():
                    with self.subTest(name, dy=dy_name, dtype=dtype):
                        x = x.detach().requires_grad_()
                        with addresses("gn_forward") as given:
                            y = group_norm(x, GROUPS, weight, bias)
                        self.assertEqual(
                            [given[key] for key in ("x", "gamma", "beta", "y")],
                            [tensor.data_ptr() for tensor in (x, weight, bias, y)])
                        with addresses("gn_backward") as given:
                            dx, _ = torch.autograd.grad(y, (x, weight), dy)
                        self.assertEqual(
                            [given[key] for key in ("x", "gamma", "dx")],
                            [tensor.data_ptr() for tensor in (x, weight, dx)])
                        self.assertEqual(given["dy"] == dy.data_ptr(),
                                         dy_name in (LAST if name in LAST else FIRST))

    def test_no_copy_with_skip(self):
        small = torch.randn(3, 12)
        for name, x in views(SHAPE).items():
            for skip_name, skip in {**views(SHAPE), "channel": small}.items():
                with self.subTest(name, skip=skip_name):
                    x = x.detach().requires_grad_()
                    with addresses("gn_forward_add") as given:
                        y, total = group_norm(x, GROUPS, skip=skip, return_sum=True)
                    self.assertEqual([given[key] for key in ("x", "skip", "sum", "y")],
                                     [tensor.data_ptr() for tensor in (x, skip, total, y)])
                    with addresses("gn_backward_add") as given:
                        dx, = torch.autograd.grad(y, x, torch.randn(SHAPE))
                    self.assertEqual([given[key] for key in ("sum", "dx")],
                                     [tensor.data_ptr() for tensor in (total, dx)])

    def test_no_sum_is_stored_without_need(self):
        x, skip = torch.randn(2, *SHAPE)
        with addresses("gn_forward_add") as given:
            group_norm(x, GROUPS, skip=skip)
        self.assertIsNone(given["sum"])
        with torch.no_grad(), addresses("gn_forward_add") as given:
            group_norm(x.requires_grad_(), GROUPS, skip=skip)
        self.assertIsNone(given["sum"])

    def test_other_ranks(self):
        for x in (torch.randn(5, 24)[:, 6:18], torch.randn(12, 5).t(),
                  torch.randn(5, 1).expand(5, 12),
                  torch.randn(5, 3, 14)[:, :, 1:-1].transpose(1, 2),
                  torch.randn(2, 3, 4, 5, 20)[..., 4:16].movedim(-1, 1)):
            with self.subTest(shape=x.shape, strides=x.stride()):
                self.check_function(x, GROUPS, self.weight, self.bias, "relu")

    def test_negative_views(self):
        """Tensors whose memory holds the negated values, as the imaginary part of a conjugate."""
        parts = torch.randn(2, 12, 5, 4, dtype=torch.complex64).conj().imag
        self.assertTrue(parts.is_neg())
        norm = GroupNorm(GROUPS, 12)
        self.assertTrue(torch.equal(norm(parts), norm(parts.resolve_neg())))
        y = norm(parts.resolve_neg().requires_grad_())
        dys = parts, parts.resolve_neg()
        negative, dense = (torch.autograd.grad(y, norm.weight, dy, retain_graph=True)[0]
                           for dy in dys)
        self.assertTrue(torch.equal(negative, dense))

    def test_module_on_a_slice(self):
        x = torch.randn(2, 24, 5, 4)
        norm = GroupNorm(GROUPS, 12)
        self.assertTrue(torch.equal(norm(x[:, 12:]), norm(x[:, 12:].clone())))


if __name__ == "__main__":
    unittest.main()
