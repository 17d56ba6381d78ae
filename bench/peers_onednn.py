# SPDX-License-Identifier: MIT
"""oneDNN's group normalization, called through peer_onednn.cpp."""

import ctypes
import functools

import torch

import peers_process
from peers_calls import EPS, Absent, Call, Contest, Layout
from peers_layers import Kind, Layer
from peers_options import BUILD
from peers_pytorch import true_results

_TYPES = {"f32": 0, "bf16": 1, "f16": 2}


class _Layer(ctypes.Structure):
    """gn_onednn_layer of peer_onednn.h."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("backward", "silu", "channels_last", "type", "rank")),
        ("dims", ctypes.c_int64 * 5), ("groups", ctypes.c_int64), ("eps", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in (
            "x", "dy", "out", "z", "dz", "gamma", "beta", "mean", "variance", "dgamma", "dbeta"))]


def _load():
    library = ctypes.CDLL(str(BUILD / "libgn_peer_onednn.so"))
    library.gn_onednn_create.restype = ctypes.c_void_p
    library.gn_onednn_create.argtypes = [ctypes.POINTER(_Layer), ctypes.c_char_p]
    library.gn_onednn_destroy.restype = None
    library.gn_onednn_destroy.argtypes = [ctypes.c_void_p]
    library.gn_onednn_run.argtypes = [ctypes.c_void_p]
    library.gn_onednn_error.restype = ctypes.c_char_p
    return library


class _Primitive:
    """A gn_onednn_call, with the tensors that it uses, by their names in gn_onednn_layer."""

    def __init__(self, library, contest, backward, tensors):
        self._library, self._tensors = library, tensors
        silu = contest.kind.activation == "silu"
        layer = _Layer(backward=backward, silu=silu, channels_last=bool(contest.layout),
                       type=_TYPES[contest.kind.type], rank=len(contest.shape),
                       dims=(ctypes.c_int64 * 5)(*contest.shape), groups=contest.layer.groups,
                       eps=EPS, **{name: tensor.data_ptr() for name, tensor in tensors.items()})
        name = ctypes.create_string_buffer(64)
        self._call = library.gn_onednn_create(ctypes.byref(layer), name)
        if not self._call:
            error = library.gn_onednn_error().decode()
            raise Absent(f"refuses the layer, {error.partition('. ')[0]}")
        self.implementation = name.value.decode()
        self.run = functools.partial(library.gn_onednn_run, ctypes.c_void_p(self._call))

    def __del__(self):
        if getattr(self, "_call", None):
            self._library.gn_onednn_destroy(self._call)

    def __call__(self):
        if self.run():
            raise Absent(f"fails: {self._library.gn_onednn_error().decode()}")


class OneDNN:
    """oneDNN's primitives of group normalization."""

    name = "oneDNN"

    def __init__(self, library, version):
        self._library = library
        self.version = version
        self.has_dx = True
        self._implementations = {}

    def calls(self, contest):
        n, groups = contest.layer.dims[0], contest.layer.groups
        stats = dict(zip(("mean", "variance"), torch.empty(2, n, groups)))
        calls = {}
        for direction in contest.directions:
            if direction == "backward" and not self.has_dx:
                continue
            make = self._backward if direction == "backward" else self._forward
            calls[direction] = make(contest, direction, dict(stats))
        return calls

    def _primitive(self, contest, direction, tensors):
        made = _Primitive(self._library, contest, direction == "backward", tensors)
        names = self._implementations.setdefault(direction, [])
        if made.implementation not in names:
            names.append(made.implementation)
        return made

    def _forward(self, contest, direction, tensors):
        gamma, beta = (tensor.float() for tensor in contest.parameters(direction))
        x = contest.x
        if direction == "in place":
            x = contest.out
            tensors = {name: torch.empty_like(tensor) for name, tensor in tensors.items()}
        primitive = self._primitive(contest, direction, {
            **tensors, "x": x, "out": contest.out, "gamma": gamma, "beta": beta})

        def results():
            primitive()
            if contest.kind.activation == "silu":
                return (contest.out,)
            rstd = torch.rsqrt(tensors["variance"] + EPS)
            return contest.out, tensors["mean"], rstd

        return Call(_keeping(primitive), results)

    def _backward(self, contest, direction, tensors):
        gamma = contest.gamma.float()
        dgamma, dbeta = torch.empty(2, gamma.numel())
        z, mean, rstd = torch.native_group_norm(
            contest.x.float(), gamma, contest.beta.float(), *contest.sizes, EPS)
        tensors["mean"].copy_(mean)
        tensors["variance"].copy_(rstd.double() ** -2 - EPS)
        tensors.update(x=contest.x, dy=contest.dy, out=contest.out, gamma=gamma, dgamma=dgamma,
                       dbeta=dbeta)
        if contest.kind.activation == "silu":
            tensors["z"] = z.to(contest.x.dtype)
            tensors["dz"] = torch.empty_like(contest.x)
        primitive = self._primitive(contest, direction, tensors)

        def results():
            primitive()
            return contest.out, dgamma, dbeta

        return Call(_keeping(primitive), results)

    def check_dx(self):
        """Finds out whether dx is right, on a small layer.

        That of 3.7 is wrong unless N = 1 and C = G: it subtracts the means of dy and of xhat * dy
        of a channel over all samples, where those of gamma * dy over the group belong.
        """
        contest = Contest(Layer((2, 4, 6), 2), Kind(), Layout.CHANNELS_FIRST, 1)
        true = true_results(contest)["backward"][0]
        dx = self.calls(contest)["backward"].results()[0]
        self.has_dx = torch.allclose(dx, true, rtol=1e-4, atol=1e-4)
        self._implementations = {}

    def notes(self, kinds):
        if not self.has_dx:
            yield (f"oneDNN's backward is not measured: dx of {self.version} is wrong unless N = 1 "
                   "and C = G.")
        yield ("oneDNN's primitives are " + ", ".join(
            f"{' and '.join(names)} ({direction})"
            for direction, names in self._implementations.items()) +
            ". Forward is that of training, except with SiLU, which only inference can append; "
            "gamma and beta are float.")
        if self.has_dx and any(kind.activation == "silu" for kind in kinds):
            yield ("oneDNN's backward with SiLU is two primitives, and uses the tensor between the "
                   "two, which is computed before.")


def _keeping(primitive):
    """primitive.run as a function that keeps the primitive."""
    run = functools.partial(primitive.run)
    run.primitive = primitive
    return run


def make_peer(_threads):
    version = peers_process.onednn_version()
    if version is None:
        raise Absent("is not measured: there is no libdnnl here")
    text = ".".join(map(str, version))
    if version < (3, 3):
        raise Absent(f"is not measured: the version here is {text}, and 3.3 was the first with "
                     "group normalization")
    try:
        library = _load()
    except OSError:
        raise Absent(f"is not measured: its library {text} is here, but the benchmark was built "
                     "without its headers (libdnnl-dev)") from None
    peer = OneDNN(library, text)
    peer.check_dx()
    return peer
