# SPDX-License-Identifier: MIT
"""Group Normalization on numpy arrays: libgroupnorm through ctypes, with nothing to build.

    import numpy as np
    import groupnorm

    x = np.random.default_rng(0).standard_normal((8, 64, 56, 56), dtype=np.float32)
    with groupnorm.Plan(x.shape, groups=32) as plan:
        y, mean, rstd = plan.forward(x, stats=True)
        dx, dgamma, dbeta = plan.backward(np.ones_like(y), x, mean, rstd)

A plan's shape is the logical one, [N, C, spatial...], whatever the layout. Arrays are given as they
lie in memory: their shape is (N, C, spatial...) for Layout.CHANNELS_FIRST and (N, spatial..., C)
for Layout.CHANNELS_LAST; Plan.array_shape says which. All of them are C-contiguous and float32, and
are handed to the library without a copy; an array that is anything else is refused here, before the
library sees its address.

The library is loaded with this module: the file that the environment variable GN_LIBRARY names,
else what the system's loader finds as libgroupnorm.so.0. Import this module before a fork() whose
child is to use it: a library loaded after the fork cannot know that OpenMP's threads are gone.

Errors. Without the library, the import raises ImportError. An array or a number that the library
could not be given raises TypeError or ValueError. What the library refuses raises GroupNormError,
which is also a ValueError, a NotImplementedError or a MemoryError, and carries the library's own
sentence.
"""

import ctypes
import ctypes.util
import enum
import json
import operator
import os
import weakref

import numpy as np

__all__ = [
    "Affine",
    "GroupNormError",
    "InvalidArgumentError",
    "Isa",
    "Layout",
    "OutOfMemoryError",
    "Plan",
    "Status",
    "UnsupportedError",
    "group_norm",
    "version",
    "version_string",
]


class Status(enum.IntEnum):
    """gn_status."""

    OK = 0
    INVALID_ARGUMENT = 1
    UNSUPPORTED = 2
    OUT_OF_MEMORY = 3


class Layout(enum.IntEnum):
    """gn_layout: the order of the dims in memory."""

    CHANNELS_FIRST = 0
    CHANNELS_LAST = 1


class Affine(enum.IntEnum):
    """gn_affine: whether samples share gamma and beta, of shape (C,), or have their own, (N, C)."""

    CHANNEL = 0
    SAMPLE = 1


class Isa(enum.IntEnum):
    """gn_isa: the instruction set of the kernels."""

    AUTO = 0
    GENERIC = 1
    AVX2 = 2
    AVX512 = 3
    NEON = 4


class GroupNormError(Exception):
    """A call that the library refused: `status` is its number, the message its sentence."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status

    def __reduce__(self):
        return type(self), (self.status, str(self))


class InvalidArgumentError(GroupNormError, ValueError):
    """GN_INVALID_ARGUMENT: the call is wrong, whatever the library."""


class UnsupportedError(GroupNormError, NotImplementedError):
    """GN_UNSUPPORTED: a right call that this library, or this machine, cannot serve."""


class OutOfMemoryError(GroupNormError, MemoryError):
    """GN_OUT_OF_MEMORY."""


_ERRORS = {
    Status.INVALID_ARGUMENT: InvalidArgumentError,
    Status.UNSUPPORTED: UnsupportedError,
    Status.OUT_OF_MEMORY: OutOfMemoryError,
}


# ---- The library ----


class _Status(ctypes.c_int):
    """The result of the functions that can fail; distinct from a plain int."""


class _Desc(ctypes.Structure):
    """gn_desc, opaque."""


class _Plan(ctypes.Structure):
    """gn_plan, opaque."""


_DescPointer = ctypes.POINTER(_Desc)
_PlanPointer = ctypes.POINTER(_Plan)

# groupnorm.h: name -> (result, arguments). An enum is passed as an int.
_PROTOTYPES = {
    "gn_version": (ctypes.c_int, []),
    "gn_version_string": (ctypes.c_char_p, []),
    "gn_status_string": (ctypes.c_char_p, [ctypes.c_int]),
    "gn_last_error": (ctypes.c_char_p, []),
    "gn_desc_create": (
        _Status,
        [ctypes.POINTER(_DescPointer), ctypes.c_int, ctypes.POINTER(ctypes.c_int64)],
    ),
    "gn_desc_destroy": (None, [_DescPointer]),
    "gn_desc_set_groups": (_Status, [_DescPointer, ctypes.c_int64]),
    "gn_desc_set_layout": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_epsilon": (_Status, [_DescPointer, ctypes.c_double]),
    "gn_desc_set_types": (_Status, [_DescPointer, ctypes.c_int, ctypes.c_int, ctypes.c_int]),
    "gn_desc_set_activation": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_threads": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_affine": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_isa": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_plan_create": (_Status, [ctypes.POINTER(_PlanPointer), _DescPointer]),
    "gn_plan_destroy": (None, [_PlanPointer]),
    "gn_plan_describe": (ctypes.c_int, [_PlanPointer, ctypes.c_char_p, ctypes.c_size_t]),
    "gn_forward": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 6),
    "gn_normalize": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 6),
    "gn_backward": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 9),
}


def _open_library():
    """The ctypes.CDLL of libgroupnorm; ImportError where there is none."""
    path = os.environ.get("GN_LIBRARY")
    if path:
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            raise ImportError(
                f"cannot load libgroupnorm from GN_LIBRARY={path}: {error}"
            ) from error
    try:
        return ctypes.CDLL("libgroupnorm.so.0")
    except OSError as error:
        found = ctypes.util.find_library("groupnorm")
        if found is None:
            raise ImportError(
                "libgroupnorm is not installed where the loader looks for libraries; set "
                f"GN_LIBRARY to the path of its file ({error})"
            ) from error
    return ctypes.CDLL(found)


def _load():
    """libgroupnorm, each function with its prototype and its check for errors."""
    library = _open_library()

    def check(status, function, arguments):
        if status.value != Status.OK:
            sentence = library.gn_last_error().decode()
            name = library.gn_status_string(status.value).decode()
            error = _ERRORS.get(status.value, GroupNormError)
            raise error(status.value, f"{name}: {sentence}" if sentence else name)

    for name, (result, arguments) in _PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise ImportError(f"{library._name} has no function {name}") from error
        function.restype = result
        function.argtypes = arguments
        if result is _Status:
            function.errcheck = check
    return library


_library = _load()


def version():
    """The loaded library's version as a tuple of ints: (major, minor, patch)."""
    number = _library.gn_version()
    return number // 10000, number // 100 % 100, number % 100


def version_string():
    """The loaded library's version as text, such as "0.1.0"."""
    return _library.gn_version_string().decode()


# ---- Checks: ctypes would cut an int to its width, and cannot see what lies behind an address ----


def _integer(name, value, bits):
    """`value` as an int that fits in `bits` bits; TypeError or ValueError where it is none."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is a {type(value).__name__}, not an integer") from None
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError(f"{name} = {value} does not fit in {bits} bits")
    return value


def _member(name, kind, value):
    """`value` as a member of the enum `kind`; TypeError unless it is one."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} = {value!r} is no groupnorm.{kind.__name__}")
    return value


def _check_array(name, array, shape, writable=False):
    """TypeError or ValueError unless `array` is float32, of `shape`, aligned and C-contiguous."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} is a {type(array).__name__}, not a numpy.ndarray")
    if array.dtype != np.float32:
        raise TypeError(f"{name} has dtype {array.dtype}, not float32")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {shape}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} is not C-contiguous: its strides are {array.strides}")
    if not array.flags.aligned:
        raise ValueError(f"{name} is not aligned to its element type")
    if writable and not array.flags.writeable:
        raise ValueError(f"{name} is read-only")


def _gradient(name, wanted, shape):
    """The array to write to: `wanted` itself if it is one, a new one for True, None for False."""
    if isinstance(wanted, np.ndarray):
        _check_array(name, wanted, shape, writable=True)
        return wanted
    if not isinstance(wanted, (bool, np.bool_)):
        raise TypeError(f"{name} is a {type(wanted).__name__}, not a bool or a numpy.ndarray")
    return np.empty(shape, np.float32) if wanted else None


def _address(array):
    return None if array is None else array.ctypes.data


# ---- Plans ----


class _Handle:
    """Owns a gn_plan and destroys it when the last reference is gone.

    A call in progress holds a reference: no plan is destroyed under one. Nothing is destroyed at
    the interpreter's exit, where daemon threads may still be computing.
    """

    def __init__(self, pointer):
        self.pointer = pointer
        weakref.finalize(self, _library.gn_plan_destroy, pointer).atexit = False


class Plan:
    """Group Normalization of tensors of one shape, any number of times.

    A plan is immutable and may be used by many threads at once; the calls release the GIL. It can
    be used in a with statement, which closes it at the end; without, it goes when the last
    reference does.
    """

    def __init__(
        self,
        shape,
        groups=32,
        *,
        layout=Layout.CHANNELS_FIRST,
        eps=1e-5,
        affine=Affine.CHANNEL,
        threads=0,
        isa=Isa.AUTO,
    ):
        """Makes a plan.

        shape    ints, the logical [N, C, spatial...] whatever the layout: 2 to 8 of them, N and
                 spatial dims 0 or more, C 1 or more
        groups   the number of groups, a divisor of C
        layout   the order of the arrays in memory
        eps      finite, 0 or more
        affine   whether each sample has its own gamma and beta
        threads  the most threads that one call may use; 0: what OpenMP gives at the call
        isa      the instruction set of the kernels

        TypeError: an argument of another type. InvalidArgumentError (ValueError): a value out of
        range, groups that do not divide C, a wrong name in the environment's GN_ISA.
        UnsupportedError (NotImplementedError): an isa that the library or the machine lacks.
        OutOfMemoryError (MemoryError).
        """
        dims = [_integer(f"shape[{i}]", dim, 64) for i, dim in enumerate(shape)]
        groups = _integer("groups", groups, 64)
        threads = _integer("threads", threads, 32)
        layout = _member("layout", Layout, layout)
        affine = _member("affine", Affine, affine)
        isa = _member("isa", Isa, isa)
        eps = float(eps)

        desc = _DescPointer()
        plan = _PlanPointer()
        _library.gn_desc_create(desc, len(dims), (ctypes.c_int64 * len(dims))(*dims))
        try:
            _library.gn_desc_set_groups(desc, groups)
            _library.gn_desc_set_layout(desc, layout)
            _library.gn_desc_set_epsilon(desc, eps)
            _library.gn_desc_set_affine(desc, affine)
            _library.gn_desc_set_threads(desc, threads)
            _library.gn_desc_set_isa(desc, isa)
            _library.gn_plan_create(plan, desc)
        finally:
            _library.gn_desc_destroy(desc)

        self._handle = _Handle(plan)
        self._shape = tuple(dims)
        self._groups = groups
        self._layout = layout
        self._eps = eps
        self._affine = affine

    shape = property(lambda self: self._shape, doc="The logical shape (N, C, spatial...).")
    groups = property(lambda self: self._groups, doc="The number of groups, G.")
    layout = property(lambda self: self._layout, doc="The Layout of the arrays.")
    eps = property(lambda self: self._eps, doc="What is added to the variance.")
    affine = property(lambda self: self._affine, doc="Whose gamma and beta are: an Affine.")
    closed = property(lambda self: self._handle is None, doc="Whether close() was called.")

    @property
    def array_shape(self):
        """The shape of the arrays x, y, dy and dx: that of their memory."""
        batch, channels, *spatial = self._shape
        if self._layout is Layout.CHANNELS_LAST:
            return (batch, *spatial, channels)
        return self._shape

    @property
    def param_shape(self):
        """The shape of gamma, beta, dgamma and dbeta: (C,), or (N, C) with Affine.SAMPLE."""
        return self._shape[:2] if self._affine is Affine.SAMPLE else self._shape[1:2]

    @property
    def stats_shape(self):
        """The shape of mean and rstd: (N, G)."""
        return self._shape[0], self._groups

    def __repr__(self):
        return (
            f"Plan({self._shape}, groups={self._groups}, layout=Layout.{self._layout.name}, "
            f"eps={self._eps}, affine=Affine.{self._affine.name}{', closed' if self.closed else ''})"
        )

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Gives the plan up; its memory goes when no thread is computing with it. Idempotent."""
        self._handle = None

    def _open(self):
        """The handle; ValueError after close()."""
        handle = self._handle
        if handle is None:
            raise ValueError("the plan is closed")
        return handle

    def describe(self):
        """What the library says of the plan, as a dict: "version", "dims", "isa" and more."""
        handle = self._open()
        size = _library.gn_plan_describe(handle.pointer, None, 0) + 1
        buffer = ctypes.create_string_buffer(size)
        _library.gn_plan_describe(handle.pointer, buffer, size)
        return json.loads(buffer.value)

    def forward(self, x, gamma=None, beta=None, *, out=None, stats=False):
        """y = gamma * xhat + beta, where xhat is x with each group normalized.

        x      float32, array_shape
        gamma  float32, param_shape; None: ones
        beta   float32, param_shape; None: zeros
        out    float32, array_shape, to write y to; may be x; None: a new array
        stats  whether to return mean and rstd as well, which backward asks for

        Returns y, or (y, mean, rstd), the latter two of shape (N, G).

        TypeError: an argument that is no float32 array. ValueError: one of another shape, not
        C-contiguous, or read-only where it is written to; a closed plan. InvalidArgumentError
        (ValueError): out overlaps an input otherwise than by being x. OutOfMemoryError
        (MemoryError). `out` is unchanged after an error.
        """
        handle = self._open()
        out = self._check_forward(x, gamma, beta, out)
        mean = np.empty(self.stats_shape, np.float32) if stats else None
        rstd = np.empty(self.stats_shape, np.float32) if stats else None
        _library.gn_forward(handle.pointer, *map(_address, (x, gamma, beta, out, mean, rstd)))
        return (out, mean, rstd) if stats else out

    def normalize(self, x, mean, rstd, gamma=None, beta=None, *, out=None):
        """y = gamma * (x - mean) * rstd + beta for a mean and rstd from elsewhere.

        mean, rstd  float32, (N, G)

        The other arguments, and the errors, are those of forward. Returns y.
        """
        handle = self._open()
        _check_array("mean", mean, self.stats_shape)
        _check_array("rstd", rstd, self.stats_shape)
        out = self._check_forward(x, gamma, beta, out)
        _library.gn_normalize(handle.pointer, *map(_address, (x, mean, rstd, gamma, beta, out)))
        return out

    def _check_forward(self, x, gamma, beta, out):
        """Checks the arrays; returns where y goes."""
        _check_array("x", x, self.array_shape)
        if gamma is not None:
            _check_array("gamma", gamma, self.param_shape)
        if beta is not None:
            _check_array("beta", beta, self.param_shape)
        if out is None:
            return np.empty(self.array_shape, np.float32)
        _check_array("out", out, self.array_shape, writable=True)
        return out

    def backward(self, dy, x, mean, rstd, gamma=None, *, dx=True, dgamma=True, dbeta=True):
        """The gradients of y = gamma * xhat + beta, given dy, the gradient with respect to y.

        dy          float32, array_shape
        x           float32, array_shape, as given to forward
        mean, rstd  float32, (N, G), as forward returned them
        gamma       float32, param_shape, as given to forward; None: ones
        dx          True: returned in a new array; False: not computed; or a float32 array of
                    array_shape to write to, which may be dy or x
        dgamma      the same, of param_shape
        dbeta       the same, of param_shape

        Returns (dx, dgamma, dbeta), None for each that is not computed.

        Errors are those of forward.
        """
        handle = self._open()
        _check_array("dy", dy, self.array_shape)
        _check_array("x", x, self.array_shape)
        _check_array("mean", mean, self.stats_shape)
        _check_array("rstd", rstd, self.stats_shape)
        if gamma is not None:
            _check_array("gamma", gamma, self.param_shape)
        dx = _gradient("dx", dx, self.array_shape)
        dgamma = _gradient("dgamma", dgamma, self.param_shape)
        dbeta = _gradient("dbeta", dbeta, self.param_shape)
        _library.gn_backward(
            handle.pointer,
            *map(_address, (dy, x, mean, rstd, gamma, None, dx, dgamma, dbeta)),
        )
        return dx, dgamma, dbeta


def group_norm(x, groups=32, gamma=None, beta=None, eps=1e-5, layout=Layout.CHANNELS_FIRST):
    """y = gamma * xhat + beta in one call, without a plan to keep.

    x is float32 of shape (N, C, spatial...), or (N, spatial..., C) where layout is CHANNELS_LAST;
    gamma and beta are float32 of shape (C,) or None. Returns a new array of x's shape. Errors are
    those of Plan and Plan.forward.
    """
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x is a {type(x).__name__}, not a numpy.ndarray")
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}: no batch and channels")
    if _member("layout", Layout, layout) is Layout.CHANNELS_LAST:
        shape = (x.shape[0], x.shape[-1], *x.shape[1:-1])
    else:
        shape = x.shape
    with Plan(shape, groups, layout=layout, eps=eps) as plan:
        return plan.forward(x, gamma, beta)
