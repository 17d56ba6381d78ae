# SPDX-License-Identifier: MIT
"""What the torch drop-in computes, forward and by autograd."""

import copy
import unittest
import unittest.mock

import torch

import groupnorm
from torch_groupnorm import GroupNorm, group_norm, replace_groupnorm
from torch_pair import TorchTest, channels_last, contiguous, make_pair


class ResultTest(TorchTest):
    # Groups of a few values are not here: their dx nearly vanishes, and with it the tolerance.
    SHAPES = [
        ((5, 24), 3),
        ((2, 6, 50), 2),
        ((3, 12, 7, 5), 4),
        ((2, 32, 17, 16), 32),
        ((2, 8, 3, 5, 4), 1),
        ((1, 4, 2, 3, 2, 5), 2),
    ]

    def test_values(self):
        for shape, groups in self.SHAPES:
            ours, theirs = make_pair(groups, shape[1])
            for order in (contiguous, channels_last):
                for dy_order in (contiguous, channels_last):
                    with self.subTest(shape=shape, order=order, dy_order=dy_order):
                        x = order(0.5 + 2 * torch.randn(shape))
                        dy = dy_order(torch.randn(shape))
                        self.check(ours, theirs, x, dy)

    def test_strides_are_kept(self):
        for shape, groups in self.SHAPES:
            ours, theirs = make_pair(groups, shape[1])
            for order in (contiguous, channels_last):
                with self.subTest(shape=shape, order=order):
                    x, y = self.check(ours, theirs, order(torch.randn(shape)), torch.randn(shape))
                    self.assertEqual(y.stride(), x.stride())
                    self.assertEqual(x.grad.stride(), x.stride())

    def test_memory_formats_without_a_copy(self):
        for shape, memory_format in (
            ((2, 6, 5, 4), torch.channels_last),
            ((2, 6, 3, 5, 4), torch.channels_last_3d),
            ((2, 6, 5, 4), torch.contiguous_format),
        ):
            x = torch.randn(shape).contiguous(memory_format=memory_format).requires_grad_()
            y = GroupNorm(3, 6)(x)
            self.assertTrue(y.is_contiguous(memory_format=memory_format))
            self.assertEqual(y.grad_fn.saved_tensors[0].data_ptr(), x.data_ptr())
            expected = (
                groupnorm.Layout.CHANNELS_FIRST
                if memory_format is torch.contiguous_format
                else groupnorm.Layout.CHANNELS_LAST
            )
            self.assertIs(y.grad_fn.arguments["layout"], expected)
            dx, = torch.autograd.grad(y, x, torch.randn(shape))
            self.assertTrue(dx.is_contiguous(memory_format=memory_format))

    def test_shapes_of_both_formats(self):
        for shape, groups in (((2, 1, 5, 4), 1), ((3, 24, 1, 1), 3), ((1, 1, 1, 8), 1)):
            ours, theirs = make_pair(groups, shape[1])
            for memory_format in (torch.contiguous_format, torch.channels_last):
                with self.subTest(shape=shape, memory_format=memory_format):
                    x = torch.randn(shape).contiguous(memory_format=memory_format)
                    x, y = self.check(ours, theirs, x, torch.randn(shape))
                    self.assertEqual(y.stride(), x.stride())

    def test_strange_strides_of_dims_of_one(self):
        ours, theirs = make_pair(32, 384)
        x = torch.randn(2048, 384).as_strided((2048, 384, 1, 1), (384, 1, 786432, 1))
        self.check(ours, theirs, x, torch.randn(x.shape))

    def test_inputs_that_are_not_dense(self):
        ours, theirs = make_pair(3, 6)
        base = torch.randn(4, 12, 10, 8)
        last = base.contiguous(memory_format=torch.channels_last)
        views = {
            "channels": base[:, 3:9],
            "channels of channels last": last[:, 3:9],
            "every other row": base[:, :6, ::2],
            "every other column of channels last": last[:, ::2, :, ::2],
            "transposed": base[:, :6].transpose(2, 3),
            "batch last": torch.randn(6, 10, 8, 4).movedim(-1, 0),
            "expanded batch": base[:1, :6].expand(4, 6, 10, 8),
            "expanded channels": base[:, :1].expand(4, 6, 10, 8),
            "expanded columns": base[:, :6, :, :1].expand(4, 6, 10, 8),
        }
        for name, x in views.items():
            with self.subTest(name):
                self.check(ours, theirs, x, torch.randn(x.shape))

    def test_transposed_matrix(self):
        ours, theirs = make_pair(3, 24)
        self.check(ours, theirs, torch.randn(24, 5).t(), torch.randn(24, 5).t())

    def test_slice_of_channels_last_stays_so(self):
        x = torch.randn(2, 12, 5, 4).contiguous(memory_format=torch.channels_last)[:, 3:9]
        self.assertTrue(GroupNorm(3, 6)(x).is_contiguous(memory_format=torch.channels_last))

    def test_gradients_that_are_not_dense(self):
        ours, theirs = make_pair(3, 6)
        for order in (contiguous, channels_last):
            x = order(torch.randn(2, 6, 5, 4))
            for name, dy in (
                ("one number", torch.tensor(2.0).expand(x.shape)),
                ("per channel", torch.randn(6, 1, 1).expand(x.shape)),
                ("per position", torch.randn(2, 1, 5, 4).expand(x.shape)),
                ("every other", torch.randn(2, 6, 5, 8)[..., ::2]),
                ("transposed", torch.randn(2, 6, 4, 5).transpose(2, 3)),
            ):
                with self.subTest(name, order=order):
                    self.check(ours, theirs, x, dy)

    def test_gradient_of_a_sum_and_a_mean(self):
        ours, theirs = make_pair(3, 6)
        x = torch.randn(2, 6, 5, 4, requires_grad=True)
        x_exact = x.detach().double().requires_grad_()
        for reduce in (lambda y: (3 * y).sum(), lambda y: (y.relu() ** 2).mean()):
            dx, = torch.autograd.grad(reduce(ours(x)), x)
            dx_exact, = torch.autograd.grad(reduce(theirs(x_exact)), x_exact)
            self.assertLess((dx - dx_exact).abs().max().item(), 1e-5)

    def test_epsilon(self):
        ours, theirs = make_pair(3, 6, eps=0.5)
        self.check(ours, theirs, torch.randn(2, 6, 5, 4), torch.randn(2, 6, 5, 4))

    def test_without_affine(self):
        ours, theirs = make_pair(3, 6, affine=False)
        self.assertIsNone(ours.weight)
        self.check(ours, theirs, torch.randn(2, 6, 5, 4), torch.randn(2, 6, 5, 4))

    def test_function(self):
        x = torch.randn(2, 6, 5, 4)
        weight, bias = torch.randn(6), torch.randn(12)[::2]
        for arguments in ({}, {"weight": weight}, {"bias": bias}, {"weight": weight, "bias": bias}):
            exact = torch.nn.functional.group_norm(
                x.double(), 3, eps=0.1, **{key: value.double() for key, value in arguments.items()}
            )
            self.assertClose(group_norm(x, 3, eps=0.1, **arguments), exact)

    def test_affine_by_sample(self):
        for order in (contiguous, channels_last):
            with self.subTest(order=order):
                x = order(torch.randn(3, 6, 5, 4)).requires_grad_()
                weight, bias = (torch.randn(3, 6, requires_grad=True) for _ in range(2))
                exact = [tensor.detach().double().requires_grad_() for tensor in (x, weight, bias)]
                dy = torch.randn(3, 6, 5, 4)
                y = group_norm(x, 3, weight, bias)
                y_exact = torch.nn.functional.group_norm(exact[0], 3)
                y_exact = y_exact * exact[1][..., None, None] + exact[2][..., None, None]
                self.assertClose(y, y_exact)
                y.backward(dy)
                y_exact.backward(dy.double())
                for ours, theirs in zip((x, weight, bias), exact):
                    self.assertClose(ours.grad, theirs.grad)
        with self.assertRaises(ValueError):
            group_norm(x, 3, weight, bias[0])

    def test_a_group_of_one_value_gives_the_bias(self):
        norm, _ = make_pair(6, 6)
        self.assertTrue(torch.equal(norm(torch.randn(1, 6)), norm.bias.detach()[None]))

    def test_empty_batch(self):
        for order in (contiguous, channels_last):
            norm = GroupNorm(3, 6)
            x = order(torch.randn(0, 6, 5, 4)).requires_grad_()
            y = norm(x)
            self.assertEqual(y.shape, x.shape)
            y.sum().backward()
            self.assertEqual(x.grad.shape, x.shape)
            self.assertTrue(torch.equal(norm.weight.grad, torch.zeros(6)))
            self.assertTrue(torch.equal(norm.bias.grad, torch.zeros(6)))

    def test_empty_image(self):
        norm = GroupNorm(3, 6)
        x = torch.randn(2, 6, 0, 4, requires_grad=True)
        norm(x).sum().backward()
        self.assertEqual(x.grad.shape, x.shape)
        self.assertTrue(torch.equal(norm.bias.grad, torch.zeros(6)))


def lambda_module(function, norm):
    """A module that computes function(norm, x) and has norm's parameters."""

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = norm

        def forward(self, x):
            return function(self.norm, x)

    return Module()


class AutogradTest(TorchTest):
    def test_only_what_is_needed(self):
        for wanted in ((True, False, False), (False, True, False), (False, False, True),
                       (True, False, True), (False, True, True), (True, True, True)):
            with self.subTest(wanted):
                norm, exact = make_pair(3, 6)
                for module in (norm, exact):
                    module.weight.requires_grad_(wanted[1])
                    module.bias.requires_grad_(wanted[2])
                x = torch.randn(2, 6, 5, 4).requires_grad_(wanted[0])
                x_exact = x.detach().double().requires_grad_(wanted[0])
                dy = torch.randn(x.shape)
                exact(x_exact).backward(dy.double())
                original = groupnorm.Plan.backward
                with unittest.mock.patch.object(
                    groupnorm.Plan, "backward", autospec=True, side_effect=original
                ) as backward:
                    norm(x).backward(dy)
                arguments = backward.call_args.kwargs
                asked = [arguments[name] is not False for name in ("dx", "dgamma", "dbeta")]
                self.assertEqual(asked, list(wanted))
                for want, ours, theirs in zip(wanted, (x, norm.weight, norm.bias),
                                              (x_exact, exact.weight, exact.bias)):
                    if want:
                        self.assertClose(ours.grad, theirs.grad)
                    else:
                        self.assertIsNone(ours.grad)

    def test_nothing_needed(self):
        norm = GroupNorm(3, 6)
        x = torch.randn(2, 6, 5, 4)
        expected = norm(x).detach()
        with torch.no_grad():
            y = norm(x)
            self.assertFalse(y.requires_grad)
            self.assertTrue(torch.equal(y, expected))
        with torch.inference_mode():
            self.assertTrue(torch.equal(norm(x), expected))
        self.assertFalse(norm.requires_grad_(False)(x).requires_grad)

    def test_backward_twice(self):
        norm = GroupNorm(3, 6)
        x = torch.randn(2, 6, 5, 4, requires_grad=True)
        y = norm(x)
        dy = torch.randn(x.shape)
        first = torch.autograd.grad(y, (x, *norm.parameters()), dy, retain_graph=True)
        second = torch.autograd.grad(y, (x, *norm.parameters()), dy)
        self.assertTrue(all(map(torch.equal, first, second)))
        with self.assertRaises(RuntimeError):
            torch.autograd.grad(y, x, dy)

    def test_changed_input_is_noticed(self):
        norm = GroupNorm(3, 6)
        for changed in ("x", "weight"):
            x = torch.randn(2, 6, 5, 4, requires_grad=True) * 1
            y = norm(x)
            with torch.no_grad():
                (x if changed == "x" else norm.weight).mul_(2)
            with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
                y.sum().backward()

    def test_shared_input_and_parameters(self):
        ours, theirs = make_pair(3, 6)
        x = torch.randn(2, 6, 5, 4)
        self.check(lambda_module(lambda norm, x: norm(norm(x)) + x * norm(x), ours),
                   lambda_module(lambda norm, x: norm(norm(x)) + x * norm(x), theirs),
                   x, torch.randn(x.shape))

    def test_training(self):
        torch.manual_seed(0)
        theirs = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.GroupNorm(4, 8), torch.nn.ReLU(),
            torch.nn.Flatten(), torch.nn.Linear(8 * 36, 5),
        )
        ours = replace_groupnorm(copy.deepcopy(theirs))
        images, labels = torch.randn(16, 3, 8, 8), torch.arange(16) % 5
        losses = []
        for network in (ours, theirs):
            optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
            losses.append([])
            for _ in range(10):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(network(images), labels)
                loss.backward()
                optimizer.step()
                losses[-1].append(loss.item())
        self.assertLess(losses[0][-1], 0.5 * losses[0][0])
        for ours_loss, theirs_loss in zip(*losses):
            self.assertAlmostEqual(ours_loss, theirs_loss, delta=1e-3)


if __name__ == "__main__":
    unittest.main()
