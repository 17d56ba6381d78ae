# SPDX-License-Identifier: MIT
"""The torch drop-in beside PyTorch's own GroupNorm in float64, for its tests."""

import unittest

import torch

from torch_groupnorm import GroupNorm


def contiguous(x):
    return x.contiguous()


def channels_last(x):
    """x, of any rank, with its channels last in memory."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def make_pair(groups, channels, seed=0, **arguments):
    """Our GroupNorm in float32 and PyTorch's in float64, with the same random parameters."""
    torch.manual_seed(seed)
    ours = GroupNorm(groups, channels, **arguments)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter)
    theirs = torch.nn.GroupNorm(groups, channels, **arguments).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


class TorchTest(unittest.TestCase):
    def assertClose(self, actual, exact, message=None):
        """`actual` is float32 and within 1e-5 of `exact`'s largest element.

        The bounds that the library promises are tested in test_groupnorm.py; this is about what
        is computed.
        """
        self.assertEqual(actual.dtype, torch.float32, message)
        self.assertEqual(actual.shape, exact.shape, message)
        if exact.numel():
            error = (actual - exact).abs().max().item()
            self.assertLessEqual(error, 1e-5 * exact.abs().max().item() + 1e-30, message)

    def check(self, ours, theirs, x, dy):
        """Compares y and all gradients for x and dy, float32; returns ours: x, y."""
        x = x.detach().requires_grad_()
        x_exact = x.detach().double().contiguous().requires_grad_()
        y, y_exact = ours(x), theirs(x_exact)
        ours.zero_grad()
        theirs.zero_grad()
        y.backward(dy)
        y_exact.backward(dy.double())
        self.assertClose(y, y_exact, "y")
        self.assertClose(x.grad, x_exact.grad, "dx")
        for (name, ours_param), theirs_param in zip(ours.named_parameters(), theirs.parameters()):
            self.assertClose(ours_param.grad, theirs_param.grad, name)
        return x, y
