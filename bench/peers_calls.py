# SPDX-License-Identifier: MIT
"""What all libraries share: the tensors of a layer, libgroupnorm's calls, and their results' check.

A peer is an object with a name, a version and a function `calls`, which returns its Calls on the
tensors of a Contest by direction, or raises Absent. Its module has a function `make_peer`.
"""

import ctypes
import functools
from typing import Callable, NamedTuple

import torch

import groupnorm

EPS = 1e-5
PAGE = 4096
# In units of the largest terms of a result's sum. The 16-bit types have two more roundings.
TOLERANCE = {"f32": 1e-4, "bf16": 1e-4 + 2.0**-7, "f16": 1e-4 + 2.0**-10}
# For peers in float: some add up a million elements one after the other.
PEER_TOLERANCE = 1e-3
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
# "in place" is forward with y = x.
DIRECTIONS = ("forward", "in place", "backward")

Layout = groupnorm.Layout


class Absent(Exception):
    """Why a peer cannot be called: the end of a sentence that begins with its name."""


class Call(NamedTuple):
    """A function without arguments to be timed, and one that calls it and returns its results.

    The results are y (and mean and rstd, if the library has them), or dx, dgamma and dbeta.
    """

    run: Callable
    results: Callable


def _raw(name):
    """A function of the library without the binding's check of the status, which takes time."""
    function = getattr(ctypes.CDLL(groupnorm._library._name), name)
    function.restype = ctypes.c_int
    return function


_gn_forward = _raw("gn_forward")
_gn_backward = _raw("gn_backward")


def pointers(*tensors):
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]


def _memory_format(layout, rank):
    if layout is Layout.CHANNELS_FIRST:
        return torch.contiguous_format
    return torch.channels_last_3d if rank == 5 else torch.channels_last


class Contest:
    """One layer of a Kind in one layout: the tensors that all libraries get.

    out has the shape of x, and is the y or dx of ours and of those peers that take a pointer to it.
    In place it is x too. Calls in place follow each other, and must leave numbers of the same size:
    their gamma is 1 and their beta 0.
    """

    def __init__(self, layer, kind, layout, threads):
        n, c = layer.dims[:2]
        self.layer, self.kind, self.layout, self.threads = layer, kind, layout, threads
        # PyTorch has channels last only for ranks 4 and 5. Other ranks are viewed with rank 4.
        self.shape = layer.dims if len(layer.dims) in (4, 5) else (n, c, 1, layer.spatial)
        self.memory_format = _memory_format(layout, len(self.shape))
        generator = torch.Generator().manual_seed(1)

        def noise(*dims, mean=0.0):
            return (mean + torch.randn(*dims, generator=generator)).to(dtype)

        dtype = DTYPES[kind.type]
        self.x = noise(*self.shape, mean=0.5).contiguous(memory_format=self.memory_format)
        self.dy = noise(*self.shape).contiguous(memory_format=self.memory_format)
        self.gamma, self.beta = noise(c, mean=1.0), noise(c)
        self.ones, self.zeros = torch.ones(c, dtype=dtype), torch.zeros(c, dtype=dtype)
        self.mean, self.rstd = torch.empty(n, layer.groups), torch.empty(n, layer.groups)
        self._stats_in_place = torch.empty(2, n, layer.groups)
        self.dgamma, self.dbeta = torch.empty(2, c, dtype=dtype)
        self._plan = groupnorm.Plan(
            layer.dims, layer.groups, layout=layout, eps=EPS, threads=threads,
            types=groupnorm.Type[kind.type.upper()],
            activation=groupnorm.Activation[kind.activation.upper()])
        self._memory = torch.empty(layer.elements + PAGE // kind.size, dtype=dtype)
        self.place_out(self._memory)

    @property
    def sizes(self):
        """N, C, the number of spatial elements and G."""
        return (*self.layer.dims[:2], self.layer.spatial, self.layer.groups)

    @property
    def directions(self):
        """With an activation, calls in place would change the numbers from call to call."""
        return [direction for direction in DIRECTIONS
                if direction != "in place" or self.kind.activation == "identity"]

    def place_out(self, theirs):
        """Gives out the same offset in a page as a result of PyTorch.

        A load waits for an earlier store if their addresses differ by a multiple of the page size.
        With equal offsets, both libraries have the same chance of that.
        """
        distance = theirs.data_ptr() - self._memory.data_ptr()
        start = distance % PAGE // self._memory.element_size()
        self.out = self._memory.as_strided(self.x.shape, self.x.stride(), start)

    def begin(self, direction):
        """Makes out what calls of the direction expect."""
        if direction == "in place":
            self.out.copy_(self.x)
        else:
            self.out.fill_(float("nan"))

    def parameters(self, direction):
        """The gamma and beta of calls of the direction."""
        return (self.ones, self.zeros) if direction == "in place" else (self.gamma, self.beta)

    def ours(self, direction):
        """Our Call. Backward uses the mean and rstd of forward, which in place does not change."""
        plan, stats = self._plan._handle.pointer, (self.mean, self.rstd)
        if direction == "in place":
            stats = self._stats_in_place
        if direction == "backward":
            outputs = (self.out, self.dgamma, self.dbeta)
            run = functools.partial(_gn_backward, plan, *pointers(
                self.dy, self.x, *stats, self.gamma, self.beta, *outputs))
        else:
            outputs = (self.out, *stats)
            x = self.out if direction == "in place" else self.x
            run = functools.partial(_gn_forward, plan, *pointers(
                x, *self.parameters(direction), *outputs))

        def results():
            if run():
                raise Absent("refuses the call")
            return outputs

        return Call(run, results)


def results_of(contest, direction, call):
    """The results of a Call."""
    contest.begin(direction)
    return call.results()


def errors(contest, direction, results, true):
    """Yields the name of each result, and its error in units of its largest terms."""
    for (name, scale), result, wanted in zip(scales(contest, direction, true), results, true):
        difference = result.float() - wanted.float().reshape(result.shape)
        yield name, difference.abs().max().item() / scale


def scales(contest, direction, true):
    """The names of the results in PyTorch's order, with the sizes of their largest terms."""
    def largest(tensor):
        return tensor.abs().max().item()

    if direction != "backward":
        y, mean, rstd = true
        return (("y", largest(y)), ("mean", max(largest(contest.x), largest(mean))),
                ("rstd", largest(rstd)))
    channel = largest(contest.dy.float().abs().transpose(0, 1).flatten(1).sum(1))
    return (("dx", largest(contest.rstd) * largest(contest.gamma) * largest(contest.dy)),
            ("dgamma", channel), ("dbeta", channel))


def largest_error(contest, direction, results, true):
    """The largest error of the results and its name. A NaN is larger than all numbers."""
    found = [(error if error == error else float("inf"), name)
             for name, error in errors(contest, direction, results, true)]
    return max(found)
