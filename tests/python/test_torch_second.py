# SPDX-License-Identifier: MIT
"""The torch drop-in's second derivatives, beside PyTorch's own and differences of gradients."""

import unittest

import torch

from torch_groupnorm import GroupNorm, group_norm
from torch_pair import TOLERANCE, TorchTest, channels_last, contiguous, make_pair, two_steps, views

ACTIVATIONS = (None, "relu", "silu")
SHAPE, GROUPS = (3, 6, 3, 2), 3


def eighths(*shape):
    """Random values of which bfloat16 holds the sum of any two."""
    return torch.randint(-16, 17, shape) / 8.0


def second_derivatives(function, inputs, dys, vectors):
    """Of the gradients of function's results given dys, those given vectors.

    By inputs and dys; None where there is none.
    """
    dys = [dy.requires_grad_() for dy in dys]
    firsts = torch.autograd.grad(function(*inputs), inputs, dys, create_graph=True)
    return torch.autograd.grad(firsts, [*inputs, *dys], vectors, allow_unused=True)


def first_step(*arguments, **others):
    """The y of two_steps."""
    return two_steps(*arguments, **others)[0]


class SecondDerivativeTest(TorchTest):
    def setUp(self):
        torch.manual_seed(0)

    def check(self, x, weight=None, bias=None, activation=None, skip=None):
        """Compares all second derivatives with those of two_steps in float64.

        Of y, and with a skip as well of the sum.
        """
        given = {"x": x, "weight": weight, "bias": bias, "skip": skip}
        names = [name for name, tensor in given.items() if tensor is not None]
        results = 1 if skip is None else 2
        vectors = [eighths(*given[name].shape).to(given[name].dtype) for name in names]
        dys = [eighths(*x.shape).to(x.dtype) for _ in range(results)]

        def ours(*tensors):
            given = dict(zip(names, tensors))
            return group_norm(given["x"], GROUPS, given.get("weight"), given.get("bias"),
                              activation=activation, skip=given.get("skip"),
                              return_sum=results == 2)

        def theirs(*tensors):
            return two_steps(groups=GROUPS, activation=activation,
                             **dict(zip(names, tensors)))[:results]

        inputs = [given[name].detach().requires_grad_() for name in names]
        actual = second_derivatives(ours, inputs, [dy.clone() for dy in dys], vectors)
        exact = second_derivatives(
            theirs, [tensor.detach().double().requires_grad_() for tensor in inputs],
            [dy.double() for dy in dys], [vector.double() for vector in vectors])
        # The gradient of the sum is rounded on its way to x and skip, and so are sums over space.
        roundings = 4 if results == 2 and x.dtype in (torch.bfloat16, torch.float16) else 1
        for name, tensor, a, b in zip((*names, "dy", "dsum"), (*inputs, *dys), actual, exact):
            if a is None or b is None:  # no dependence, or one that is 0
                self.assertFalse(any(each is not None and each.any() for each in (a, b)), name)
            else:
                self.assertClose(a, b, name, tensor.dtype, roundings)

    def test_all_kinds(self):
        for dtype in TOLERANCE:
            for param_dtype in {dtype, torch.float32}:
                for order in (contiguous, channels_last):
                    for activation in ACTIVATIONS:
                        for param_shape in (SHAPE[1:2], SHAPE[:2]):
                            for skip_shape in (None, SHAPE[:2], SHAPE):
                                with self.subTest(dtype=dtype, params=(param_dtype, param_shape),
                                                  order=order, activation=activation,
                                                  skip=skip_shape):
                                    self.check(
                                        order(eighths(*SHAPE).to(dtype)),
                                        *torch.randn(2, *param_shape).to(param_dtype), activation,
                                        skip_shape and eighths(*skip_shape).to(dtype))

    def test_without_weight_or_bias(self):
        for activation in ACTIVATIONS:
            for params in ({}, {"weight": torch.randn(6)}, {"bias": torch.randn(6)},
                           {"bias": torch.randn(3, 6)}):
                with self.subTest(activation=activation, params=[*params]):
                    self.check(torch.randn(SHAPE), activation=activation, **params)

    def test_views(self):
        for name, x in views(SHAPE, torch.float64).items():
            for skip in (None, *views(SHAPE, torch.float64).values()):
                with self.subTest(name, skip=skip is not None and skip.stride()):
                    self.check(x, torch.randn(6, dtype=x.dtype), activation="silu", skip=skip)

    def test_other_ranks(self):
        for shape in ((5, 6), (2, 6, 4), (2, 6, 2, 3, 2)):
            self.check(torch.randn(shape), *torch.randn(2, 6), "silu", torch.randn(shape))

    def test_hard_values(self):
        for mean, deviation in ((1e4, 1e-2), (1e15, 1e14), (0.0, 1e-12)):
            self.check(mean + deviation * torch.randn(SHAPE), *torch.randn(2, 6), "silu")

    def test_groups_of_one_value(self):
        x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(3, dtype=x.dtype, requires_grad=True)
        firsts = torch.autograd.grad(group_norm(x, 3, weight).pow(2).sum(), (x, weight),
                                     create_graph=True)
        for second in torch.autograd.grad([first.sum() for first in firsts], (x, weight)):
            self.assertFalse(second.any())

    def test_empty_batch(self):
        x = torch.randn(0, *SHAPE[1:], requires_grad=True)
        weight = torch.randn(6, requires_grad=True)
        dx, dweight = torch.autograd.grad(group_norm(x, GROUPS, weight, activation="silu").sum(),
                                          (x, weight), create_graph=True)
        second, dweight = torch.autograd.grad(dx.sum() + dweight.sum(), (x, weight))
        self.assertEqual(second.shape, x.shape)
        self.assertFalse(dweight.any())

    def test_beside_differences(self):
        def check(order, activation, param_shape, skip_shape, return_sum):
            def noise(shape, order=contiguous):
                if shape is None:
                    return None
                return order(torch.randn(shape, dtype=torch.float64)).requires_grad_()

            inputs = noise(SHAPE, order), noise(skip_shape), noise(param_shape), noise(param_shape)
            self.assertTrue(torch.autograd.gradgradcheck(
                lambda x, skip, weight, bias: group_norm(
                    x, GROUPS, weight, bias, activation=activation, skip=skip,
                    return_sum=return_sum), inputs, fast_mode=True))

        for order in (contiguous, channels_last):
            for activation in ACTIVATIONS:
                for param_shape in (None, SHAPE[1:2], SHAPE[:2]):
                    for skip_shape in (None, SHAPE[:2], SHAPE):
                        for return_sum in {False, skip_shape is not None}:
                            with self.subTest(order=order, activation=activation, sum=return_sum,
                                              params=param_shape, skip=skip_shape):
                                check(order, activation, param_shape, skip_shape, return_sum)

    def test_functional(self):
        x, v = torch.randn(2, *SHAPE, dtype=torch.float64)
        functional = torch.autograd.functional
        for compute in (lambda f: functional.hessian(f, x), lambda f: functional.hvp(f, x, v)[1],
                        lambda f: functional.vhp(f, x, v)[1], lambda f: functional.jvp(f, x, v)[1]):
            ours, exact = (compute(lambda x: norm(x, GROUPS).pow(3).sum())
                           for norm in (group_norm, torch.nn.functional.group_norm))
            self.assertTrue(exact.any())
            self.assertClose(ours, exact, dtype=torch.float64)

    def test_gradient_penalty(self):
        """Of a residual block, with respect to all parameters."""
        class Block(torch.nn.Module):
            def __init__(self, fused):
                super().__init__()
                self.norms = torch.nn.ModuleList(
                    [GroupNorm(3, 6, activation="silu") if fused else torch.nn.GroupNorm(3, 6)
                     for _ in range(2)])
                self.convs = torch.nn.ModuleList(
                    [torch.nn.Conv2d(6, 6, 3, padding=1) for _ in range(2)])
                self.fused = fused

            def forward(self, x):
                y = self.convs[0](x)
                if self.fused:
                    y, total = self.norms[0](y, x, return_sum=True)
                    return total + self.norms[1](self.convs[1](y), skip=total)
                silu = torch.nn.functional.silu
                total = y + x
                y = silu(self.norms[0](total))
                return total + silu(self.norms[1](self.convs[1](y) + total))

        ours, theirs = Block(True).double(), Block(False).double()
        for parameter in ours.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
        penalties = []
        for block in (ours, theirs):
            images = x.clone().requires_grad_()
            dx, = torch.autograd.grad(block(images).square().sum(), images, create_graph=True)
            penalties.append((dx.flatten(1).norm(dim=1) - 1).square().mean())
            penalties[-1].backward()
        self.assertClose(*penalties, dtype=torch.float64)
        for (name, actual), expected in zip(ours.named_parameters(), theirs.parameters()):
            self.assertTrue(expected.grad.any() or "bias" in name, name)
            self.assertClose(actual.grad, expected.grad, name, torch.float64)

    def test_weight_that_depends_on_x(self):
        """As in conditional normalization: no path is counted twice."""
        results = []
        for norm in (group_norm, first_step):
            x = torch.linspace(-1, 2, 108, dtype=torch.float64).sin().reshape(SHAPE)
            x.requires_grad_()
            y = norm(x, GROUPS, x.mean((2, 3)).exp(), x.amax((2, 3)))
            dx, = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
            results.append(torch.autograd.grad(dx.pow(2).sum(), x)[0])
        self.assertClose(*results, dtype=torch.float64)

    def test_third_derivative(self):
        results = []
        for norm in (group_norm, first_step):
            torch.manual_seed(1)
            x, weight = (torch.randn(shape, dtype=torch.float64, requires_grad=True)
                         for shape in (SHAPE, 6))
            value = norm(x, GROUPS, weight, activation="silu").pow(3).sum()
            for _ in range(3):
                gradients = torch.autograd.grad(value, (x, weight), create_graph=True)
                value = sum(gradient.pow(2).sum() for gradient in gradients)
            results.append(gradients)
        for ours, exact in zip(*results):
            self.assertClose(ours, exact, dtype=torch.float64)

    def test_only_some_need_gradients(self):
        for needed in ((True, False, False), (False, True, False), (False, False, True),
                       (True, False, True), (False, True, True)):
            for activation in ACTIVATIONS:
                results = []
                for norm in (group_norm, first_step):
                    torch.manual_seed(2)
                    inputs = [torch.randn(shape, dtype=torch.float64).requires_grad_(need)
                              for shape, need in zip((SHAPE, 6, 6), needed)]
                    used = [tensor for tensor in inputs if tensor.requires_grad]
                    x, *params = inputs
                    y = norm(x, GROUPS, *params, activation=activation)
                    firsts = torch.autograd.grad(y.pow(3).sum(), used, create_graph=True)
                    value = sum(first.pow(2).sum() for first in firsts)
                    results.append(torch.autograd.grad(value, used))
                for ours, exact in zip(*results):
                    self.assertClose(ours, exact, f"{needed} {activation}", torch.float64)

    def test_of_one_gradient_alone(self):
        """That of the bias depends on nothing else, where there is no activation and dy is given."""
        for activation in ACTIVATIONS:
            for which in range(3):
                results = []
                for norm in (group_norm, first_step):
                    torch.manual_seed(3)
                    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True)
                              for shape in (SHAPE, 6, 6)]
                    x, *params = inputs
                    y = norm(x, GROUPS, *params, activation=activation)
                    first, = torch.autograd.grad(y, inputs[which], torch.ones_like(y),
                                                 create_graph=True)
                    # What PyTorch's own finds to depend on nothing is no part of a graph.
                    value = first.pow(2).sum() + sum(tensor.sum() for tensor in inputs)
                    results.append(torch.autograd.grad(value, inputs))
                for ours, exact in zip(*results):
                    self.assertClose(ours, exact, f"{activation} {which}", torch.float64)

    def test_first_gradients_have_the_same_bits(self):
        norm, _ = make_pair(GROUPS, 6)
        norm.activation = "silu"
        for order in (contiguous, channels_last):
            for skip in (None, torch.randn(SHAPE)):
                x = order(torch.randn(SHAPE)).requires_grad_()
                inputs = (x, *norm.parameters())
                dy = torch.randn(SHAPE)
                expected = torch.autograd.grad(norm(x, skip), inputs, dy)
                actual = torch.autograd.grad(norm(x, skip), inputs, dy, create_graph=True)
                self.assertTrue(all(map(torch.equal, actual, expected)))
                self.assertTrue(all(gradient.requires_grad for gradient in actual))
                self.assertFalse(any(gradient.requires_grad for gradient in expected))

    def test_changed_tensors_are_noticed(self):
        for changed in ("x", "weight", "dy"):
            tensors = {"x": torch.randn(SHAPE), "weight": torch.randn(6), "dy": torch.randn(SHAPE)}
            tensors = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
            y = group_norm(tensors["x"], GROUPS, tensors["weight"])
            dx, = torch.autograd.grad(y, tensors["x"], tensors["dy"], create_graph=True)
            with torch.no_grad():
                tensors[changed].mul_(2)
            with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
                dx.sum().backward()


if __name__ == "__main__":
    unittest.main()
