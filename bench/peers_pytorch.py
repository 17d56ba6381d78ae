# SPDX-License-Identifier: MIT
"""PyTorch's own functions of group normalization, and true results for all."""

import functools

import torch

from peers_calls import DTYPES, EPS, Call

_silu, _silu_backward = torch.nn.functional.silu, torch.ops.aten.silu_backward


@functools.cache
def backward_takes_channels_last():
    """Whether PyTorch's backward function supports tensors in channels last.

    That of 1.13 reads them as channels first, so autograd passes it copies in channels first.
    """
    x, dy = torch.randn(2, 1, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        args = [tensor.contiguous(memory_format=memory_format) for tensor in (dy, x)]
        results.append(torch.ops.aten.native_group_norm_backward(
            *args, torch.zeros(1, 2), torch.ones(1, 2), None, 1, 4, 15, 2,
            [True, False, False])[0])
    return torch.allclose(*results, rtol=1e-4, atol=1e-5)


@functools.cache
def _takes(dtype):
    """Whether PyTorch's functions support tensors of the dtype."""
    try:
        torch.native_group_norm(torch.ones(1, 1, 1, dtype=dtype), None, None, 1, 1, 1, 1, EPS)
        _silu(torch.ones(1, dtype=dtype))
    except RuntimeError:
        return False
    return True


def _backward(dy, x, *arguments):
    """Calls native_group_norm_backward with its tensors in the format that autograd uses."""
    if not backward_takes_channels_last():
        dy, x = dy.contiguous(), x.contiguous()
    return torch.ops.aten.native_group_norm_backward(dy, x, *arguments)


def _own_calls(contest):
    """The calls on the tensors as they are. Those of backward use forward's results."""
    sizes, gamma = contest.sizes, contest.gamma
    normalize = functools.partial(
        torch.native_group_norm, contest.x, gamma, contest.beta, *sizes, EPS)
    z, *stats = normalize()
    rest = (contest.x, *stats, gamma, *sizes, [True, True, True])
    if contest.kind.activation == "identity":
        return {"forward": normalize,
                "backward": functools.partial(_backward, contest.dy, *rest)}

    def forward():
        z, *stats = normalize()
        return _silu(z), *stats

    def backward():
        return _backward(_silu_backward(contest.dy, z), *rest)

    return {"forward": forward, "backward": backward}


def _converted_calls(contest, wide):
    """The same in the dtype `wide`, for types that PyTorch lacks and for true results."""
    silu = contest.kind.activation == "silu"
    dtype, sizes = contest.x.dtype, contest.sizes

    def normalize(gamma=contest.gamma, beta=contest.beta):
        return torch.native_group_norm(contest.x.to(wide), gamma.to(wide), beta.to(wide), *sizes,
                                       EPS)

    def forward():
        z, *stats = normalize()
        return (_silu(z) if silu else z).to(dtype), *stats

    def in_place():
        z, *stats = normalize(contest.ones, contest.zeros)
        return z.to(dtype), *stats

    def backward():
        dz = _silu_backward(contest.dy.to(wide), z) if silu else contest.dy.to(wide)
        gradients = _backward(dz, contest.x.to(wide), *stats, contest.gamma.to(wide), *sizes,
                              [True, True, True])
        return [gradient.to(dtype) for gradient in gradients]

    z, *stats = normalize()
    return {"forward": forward, "in place": in_place, "backward": backward}


def true_results(contest):
    """PyTorch's results, computed in double, by direction."""
    calls = _converted_calls(contest, torch.float64)
    return {direction: call() for direction, call in calls.items()}


class PyTorch:
    """PyTorch's functions, called without autograd."""

    name = "PyTorch"

    def __init__(self):
        self.version = torch.__version__

    def calls(self, contest):
        if _takes(contest.x.dtype):
            calls = _own_calls(contest)
        else:
            calls = _converted_calls(contest, torch.float32)
            del calls["in place"]
        return {direction: Call(run, run) for direction, run in calls.items()}

    def notes(self, kinds):
        """Sentences on how it is called for these Kinds."""
        if not backward_takes_channels_last():
            yield ("This PyTorch has no backward for channels last: its tensors are copied to "
                   "channels first, as autograd does, and the copies are timed. Its dx stays in "
                   "channels first.")
        if any(kind.activation == "silu" for kind in kinds):
            yield ("With SiLU, ours is one call. PyTorch's is two, group normalization and SiLU; "
                   "its backward uses the tensor between the two, which forward has kept.")
        for name in dict.fromkeys(kind.type for kind in kinds):
            if not _takes(DTYPES[name]):
                yield (f"This PyTorch does not support {name}: its tensors are converted to float "
                       "and its results back, and the conversions are timed.")


def make_peer(_threads):
    return PyTorch()
