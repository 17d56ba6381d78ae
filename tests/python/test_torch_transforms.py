# SPDX-License-Identifier: MIT
"""The torch drop-in in PyTorch's transforms of functions, beside PyTorch's own group_norm."""

import unittest

import functorch
import torch
from torch.autograd import forward_ad

from torch_groupnorm import group_norm
from torch_networks import ACTIVATIONS, GROUPS, SHAPE
from torch_pair import TorchTest


class TransformTest(TorchTest):
    def setUp(self):
        torch.manual_seed(0)
        self.x, self.v = torch.randn(2, *SHAPE, dtype=torch.float64)
        self.weight = torch.randn(6, dtype=torch.float64)

    def check(self, compute):
        """compute(norm) with group_norm, beside PyTorch's; both are functions of x and weight."""
        def both(function):
            return compute(lambda x, weight=self.weight: function(x, GROUPS, weight))

        results = both(group_norm), both(torch.nn.functional.group_norm)
        for a, b in zip(*(each if isinstance(each, tuple) else (each,) for each in results)):
            self.assertTrue(b.any())
            self.assertClose(a, b, dtype=torch.float64)

    def test_functorch(self):
        def loss(norm):
            return lambda x: norm(x).pow(3).sum()

        weights = torch.stack([self.weight, 2 * self.weight])
        both = torch.stack([self.x, self.v])
        for compute in (
            lambda norm: functorch.grad(loss(norm))(self.x),
            lambda norm: functorch.grad(
                lambda x: functorch.grad(loss(norm))(x).pow(2).sum())(self.x),
            lambda norm: functorch.vjp(norm, self.x)[1](self.v),
            lambda norm: functorch.jvp(norm, (self.x,), (self.v,)),
            lambda norm: functorch.vmap(norm)(both),
            lambda norm: functorch.vmap(norm, in_dims=(None, 0))(self.x, weights),
            lambda norm: functorch.vmap(functorch.grad(loss(norm)))(both),
            lambda norm: functorch.hessian(loss(norm))(self.x),
            lambda norm: functorch.jacrev(norm)(self.x),
            lambda norm: functorch.jacfwd(norm)(self.x),
            lambda norm: functorch.functionalize(norm)(self.x),
            lambda norm: functorch.make_fx(lambda x: norm(x))(self.x)(self.v),
            lambda norm: functorch.make_fx(functorch.grad(loss(norm)))(self.x)(self.v),
        ):
            self.check(compute)

    def test_forward_mode(self):
        def dual(norm, x):
            with forward_ad.dual_level():
                y = norm(forward_ad.make_dual(x, self.v),
                         forward_ad.make_dual(self.weight, self.weight.cos()))
                return forward_ad.unpack_dual(y).tangent

        def over_backward(norm):
            x = self.x.clone().requires_grad_()
            return torch.autograd.grad(dual(norm, x).pow(2).sum(), x)

        self.check(lambda norm: dual(norm, self.x))
        with torch.no_grad():
            self.check(lambda norm: dual(norm, self.x))
        self.check(over_backward)
        self.check(lambda norm: torch.autograd.functional.jacobian(
            norm, self.x, vectorize=True, strategy="forward-mode"))

    def test_forward_mode_in_a_gradient(self):
        """That of a result from before; PyTorch's own refuses it."""
        x = self.x.clone().requires_grad_()
        y = group_norm(x, GROUPS)
        expected, = torch.autograd.grad(y, x, self.v, retain_graph=True)
        with forward_ad.dual_level():
            dx, = torch.autograd.grad(y, x, forward_ad.make_dual(self.x, self.v))
            self.assertClose(forward_ad.unpack_dual(dx).tangent, expected, dtype=x.dtype)

    def test_batches_of_gradients(self):
        functional = torch.autograd.functional

        def batched(norm):
            x, weight = self.x.clone().requires_grad_(), self.weight.clone().requires_grad_()
            dys = torch.stack([self.x, self.v])
            return torch.autograd.grad(norm(x, weight), (x, weight), dys, is_grads_batched=True)

        self.check(batched)
        self.check(lambda norm: functional.jacobian(norm, self.x, vectorize=True))
        for activation in ACTIVATIONS:
            for skip in (torch.randn(SHAPE[:2]), torch.randn(SHAPE)):
                def loss(x, skip, weight):
                    y, total = group_norm(x, GROUPS, weight, activation=activation, skip=skip,
                                          return_sum=True)
                    return (y.pow(3) * total).sum()

                inputs = self.x, skip.double(), self.weight
                for compute in (functional.hessian, functional.jacobian):
                    for a, b in zip(compute(loss, inputs, vectorize=True), compute(loss, inputs)):
                        for actual, exact in zip(a, b):
                            self.assertClose(actual, exact, dtype=torch.float64)

    def test_second_derivatives_of_batches(self):
        """As those of each gradient; PyTorch's own refuses them."""
        x, weight = self.x.clone().requires_grad_(), self.weight.clone().requires_grad_()
        dys = torch.stack([self.x, self.v])
        y = group_norm(x, GROUPS, weight, activation="silu")
        batch = torch.autograd.grad(y, (x, weight), dys, is_grads_batched=True, create_graph=True)
        each = zip(*[torch.autograd.grad(y, (x, weight), dy, create_graph=True) for dy in dys])
        ours, exact = (
            torch.autograd.grad(sum(first.pow(3).sum() for first in firsts), (x, weight),
                                retain_graph=True)
            for firsts in (batch, [torch.stack(firsts) for firsts in each]))
        for a, b in zip(ours, exact):
            self.assertClose(a, b, dtype=torch.float64)

    def test_gradients_within_a_transform(self):
        """Those of a result from before it."""
        x = self.x.clone().requires_grad_()
        for norm in (group_norm, torch.nn.functional.group_norm):
            y = norm(x, GROUPS, self.weight)
            dys = torch.stack([self.x, self.v])
            results = functorch.vmap(
                lambda dy: torch.autograd.grad(y, x, dy, retain_graph=True)[0])(dys)
            expected = [torch.autograd.grad(y, x, dy, retain_graph=True)[0] for dy in dys]
            self.assertClose(results, torch.stack(expected), dtype=torch.float64)


if __name__ == "__main__":
    unittest.main()
