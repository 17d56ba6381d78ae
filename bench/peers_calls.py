# SPDX-License-Identifier: MIT
"""Calls of libgroupnorm, PyTorch and a copy on the same tensors, as functions without arguments."""

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
WARMING_SECONDS = 10e-3  # the most time for the calls before a burst
PAGE = 4096
ONE_THREAD_BYTES = 1 << 20  # below, one thread can copy faster than others wake up
# In units of the largest terms of a result's sum. The 16-bit types have two more roundings.
TOLERANCE = {"f32": 1e-4, "bf16": 1e-4 + 2.0**-7, "f16": 1e-4 + 2.0**-10}

_Layout = groupnorm.Layout
_DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def _raw(name):
    """A function of the library without the binding's check of the status, which takes time."""
    function = getattr(ctypes.CDLL(groupnorm._library._name), name)
    function.restype = ctypes.c_int
    return function


_silu, _silu_backward = torch.nn.functional.silu, torch.ops.aten.silu_backward
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


def _pytorch_backward(dy, x, *arguments):
    """Calls native_group_norm_backward with its tensors in the format that autograd uses."""
    if not backward_takes_channels_last():
        dy, x = dy.contiguous(), x.contiguous()
    return torch.ops.aten.native_group_norm_backward(dy, x, *arguments)


@functools.cache
def _takes(dtype):
    """Whether PyTorch's functions support tensors of the dtype."""
    try:
        torch.native_group_norm(torch.ones(1, 1, 1, dtype=dtype), None, None, 1, 1, 1, 1, EPS)
        _silu(torch.ones(1, dtype=dtype))
    except RuntimeError:
        return False
    return True


def _pytorch_calls(kind, x, dy, gamma, beta, sizes):
    """PyTorch's calls on the tensors by direction. Those of backward use forward's results."""
    if not _takes(x.dtype):
        return _converted_calls(kind, x, dy, gamma, beta, sizes)
    normalize = functools.partial(torch.native_group_norm, x, gamma, beta, *sizes, EPS)
    z, *stats = normalize()
    rest = (x, *stats, gamma, *sizes, [True, True, True])
    if kind.activation == "identity":
        return {"forward": normalize, "backward": functools.partial(_pytorch_backward, dy, *rest)}

    def forward():
        z, *stats = normalize()
        return _silu(z), *stats

    def backward():
        return _pytorch_backward(_silu_backward(dy, z), *rest)

    return {"forward": forward, "backward": backward}


def _converted_calls(kind, x, dy, gamma, beta, sizes):
    """The same in float, for types that PyTorch does not support and for checks of results."""
    silu = kind.activation == "silu"

    def normalize():
        return torch.native_group_norm(x.float(), gamma.float(), beta.float(), *sizes, EPS)

    def forward():
        z, *stats = normalize()
        return (_silu(z) if silu else z).to(x.dtype), *stats

    def backward():
        dz = _silu_backward(dy.float(), z) if silu else dy.float()
        gradients = _pytorch_backward(
            dz, x.float(), *stats, gamma.float(), *sizes, [True, True, True])
        return [gradient.to(x.dtype) for gradient in gradients]

    z, *stats = normalize()
    return {"forward": forward, "backward": backward}


def notes_on_pytorch(kinds, errors):
    """Sentences on how PyTorch is called for these Kinds, and on its errors, a dict by type."""
    if not backward_takes_channels_last():
        yield ("This PyTorch has no backward for channels last: its tensors are copied to channels "
               "first, as autograd does, and the copies are timed. Its dx stays in channels first.")
    if any(kind.activation == "silu" for kind in kinds):
        yield ("With SiLU, ours is one call. PyTorch's is two, group normalization and SiLU; its "
               "backward uses the tensor between the two, which forward has kept.")
    for name in dict.fromkeys(kind.type for kind in kinds):
        if not _takes(_DTYPES[name]):
            yield (f"This PyTorch does not support {name}: its tensors are converted to float and "
                   "its results back, and the conversions are timed.")
        elif name != "f32":
            yield (f"In {name}, PyTorch's results differ from those in float by up to "
                   f"{errors[name]:.2g} of their largest terms; ours may differ by at most "
                   f"{TOLERANCE[name]:.2g}.")


class Copy:
    """Copies by gn-bench's functions if its library is given, otherwise by torch.Tensor.copy_."""

    def __init__(self, path):
        self._copy = None
        self.description = "torch.Tensor.copy_"
        if path:
            library = ctypes.CDLL(path)
            self._copy = library.gn_bench_copy
            self._copy.restype = None
            self._has_nontemporal = library.gn_bench_copy_has_nontemporal()
            self.description = "the fastest of gn-bench's ways to copy"

    def ways(self, to, source, threads):
        """The calls among which the fastest counts."""
        if not self._copy:
            return [functools.partial(to.copy_, source)]
        choices = [(threads, 0)] + [(threads, 1)] * self._has_nontemporal
        size = source.numel() * source.element_size()
        if threads > 1 and size <= ONE_THREAD_BYTES:
            choices.append((1, 0))
        arguments = [*_pointers(to, source), ctypes.c_int64(size // 4)]
        return [functools.partial(self._copy, *arguments, *map(ctypes.c_int, choice))
                for choice in choices]


class Contest:
    """One layer of a Kind in one layout, with the arguments of each library's calls."""

    def __init__(self, layer, kind, layout, threads):
        n, c = layer.dims[:2]
        # PyTorch has channels last only for ranks 4 and 5. Other ranks are viewed with rank 4.
        shape = layer.dims if len(layer.dims) in (4, 5) else (n, c, 1, layer.spatial)
        memory_format = _memory_format(layout, len(shape))
        generator = torch.Generator().manual_seed(1)

        def noise(*dims, mean=0.0):
            return (mean + torch.randn(*dims, generator=generator)).to(dtype)

        dtype = _DTYPES[kind.type]
        self.x = noise(*shape, mean=0.5).contiguous(memory_format=memory_format)
        self.dy = noise(*shape).contiguous(memory_format=memory_format)
        self.gamma, self.beta = noise(c, mean=1.0), noise(c)
        self.mean, self.rstd = torch.empty(n, layer.groups), torch.empty(n, layer.groups)
        self.dgamma, self.dbeta = torch.empty(2, c, dtype=dtype)
        self._plan = groupnorm.Plan(
            layer.dims, layer.groups, layout=layout, eps=EPS, threads=threads,
            types=groupnorm.Type[kind.type.upper()],
            activation=groupnorm.Activation[kind.activation.upper()])
        self._memory = torch.empty(layer.elements + PAGE // kind.size, dtype=dtype)
        self._tolerance = TOLERANCE[kind.type]
        arguments = (kind, self.x, self.dy, self.gamma, self.beta,
                     (n, c, layer.spatial, layer.groups))
        self.pytorch = _pytorch_calls(*arguments)
        self._true = self.pytorch if kind.type == "f32" else _converted_calls(*arguments)

    def ours(self, direction):
        """Our call. Its y or dx is self.out, which has the same offset in a page as PyTorch's now.

        A load waits for an earlier store if their addresses differ by a multiple of the page size.
        With equal offsets, both libraries have the same chance of that.
        """
        theirs = self.pytorch[direction]()[0].data_ptr()
        start = (theirs - self._memory.data_ptr()) % PAGE // self._memory.element_size()
        self.out = self._memory.as_strided(self.x.shape, self.x.stride(), start)
        plan, stats = self._plan._handle.pointer, (self.mean, self.rstd)
        if direction == "forward":
            return functools.partial(_gn_forward, plan, *_pointers(
                self.x, self.gamma, self.beta, self.out, *stats))
        return functools.partial(_gn_backward, plan, *_pointers(
            self.dy, self.x, *stats, self.gamma, self.beta, self.out, self.dgamma, self.dbeta))

    def disagreement(self, direction):
        """A sentence on how our results differ from PyTorch's in float, or None if they agree.

        Call it for "forward" first.
        """
        if self.ours(direction)():
            return "libgroupnorm refuses the call"
        ours = ((self.out, self.mean, self.rstd) if direction == "forward" else
                (self.out, self.dgamma, self.dbeta))
        for name, error in self._errors(direction, ours):
            if not error <= self._tolerance:  # a NaN too
                return (f"{name} differs by {error:.2g} of its largest terms, where "
                        f"{self._tolerance:.2g} is rounding")
        return None

    def pytorch_error(self, direction):
        """The error of PyTorch's results against its own in float, in units of their largest terms.

        Call disagreement first.
        """
        return max(error for _, error in self._errors(direction, self.pytorch[direction]()))

    def _errors(self, direction, results):
        """Yields the name of each result, and its error in units of its largest terms."""
        for (name, scale), result, true in zip(
                self._scales(direction), results, self._true[direction]()):
            difference = result.float() - true.float().reshape(result.shape)
            yield name, difference.abs().max().item() / scale

    def _scales(self, direction):
        """The names of the results in PyTorch's order, with the sizes of their largest terms."""
        def largest(tensor):
            return tensor.abs().max().item()

        if direction == "forward":
            return (("y", largest(self.out)), ("mean", largest(self.x)),
                    ("rstd", largest(self.rstd)))
        channel = largest(self.dy.float().abs().transpose(0, 1).flatten(1).sum(1))
        return (("dx", largest(self.rstd) * largest(self.gamma) * largest(self.dy)),
                ("dgamma", channel), ("dbeta", channel))


def _burst(call, count, warming=1):
    """The seconds per call, after untimed calls that leave the caches as such calls do."""
    for _ in range(warming):
        call()
    start = time.perf_counter()
    for _ in itertools.repeat(None, count):
        call()
    return (time.perf_counter() - start) / count


def medians(calls, repeats):
    """The median seconds of each call. The calls take turns."""
    bursts = []
    for call in calls:
        seconds = min(_burst(call, 1) for _ in range(3))
        bursts.append((call, max(1, math.ceil(BURST_SECONDS / seconds)),
                       max(1, min(4, int(WARMING_SECONDS / seconds)))))
    times = [[_burst(*burst) for burst in bursts] for _ in range(repeats)]
    return list(map(statistics.median, zip(*times)))


def overheads(threads, repeats):
    """The seconds of a forward call without elements: libgroupnorm's and PyTorch's."""
    plan = groupnorm.Plan((0, 32, 1, 1), 32, threads=threads)
    x, parameter = torch.empty(0, 32, 1, 1), torch.ones(32)
    pointers = [None, *_pointers(parameter, parameter), None, None, None]
    return medians([
        functools.partial(_gn_forward, plan._handle.pointer, *pointers),
        functools.partial(torch.native_group_norm, x, parameter, parameter, 0, 32, 1, 32, EPS),
    ], repeats)
