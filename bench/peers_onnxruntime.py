# SPDX-License-Identifier: MIT
"""ONNX Runtime's group normalization, called through peer_onnxruntime.cpp."""

import ctypes
import functools
import os

from peers_calls import EPS, Absent, Call, Layout
from peers_options import BUILD


class _Problem(ctypes.Structure):
    """gn_ort_problem of peer_onnxruntime.h."""

    _fields_ = [("model", ctypes.c_char_p), ("model_bytes", ctypes.c_size_t),
                ("threads", ctypes.c_int), ("type", ctypes.c_int), ("rank", ctypes.c_int),
                ("dims", ctypes.c_int64 * 8), ("x", ctypes.c_void_p), ("y", ctypes.c_void_p),
                ("tensor_bytes", ctypes.c_size_t)]


def _bind():
    bound = ctypes.CDLL(str(BUILD / "libgn_peer_onnxruntime.so"))
    bound.gn_ort_load.restype = ctypes.c_char_p
    bound.gn_ort_create.restype = ctypes.c_void_p
    bound.gn_ort_create.argtypes = [ctypes.POINTER(_Problem)]
    bound.gn_ort_destroy.restype = None
    bound.gn_ort_destroy.argtypes = [ctypes.c_void_p]
    bound.gn_ort_run.argtypes = [ctypes.c_void_p]
    bound.gn_ort_error.restype = ctypes.c_char_p
    return bound


def _load(bound):
    """Loads the first library that works. Returns its version."""
    named = os.environ.get("GN_ONNXRUNTIME")
    names = [*([named] if named else []), "libonnxruntime.so.1", "libonnxruntime.so.1.21",
             "libonnxruntime.so"]
    for name in names:
        version = bound.gn_ort_load(name.encode())
        if version:
            return version.decode()
    raise Absent(f"is not measured: {bound.gn_ort_error().decode()}")


class _Session:
    """A gn_ort_session, with the contest whose tensors it uses."""

    def __init__(self, bound, contest, type_, model):
        self._bound, self._contest = bound, contest
        problem = _Problem(
            model=model, model_bytes=len(model), threads=contest.threads, type=type_,
            rank=len(contest.shape), dims=(ctypes.c_int64 * 8)(*contest.shape),
            x=contest.x.data_ptr(), y=contest.out.data_ptr(),
            tensor_bytes=contest.layer.bytes(contest.kind.size))
        self._session = bound.gn_ort_create(ctypes.byref(problem))
        if not self._session:
            raise Absent(f"refuses the layer, {bound.gn_ort_error().decode().splitlines()[0]}")

    def __del__(self):
        if getattr(self, "_session", None):
            self._bound.gn_ort_destroy(self._session)

    def call(self):
        """The Call. It keeps the session."""
        run = functools.partial(self._bound.gn_ort_run, ctypes.c_void_p(self._session))
        run.session = self

        def results():
            if run():
                raise Absent(f"fails, {self._bound.gn_ort_error().decode().splitlines()[0]}")
            return (self._contest.out,)

        return Call(run, results)


class OnnxRuntime:
    """ONNX Runtime with a model of one of the two forms."""

    def __init__(self, bound, version, operator, make_model):
        self.name, self.version = f"ORT {operator}", version
        self._bound, self._make_model = bound, make_model

    def calls(self, contest):
        from peers_onnx_models import TYPES

        if contest.layout is not Layout.CHANNELS_FIRST:
            return {}
        model = self._make_model(contest, EPS)
        session = _Session(self._bound, contest, TYPES[contest.kind.type], model)
        return {"forward": session.call()}

    def notes(self, _kinds):
        yield ("ONNX Runtime (ORT) has only forward in channels first. Its threads are its own, "
               "and stop spinning at the end of each call. It runs in this process, by its "
               "interface in C.")


def make_peer(_threads):
    try:
        bound = _bind()
    except OSError:
        raise Absent("is not measured: the benchmark was built without its headers "
                     "(libonnxruntime-dev)") from None
    version = _load(bound)
    try:
        from peers_onnx_models import group_model, instance_model
    except ImportError as error:
        raise Absent(f"is not measured: {error}") from None
    return [OnnxRuntime(bound, version, "InstanceNormalization", instance_model),
            OnnxRuntime(bound, version, "GroupNormalization", group_model)]
