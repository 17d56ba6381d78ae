# SPDX-License-Identifier: MIT
"""PyTorch's group_norm compiled by torch.compile with inductor, for one shape and layout at a time.

Forward is the compiled function, called without gradients. Backward is torch.autograd.grad of a
result of the function compiled with gradients, so that it does not contain forward.
"""

import ctypes
import functools
import os
import re

import torch

from peers_calls import EPS, Absent, Call

# Inductor compiles in this process, so that no idle workers wait beside a measurement, and writes
# the code of each graph, which is checked, instead of loading compiled graphs. What g++ made stays
# in inductor's cache.
_ENVIRONMENT = {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_FX_GRAPH_CACHE": "0"}


def _first_line(error):
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _vector_instructions():
    """The instruction set for which inductor writes vectors; false if it writes only scalars.

    Inductor's trial, a library that calls libsleef, links with the library of PyTorch that needs
    libsleef. Debian's linker leaves that one out, for none of its functions is called. Libsleef is
    therefore loaded here, and in the processes of the trial, for all libraries.
    """
    from torch._inductor import cpu_vec_isa

    try:
        ctypes.CDLL("libsleef.so.3", ctypes.RTLD_GLOBAL)
    except OSError:
        return cpu_vec_isa.pick_vec_isa()
    before = os.environ.get("LD_PRELOAD")
    os.environ["LD_PRELOAD"] = " ".join(filter(None, ["libsleef.so.3", before]))
    try:
        return cpu_vec_isa.pick_vec_isa()
    finally:
        del os.environ["LD_PRELOAD"]
        if before is not None:
            os.environ["LD_PRELOAD"] = before


def faults_of(code):
    """What inductor's code does instead of computing in vectors: a list of words, best empty."""
    faults = []
    if not re.search(r"^cpp_fused\w* = async_compile\.cpp", code, re.MULTILINE):
        faults.append("no code in C++")
    if re.search(r"(torch\.ops\.aten|aten|extern_kernels)\.\w*group_norm\w*[.(]", code):
        faults.append("PyTorch's own function")
    if "at::vec::Vectorized" not in code:
        faults.append("scalars")
    return faults


def _normalization(groups, silu):
    def normalize(x, gamma, beta):
        y = torch.nn.functional.group_norm(x, groups, gamma, beta, EPS)
        return torch.nn.functional.silu(y) if silu else y
    return normalize


def _compiled(function, *arguments):
    """Calls the function, which compiles on the way. Returns its result, and the faults."""
    from torch._inductor.utils import run_and_get_code

    try:
        result, codes = run_and_get_code(function, *arguments)
    except Exception as error:  # whatever the compilers raise
        raise Absent(f"fails to compile: {_first_line(error)}") from error
    return result, faults_of("\n".join(codes))


class Compiled:
    """torch.compile, with dynamic=False, fullgraph=True and no max-autotune."""

    name = "torch.compile"

    def __init__(self, isa):
        self.version = f"{torch.__version__} ({isa})"
        self._faults = {}

    def calls(self, contest):
        torch.compiler.reset()  # it compiles no more than a few shapes of a function
        function = torch.compile(_normalization(contest.layer.groups,
                                                contest.kind.activation == "silu"),
                                 dynamic=False, fullgraph=True)
        return {"forward": self._forward(function, contest),
                "backward": self._backward(function, contest)}

    def _forward(self, function, contest):
        run = functools.partial(function, contest.x, contest.gamma, contest.beta)
        with torch.no_grad():
            _, faults = _compiled(run)
        self._keep(faults, contest, "forward")
        return Call(run, lambda: (run(),))

    def _backward(self, function, contest):
        inputs = [tensor.detach().requires_grad_()
                  for tensor in (contest.x, contest.gamma, contest.beta)]
        with torch.enable_grad():
            y, faults = _compiled(function, *inputs)
        run = functools.partial(torch.autograd.grad, y, inputs, contest.dy, retain_graph=True)
        _, more = _compiled(run)
        self._keep(list(dict.fromkeys(faults + more)), contest, "backward")
        return Call(run, run)

    def _keep(self, faults, contest, direction):
        if faults:
            self._faults.setdefault(f"{direction} has {' and '.join(faults)}", []).append(
                f"{contest.layer.name} {contest.layout.name.lower().replace('_', ' ')}")

    def notes(self, _kinds):
        yield ("torch.compile's forward is called without gradients. Its backward is "
               "torch.autograd.grad of a result that is computed once, and contains no forward. "
               "dynamic=False, fullgraph=True, no max-autotune.")
        for fault, layers in self._faults.items():
            yield f"torch.compile: the code of {fault} at {', '.join(dict.fromkeys(layers))}."


def make_peer(_threads):
    if not hasattr(torch, "compile"):
        raise Absent(f"is not in PyTorch {torch.__version__}")
    os.environ.update(_ENVIRONMENT)
    try:
        isa = _vector_instructions()
    except Exception as error:  # for example an absent module of Python
        raise Absent(f"cannot be used here: {_first_line(error)}") from error
    if not isa:
        raise Absent("would write only scalar code here: inductor needs g++, Python's headers and "
                     "libsleef with its headers to write vectors")
    from torch._functorch import config

    # Backward's graph is kept, so it must not write to the tensors that forward has saved.
    config.donated_buffer = False
    return Compiled(str(isa).split()[0])
