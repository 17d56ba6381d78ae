# SPDX-License-Identifier: MIT
"""The torch drop-in in all types, with activations and skip, beside PyTorch's in float64."""

import copy
import unittest
import unittest.mock

import torch

import groupnorm
from torch_groupnorm import GroupNorm, group_norm, replace_groupnorm
from torch_pair import TOLERANCE, TorchTest, channels_last, contiguous, two_steps

ACTIVATIONS = (None, "relu", "silu")


class TypeTest(TorchTest):
    def setUp(self):
        torch.manual_seed(0)

    def params(self, dtype, *shape):
        """weight and bias."""
        return [torch.randn(shape).to(dtype) for _ in range(2)]

    def test_types_and_activations(self):
        for dtype in TOLERANCE:
            for param_dtype in {dtype, torch.float32}:
                for activation in ACTIVATIONS:
                    for order in (contiguous, channels_last):
                        for by_sample in (False, True):
                            with self.subTest(dtype=dtype, params=param_dtype, order=order,
                                              activation=activation, by_sample=by_sample):
                                x = order((0.5 + 2 * torch.randn(3, 12, 7, 5)).to(dtype))
                                shape = (3, 12) if by_sample else (12,)
                                self.check_function(
                                    x, 4, *self.params(param_dtype, *shape), activation)

    def test_without_weight_or_bias(self):
        for dtype in TOLERANCE:
            for activation in ACTIVATIONS:
                x = torch.randn(3, 12, 7, 5).to(dtype)
                weight, bias = self.params(dtype, 12)
                for arguments in ({}, {"weight": weight}, {"bias": bias}):
                    with self.subTest(dtype=dtype, activation=activation, given=[*arguments]):
                        self.check_function(x, 4, activation=activation, **arguments)

    def test_bias_alone_of_another_type(self):
        for dtype in (torch.float64, torch.bfloat16, torch.float16):
            for bias in (torch.randn(12), torch.randn(3, 12)):
                for activation in ACTIVATIONS:
                    self.check_function(torch.randn(3, 12, 7, 5).to(dtype), 4, bias=bias,
                                        activation=activation)

    def test_beside_pytorchs_own_bfloat16(self):
        """Ours is no further from the exact result than PyTorch's, whose steps are rounded."""
        x = torch.randn(2, 64, 28, 28).bfloat16()
        weight, bias = self.params(torch.bfloat16, 64)
        exact, _ = two_steps(x.double(), 32, weight.double(), bias.double(), "silu")
        theirs = torch.nn.functional.silu(torch.nn.functional.group_norm(x, 32, weight, bias))
        ours = group_norm(x, 32, weight, bias, activation="silu")
        self.assertLessEqual((ours - exact).abs().max(), (theirs - exact).abs().max())
        self.assertLess((ours - exact).abs().mean(), (theirs - exact).abs().mean())

    def test_module(self):
        for dtype in TOLERANCE:
            norm = GroupNorm(4, 12, dtype=dtype, activation="silu")
            for parameter in norm.parameters():
                torch.nn.init.normal_(parameter)
            x = torch.randn(2, 12, 5, 4).to(dtype)
            exact, _ = two_steps(x.double(), 4, norm.weight.double(), norm.bias.double(), "silu")
            self.assertClose(norm(x), exact, dtype=dtype)

    def test_model_in_bfloat16(self):
        """What converts a model converts ours, and it trains."""
        theirs = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.GroupNorm(4, 8), torch.nn.SiLU(),
            torch.nn.Flatten(), torch.nn.Linear(8 * 36, 5),
        ).bfloat16()
        ours = replace_groupnorm(copy.deepcopy(theirs))
        images, labels = torch.randn(16, 3, 8, 8).bfloat16(), torch.arange(16) % 5
        losses = []
        for network in (ours, theirs):
            optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
            losses.append([])
            for _ in range(10):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(network(images).float(), labels)
                loss.backward()
                optimizer.step()
                losses[-1].append(loss.item())
        self.assertLess(losses[0][-1], 0.5 * losses[0][0])
        for ours_loss, theirs_loss in zip(*losses):
            self.assertAlmostEqual(ours_loss, theirs_loss, delta=0.1)

    def test_bias_changed_in_place_is_noticed_where_it_matters(self):
        for activation in ACTIVATIONS:
            norm = GroupNorm(3, 6, activation=activation)
            y = norm(torch.randn(2, 6, 5, 4, requires_grad=True))
            with torch.no_grad():
                norm.bias.add_(1)
            if activation is None:
                y.sum().backward()
            else:
                with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
                    y.sum().backward()


class SkipTest(TorchTest):
    def setUp(self):
        torch.manual_seed(0)

    def test_values(self):
        for dtype in (torch.float32, torch.float64):
            for shape in ((5, 12), (2, 12, 7), (3, 12, 7, 5), (2, 12, 3, 4, 5)):
                for skip_shape in {shape, shape[:2]}:
                    for order in (contiguous, channels_last):
                        for activation in ACTIVATIONS:
                            with self.subTest(dtype=dtype, shape=shape, skip=skip_shape,
                                              order=order, activation=activation):
                                self.check_function(
                                    order(torch.randn(shape).to(dtype)), 4,
                                    torch.randn(12).to(dtype), torch.randn(12).to(dtype),
                                    activation, torch.randn(skip_shape).to(dtype))

    def test_short_types(self):
        """In one call, with the bits of an addition before."""
        for dtype in (torch.bfloat16, torch.float16):
            for shape in ((3, 12, 7, 5), (3, 12)):
                for order in (contiguous, channels_last):
                    with self.subTest(dtype=dtype, skip=shape, order=order):
                        x = order(torch.randn(3, 12, 7, 5).to(dtype)).requires_grad_()
                        skip = torch.randn(shape).to(dtype).requires_grad_()
                        weight, bias = torch.randn(2, 12).to(dtype)
                        dy = torch.randn(x.shape).to(dtype)
                        y, total = group_norm(x, 4, weight, bias, activation="silu", skip=skip,
                                              return_sum=True)
                        dx, dskip = torch.autograd.grad(y, (x, skip), dy)
                        with torch.no_grad():
                            wide = skip.detach().float().reshape(shape + (1,) * (4 - skip.dim()))
                            steps = (x.detach().float() + wide).to(dtype)
                        steps = order(steps).requires_grad_()
                        y_steps = group_norm(steps, 4, weight, bias, activation="silu")
                        dx_steps, = torch.autograd.grad(y_steps, steps, dy)
                        self.assertTrue(torch.equal(total, steps))
                        self.assertTrue(torch.equal(y, y_steps))
                        self.assertTrue(torch.equal(dx, dx_steps))
                        if skip.dim() == 4:
                            self.assertTrue(torch.equal(dskip, dx))
                        else:
                            self.assertEqual((dskip.dtype, dskip.shape), (dtype, shape))
                            sums = dx.double().abs().sum((2, 3))
                            error = (dskip - dx.double().sum((2, 3))).abs() / sums
                            self.assertLess(error.max().item(), 2.0**-7)

    def test_without_the_sum(self):
        x, skip = torch.randn(2, 2, 12, 5, 4, requires_grad=True)
        weight = torch.randn(12)
        expected, _ = group_norm(x, 4, weight, skip=skip, return_sum=True)
        self.assertTrue(torch.equal(group_norm(x, 4, weight, skip=skip), expected))
        with torch.no_grad():
            self.assertTrue(torch.equal(group_norm(x, 4, weight, skip=skip), expected))
            y, total = group_norm(x, 4, weight, skip=skip, return_sum=True)
        self.assertTrue(torch.equal(y, expected))
        self.assertTrue(torch.equal(total, x + skip))
        self.assertFalse(total.requires_grad)

    def test_either_result_alone(self):
        for shape in ((2, 12, 5, 4), (2, 12)):
            x = torch.randn(2, 12, 5, 4, requires_grad=True)
            skip = torch.randn(shape, requires_grad=True)
            dy = torch.randn(x.shape)
            for which in (0, 1):
                with self.subTest(shape=shape, which=which):
                    results = group_norm(x, 4, skip=skip, return_sum=True)
                    exact = [tensor.detach().double().requires_grad_() for tensor in (x, skip)]
                    exact_results = two_steps(exact[0], 4, skip=exact[1])
                    with unittest.mock.patch.object(
                        groupnorm.Plan, "backward_add", autospec=True,
                        side_effect=groupnorm.Plan.backward_add
                    ) as backward:
                        gradients = torch.autograd.grad(results[which], (x, skip), dy)
                    self.assertEqual(backward.call_count, 1 - which)  # the sum's needs none
                    expected = torch.autograd.grad(exact_results[which], exact, dy.double())
                    for actual, wanted in zip(gradients, expected):
                        self.assertClose(actual, wanted)

    def test_only_what_is_needed(self):
        for wanted in ((True, False), (False, True)):
            for shape in ((2, 12, 5, 4), (2, 12)):
                x = torch.randn(2, 12, 5, 4).requires_grad_(wanted[0])
                skip = torch.randn(shape).requires_grad_(wanted[1])
                y, total = group_norm(x, 4, skip=skip, return_sum=True)
                with unittest.mock.patch.object(
                    groupnorm.Plan, "backward_add", autospec=True,
                    side_effect=groupnorm.Plan.backward_add
                ) as backward:
                    (y.sum() + total.sum()).backward()
                self.assertEqual([x.grad is not None, skip.grad is not None], [*wanted])
                # The gradient of a skip of the shape of x is that of x.
                self.assertEqual(backward.call_args.kwargs["dskip"],
                                 wanted[1] and shape == (2, 12))

    def test_gradients_do_not_share_memory(self):
        x, skip = (torch.randn(2, 12, 5, 4, requires_grad=True) for _ in range(2))
        group_norm(x, 4, skip=skip).pow(2).sum().backward()
        self.assertTrue(torch.equal(x.grad, skip.grad))
        x.grad.zero_()
        self.assertTrue(skip.grad.any())

    def test_one_tensor_twice(self):
        x = torch.randn(2, 12, 5, 4, dtype=torch.float64, requires_grad=True)
        dy = torch.randn(x.shape, dtype=x.dtype)
        dx, = torch.autograd.grad(group_norm(x, 4, skip=x), x, dy)
        expected, = torch.autograd.grad(two_steps(x, 4, skip=x)[0], x, dy)
        self.assertClose(dx, expected, dtype=x.dtype)

    def test_changed_sum_is_noticed(self):
        x = torch.randn(2, 12, 5, 4, requires_grad=True)
        y, total = group_norm(x, 4, skip=x.detach(), return_sum=True)
        with torch.no_grad():
            total.mul_(2)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            y.sum().backward()

    def test_module(self):
        norm = GroupNorm(4, 12, activation="relu")
        x, skip = torch.randn(2, 2, 12, 5, 4)
        y, total = norm(x, skip, return_sum=True)
        expected = torch.relu(norm.weight[:, None, None] * 0 + two_steps(x, 4, skip=skip)[0])
        self.assertClose(y, expected.double())
        self.assertTrue(torch.equal(total, x + skip))
        self.assertTrue(torch.equal(norm(x, skip), y))


if __name__ == "__main__":
    unittest.main()
