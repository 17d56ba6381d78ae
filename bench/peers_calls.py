# SPDX-License-Identifier: MIT
"""libgroupnorm, PyTorch and a copy on the same tensors, each as a call without arguments."""

import ctypes
import functools
import itertools
import math
import statistics
import time

import torch

import groupnorm

EPS = 1e-5
BURST_SECONDS = 1e-3
WARMING_SECONDS = 10e-3  # at most, for the calls before a burst
PAGE = 4096
ONE_THREAD_BYTES = 1 << 20  # waking threads up can cost more than copying this much alone
TOLERANCE = 1e-4  # of the largest terms that a result is a sum of

_Layout = groupnorm.Layout


def _raw(name):
    """A function of the library without the binding's check of its status, which costs time."""
    function = getattr(ctypes.CDLL(groupnorm._library._name), name)
    function.restype = ctypes.c_int
    return function


_gn_forward = _raw("gn_forward")
_gn_backward = _raw("gn_backward")


def _pointers(*tensors):
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]


def _memory_format(layout, rank):
    if layout is _Layout.CHANNELS_FIRST:
        return torch.contiguous_format
    return torch.channels_last_3d if rank == 5 else torch.channels_last


@functools.cache
def backward_takes_channels_last():
    """Whether PyTorch's backward function reads tensors in channels last for what they are.

    That of 1.13 takes them for channels first, and autograd hands it copies in that format.
    """
    x, dy = torch.randn(2, 1, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        args = [tensor.contiguous(memory_format=memory_format) for tensor in (dy, x)]
        results.append(torch.ops.aten.native_group_norm_backward(
            *args, torch.zeros(1, 2), torch.ones(1, 2), None, 1, 4, 15, 2,
            [True, False, False])[0])
    return torch.allclose(*results, rtol=1e-4, atol=1e-5)


def _pytorch_backward(dy, x, *arguments):
    """native_group_norm_backward, given its tensors as autograd does."""
    if not backward_takes_channels_last():
        dy, x = dy.contiguous(), x.contiguous()
    return torch.ops.aten.native_group_norm_backward(dy, x, *arguments)


class Copy:
    """Copies by gn-bench's own functions where its library is given, else by torch.Tensor.copy_."""

    def __init__(self, path):
        self._copy = None
        self.description = "torch.Tensor.copy_"
        if path:
            library = ctypes.CDLL(path)
            self._copy = library.gn_bench_copy
            self._copy.restype = None
            self._streams = library.gn_bench_copy_streams()
            self.description = "gn-bench's, the fastest of its ways"

    def ways(self, to, source, threads):
        """The calls to choose the fastest of."""
        if not self._copy:
            return [functools.partial(to.copy_, source)]
        choices = [(threads, 0)] + [(threads, 1)] * self._streams
        if threads > 1 and 4 * source.numel() <= ONE_THREAD_BYTES:
            choices.append((1, 0))
        arguments = [*_pointers(to, source), ctypes.c_int64(source.numel())]
        return [functools.partial(self._copy, *arguments, *map(ctypes.c_int, choice))
                for choice in choices]


class Contest:
    """One layer in one layout: what each takes as its arguments, made once."""

    def __init__(self, layer, layout, threads):
        n, c = layer.dims[:2]
        # PyTorch has channels last for ranks 4 and 5; others have the same memory with rank 4.
        shape = layer.dims if len(layer.dims) in (4, 5) else (n, c, 1, layer.spatial)
        memory_format = _memory_format(layout, len(shape))
        generator = torch.Generator().manual_seed(1)

        def noise(*dims, mean=0.0):
            return mean + torch.randn(*dims, generator=generator)

        self.x = noise(*shape, mean=0.5).contiguous(memory_format=memory_format)
        self.dy = noise(*shape).contiguous(memory_format=memory_format)
        self.gamma, self.beta = noise(c, mean=1.0), noise(c)
        self.mean, self.rstd = torch.empty(n, layer.groups), torch.empty(n, layer.groups)
        self.dgamma, self.dbeta = torch.empty(c), torch.empty(c)
        self._plan = groupnorm.Plan(layer.dims, layer.groups, layout=layout, eps=EPS,
                                    threads=threads)
        sizes = (n, c, layer.spatial, layer.groups)
        self._memory = torch.empty(layer.elements + PAGE // 4)
        forward = functools.partial(
            torch.native_group_norm, self.x, self.gamma, self.beta, *sizes, EPS)
        _, *their_stats = forward()
        self.pytorch = {
            "forward": forward,
            "backward": functools.partial(
                _pytorch_backward, self.dy, self.x, *their_stats, self.gamma, *sizes,
                [True, True, True]),
        }

    def ours(self, direction):
        """Our call, whose y or dx is self.out, as far from the start of a page as PyTorch's now is.

        A load waits for a store before it if their addresses differ by a multiple of a page's size:
        whether they do must not be another chance for each library.
        """
        theirs = self.pytorch[direction]()[0].data_ptr()
        start = (theirs - self._memory.data_ptr()) % PAGE // 4
        self.out = self._memory.as_strided(self.x.shape, self.x.stride(), start)
        plan, stats = self._plan._handle.pointer, (self.mean, self.rstd)
        if direction == "forward":
            return functools.partial(_gn_forward, plan, *_pointers(
                self.x, self.gamma, self.beta, self.out, *stats))
        return functools.partial(_gn_backward, plan, *_pointers(
            self.dy, self.x, *stats, self.gamma, self.beta, self.out, self.dgamma, self.dbeta))

    def disagreement(self, direction):
        """A sentence on what differs between the two libraries' results; None where nothing does.

        Call it for "forward" first.
        """
        if self.ours(direction)():
            return "libgroupnorm refuses the call"
        for (name, scale), theirs in zip(self._scales(direction), self.pytorch[direction]()):
            ours = self.out if name in ("y", "dx") else getattr(self, name)
            error = (ours - theirs.reshape(ours.shape)).abs().max().item()
            if not error <= TOLERANCE * scale:  # a NaN too
                return f"{name} differs by {error:.2g}, where {TOLERANCE * scale:.2g} is rounding"
        return None

    def _scales(self, direction):
        """The names of the results in PyTorch's order, with the sizes of their largest terms."""
        def largest(tensor):
            return tensor.abs().max().item()

        if direction == "forward":
            return (("y", largest(self.out)), ("mean", largest(self.x)), ("rstd", largest(self.rstd)))
        channel = largest(self.dy.abs().transpose(0, 1).flatten(1).sum(1))
        return (("dx", largest(self.rstd) * largest(self.gamma) * largest(self.dy)),
                ("dgamma", channel), ("dbeta", channel))


def _burst(call, count, warming=1):
    """Seconds a call, after some that are not timed: each finds the caches as its own kind does."""
    for _ in range(warming):
        call()
    start = time.perf_counter()
    for _ in itertools.repeat(None, count):
        call()
    return (time.perf_counter() - start) / count


def medians(calls, repeats):
    """The median seconds of each of the calls, done in turns."""
    bursts = []
    for call in calls:
        seconds = min(_burst(call, 1) for _ in range(3))
        bursts.append((call, max(1, math.ceil(BURST_SECONDS / seconds)),
                       max(1, min(4, int(WARMING_SECONDS / seconds)))))
    times = [[_burst(*burst) for burst in bursts] for _ in range(repeats)]
    return list(map(statistics.median, zip(*times)))


def overheads(threads, repeats):
    """Seconds of a forward call on a tensor of no elements: libgroupnorm's and PyTorch's."""
    plan = groupnorm.Plan((0, 32, 1, 1), 32, threads=threads)
    x, parameter = torch.empty(0, 32, 1, 1), torch.ones(32)
    pointers = [None, *_pointers(parameter, parameter), None, None, None]
    return medians([
        functools.partial(_gn_forward, plan._handle.pointer, *pointers),
        functools.partial(torch.native_group_norm, x, parameter, parameter, 0, 32, 1, 32, EPS),
    ], repeats)
