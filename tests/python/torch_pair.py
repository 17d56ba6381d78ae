# SPDX-License-Identifier: MIT
"""The torch drop-in beside PyTorch's own GroupNorm in float64, for its tests."""

import unittest

import torch

from torch_groupnorm import GroupNorm, group_norm


def contiguous(x):
    return x.contiguous()


def channels_last(x):
    """x, of any rank, with its channels last in memory."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


# How far a result may be from the exact one, in units of its largest element: some roundings of
# what it is computed in, and one to what it is stored in.
TOLERANCE = {
    torch.float32: 1e-5,
    torch.float64: 1e-13,
    torch.bfloat16: 1e-5 + 2.0**-8,
    torch.float16: 1e-5 + 2.0**-11,
}


def views(shape, dtype=torch.float32):
    """By name, random tensors of the shape [N, C, H, W], of many strides."""
    def noise(*dims):
        return torch.randn(dims).to(dtype)

    n, c, h, w = shape
    return {
        "contiguous": noise(n, c, h, w),
        "channels last": noise(n, h, w, c).permute(0, 3, 1, 2),
        "channels": noise(n, c + 6, h, w)[:, 3:-3],
        "channels of channels last": noise(n, h, w, c + 6).permute(0, 3, 1, 2)[:, :c],
        "image within another": noise(n, c, h + 2, w + 2)[..., 1:-1, 1:-1],
        "the same, channels last": noise(n, h + 2, w + 2, c).permute(0, 3, 1, 2)[..., 1:-1, 1:-1],
        "every other row": noise(n, c, 2 * h, w)[:, :, ::2],
        "every other column of channels last": noise(n, h, 2 * w, c).permute(0, 3, 1, 2)[..., ::2],
        "every other sample": noise(2 * n, c, h, w)[::2],
        "transposed": noise(n, c, w, h).transpose(2, 3),
        "batch last": noise(c, h, w, n).permute(3, 0, 1, 2),
        "expanded batch": noise(1, c, h, w).expand(shape),
        "expanded channels": noise(n, 1, h, w).expand(shape),
        "expanded columns": noise(n, c, h, 1).expand(shape),
        "expanded image": noise(n, c, 1, 1).expand(shape),
    }


def two_steps(x, groups, weight=None, bias=None, activation=None, skip=None):
    """PyTorch's results for group_norm's arguments: y and x + skip, of whatever type x is."""
    def over_image(tensor):
        return tensor.reshape(tensor.shape + (1,) * (x.dim() - tensor.dim()))

    if skip is not None:
        x = x + over_image(skip)
    y = torch.nn.functional.group_norm(x, groups)
    for param, apply in ((weight, torch.mul), (bias, torch.add)):
        if param is not None:
            y = apply(y, over_image(param if param.dim() == 2 else param[None]))
    return getattr(torch.nn.functional, activation)(y) if activation else y, x


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
    def assertClose(self, actual, exact, message=None, dtype=torch.float32, roundings=1):
        """`actual` is of the dtype and within its TOLERANCE of `exact`'s largest element.

        Where a result was rounded to its type more than once, it is within so many of them.

        The bounds that the library promises are tested in test_results.py; this is about what is
        computed.
        """
        self.assertEqual(actual.dtype, dtype, message)
        self.assertEqual(actual.shape, exact.shape, message)
        if exact.numel():
            error = (actual - exact).abs().max().item()
            largest = exact.abs().max().item()
            self.assertLessEqual(error, roundings * TOLERANCE[dtype] * largest + 1e-30, message)

    def check_function(self, x, groups, weight=None, bias=None, activation=None, skip=None):
        """Compares group_norm and all gradients with those of two_steps in float64; returns y.

        With a skip, the sum is returned, and has a gradient of its own.
        """
        given = {"x": x, "weight": weight, "bias": bias, "skip": skip}
        ours, exact = (
            {name: tensor if tensor is None else convert(tensor.detach()).requires_grad_()
             for name, tensor in given.items()}
            for convert in (torch.Tensor.detach, torch.Tensor.double)
        )
        y = group_norm(ours["x"], groups, ours["weight"], ours["bias"], activation=activation,
                       skip=ours["skip"], return_sum=skip is not None)
        results = y if skip is not None else (y,)
        exact_results = two_steps(exact["x"], groups, exact["weight"], exact["bias"], activation,
                                  exact["skip"])[:len(results)]
        gradients = [torch.randn(x.shape).to(x.dtype) for _ in results]
        torch.autograd.backward(results, gradients)
        torch.autograd.backward(exact_results, [gradient.double() for gradient in gradients])
        for name, actual, expected in zip(("y", "sum"), results, exact_results):
            self.assertClose(actual, expected, name, x.dtype)
        for name, tensor in given.items():
            if tensor is not None:
                self.assertClose(ours[name].grad, exact[name].grad, f"d{name}", tensor.dtype)
        return results[0]

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
