# SPDX-License-Identifier: MIT
"""The torch drop-in's gradients beside differences of its results, in float64."""

import unittest

import torch

from torch_groupnorm import group_norm
from torch_pair import channels_last, contiguous

SHAPE, GROUPS = (2, 6, 3, 2), 3


class GradcheckTest(unittest.TestCase):
    def check(self, order, activation, param_shape, skip_shape, return_sum=False):
        torch.manual_seed(0)

        def noise(shape, order=contiguous):
            if shape is None:
                return None
            return order(torch.randn(shape, dtype=torch.float64)).requires_grad_()

        def function(x, skip, weight, bias):
            return group_norm(x, GROUPS, weight, bias, activation=activation, skip=skip,
                              return_sum=return_sum)

        inputs = noise(SHAPE, order), noise(skip_shape), noise(param_shape), noise(param_shape)
        self.assertTrue(torch.autograd.gradcheck(function, inputs))

    def test_all_kinds(self):
        for order in (contiguous, channels_last):
            for activation in (None, "relu", "silu"):
                for param_shape in (None, SHAPE[1:2], SHAPE[:2]):
                    for skip_shape in (None, SHAPE[:2], SHAPE):
                        with self.subTest(order=order, activation=activation, params=param_shape,
                                          skip=skip_shape):
                            self.check(order, activation, param_shape, skip_shape)
                            if skip_shape:
                                self.check(order, activation, param_shape, skip_shape, True)

    def test_views(self):
        torch.manual_seed(0)
        x = torch.randn(2, 12, 4, 3, dtype=torch.float64, requires_grad=True)
        for view in (
            lambda x: x[:, 2:8],
            lambda x: x[:, :6, 1:-1],
            lambda x: x.movedim(1, -1)[:, 1:],
            lambda x: x[:, ::2].movedim(0, -1).movedim(0, -1),
            lambda x: x[:, :6, :1].expand(-1, -1, 4, -1),
        ):
            self.assertTrue(torch.autograd.gradcheck(
                lambda x: group_norm(view(x), GROUPS, activation="silu"), x))
        self.assertTrue(torch.autograd.gradcheck(
            lambda x: group_norm(x[:, :6], GROUPS, skip=x[:, 6:]), x))


if __name__ == "__main__":
    unittest.main()
