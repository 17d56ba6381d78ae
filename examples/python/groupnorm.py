# SPDX-License-Identifier: MIT
"""Group Normalization on numpy arrays: libgroupnorm through ctypes, with nothing to build.

    import numpy as np
    import groupnorm

    x = np.random.default_rng(0).standard_normal((8, 64, 56, 56), dtype=np.float32)
    with groupnorm.Plan(x.shape, groups=32) as plan:
        y, mean, rstd = plan.forward(x, stats=True)
        dx, dgamma, dbeta = plan.backward(np.ones_like(y), x, mean, rstd)

A plan's shape is the logical shape [N, C, spatial...] for every layout. An array has its shape in
memory: (N, C, spatial...) for Layout.CHANNELS_FIRST and (N, spatial..., C) for
Layout.CHANNELS_LAST. Plan.array_shape returns it. Arrays are passed to the library without a copy.
This module rejects an array that does not fit the plan before the library gets its address.

Types and strides. A plan is for float32 unless its `types` say otherwise. numpy has no bfloat16: an
array of Type.BF16 has the dtype uint16, and each element is the upper half of a float32. Its values
are (array.astype(np.uint32) << 16).view(np.float32). Arrays are C-contiguous, unless the plan was
made with other strides:

    part = x[:, :32, 1:-1, 1:-1]
    with groupnorm.Plan(part.shape, strides={groupnorm.Tensor.X: part.strides}) as plan:
        y = plan.forward(part)

The import of this module loads the library: the file that the environment variable GN_LIBRARY
names, or else the library that the system's loader finds as libgroupnorm.so.0. Import this module
before a fork() if the child is to use it: a library that is loaded after the fork cannot know that
OpenMP's threads are gone.

Errors. Without the library, the import raises ImportError. An array or a number that cannot be
passed to the library raises TypeError or ValueError. A call that the library rejects raises
GroupNormError, which is also a ValueError, a NotImplementedError or a MemoryError. Its message
contains the library's own sentence.
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
    "Activation",
    "Affine",
    "GroupNormError",
    "InvalidArgumentError",
    "Isa",
    "Layout",
    "OutOfMemoryError",
    "Plan",
    "Skip",
    "Status",
    "Tensor",
    "Type",
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


class Type(enum.IntEnum):
    """gn_type: the type of the elements. BF16 stands for the bits of a bfloat16 in a uint16."""

    F32 = 0
    F64 = 1
    BF16 = 2
    F16 = 3

    @property
    def dtype(self):
        """The dtype of the arrays."""
        return np.dtype((np.float32, np.float64, np.uint16, np.float16)[self])


class Affine(enum.IntEnum):
    """gn_affine: whether samples share gamma and beta, of shape (C,), or have their own, (N, C)."""

    CHANNEL = 0
    SAMPLE = 1


class Activation(enum.IntEnum):
    """gn_activation: the function act in y = act(gamma * xhat + beta)."""

    IDENTITY = 0
    RELU = 1
    SILU = 2


class Skip(enum.IntEnum):
    """gn_skip: whether the skip that forward_add adds to x has the shape of x, or (N, C)."""

    TENSOR = 0
    CHANNEL = 1


class Tensor(enum.IntEnum):
    """gn_tensor: the tensors whose strides a plan can set."""

    X = 0
    Y = 1
    DY = 2
    DX = 3
    SKIP = 4
    SUM = 5


class Isa(enum.IntEnum):
    """gn_isa: the instruction set of the kernels."""

    AUTO = 0
    GENERIC = 1
    AVX2 = 2
    AVX512 = 3
    NEON = 4


class GroupNormError(Exception):
    """A call that the library rejected: `status` is its status, the message its sentence."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status

    def __reduce__(self):
        return type(self), (self.status, str(self))


class InvalidArgumentError(GroupNormError, ValueError):
    """GN_INVALID_ARGUMENT: the call is wrong for every library and machine."""


class UnsupportedError(GroupNormError, NotImplementedError):
    """GN_UNSUPPORTED: the call is right, but this library or machine cannot serve it."""


class OutOfMemoryError(GroupNormError, MemoryError):
    """GN_OUT_OF_MEMORY."""


_ERRORS = {
    Status.INVALID_ARGUMENT: InvalidArgumentError,
    Status.UNSUPPORTED: UnsupportedError,
    Status.OUT_OF_MEMORY: OutOfMemoryError,
}


# ---- The library ----


class _Status(ctypes.c_int):
    """The result of the functions that can fail. It is distinct from a plain int."""


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
    "gn_desc_set_affine": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_strides": (
        _Status, [_DescPointer, ctypes.c_int, ctypes.POINTER(ctypes.c_int64)]
    ),
    "gn_desc_set_activation": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_skip": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_threads": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_desc_set_isa": (_Status, [_DescPointer, ctypes.c_int]),
    "gn_plan_create": (_Status, [ctypes.POINTER(_PlanPointer), _DescPointer]),
    "gn_plan_destroy": (None, [_PlanPointer]),
    "gn_plan_describe": (ctypes.c_int, [_PlanPointer, ctypes.c_char_p, ctypes.c_size_t]),
    "gn_forward": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 6),
    "gn_forward_add": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 8),
    "gn_normalize": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 6),
    "gn_backward": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 9),
    "gn_backward_add": (_Status, [_PlanPointer] + [ctypes.c_void_p] * 10),
}


def _open_library():
    """Returns the ctypes.CDLL of libgroupnorm; ImportError if there is none."""
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
    """Returns libgroupnorm, with a prototype and a check for errors for each function."""
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
    """Returns the version of the loaded library as a tuple of ints: (major, minor, patch)."""
    number = _library.gn_version()
    return number // 10000, number // 100 % 100, number % 100


def version_string():
    """Returns the version of the loaded library as text, such as "0.1.0"."""
    return _library.gn_version_string().decode()


# ---- Checks: ctypes truncates an int to its width, and does not see the array at an address ----


def _integer(name, value, bits):
    """Returns `value` as an int that fits in `bits` bits; TypeError or ValueError otherwise."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is a {type(value).__name__}, not an integer") from None
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError(f"{name} = {value} does not fit in {bits} bits")
    return value


def _member(name, kind, value):
    """Returns `value` if it is a member of the enum `kind`; TypeError otherwise."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} = {value!r} is no groupnorm.{kind.__name__}")
    return value


def _dense(shape, size):
    """Returns the strides of a C-contiguous array whose elements have `size` bytes."""
    strides = []
    for dim in reversed(shape):
        strides.insert(0, size)
        size *= max(dim, 1)
    return tuple(strides)


class _Spec:
    """What an array must have: a Type, a shape, and strides in bytes (None: C-contiguous)."""

    def __init__(self, of_type, shape, strides=None):
        self.type = of_type
        self.shape = shape
        self.strides = _dense(shape, of_type.dtype.itemsize) if strides is None else strides

    def check(self, name, array, writable=False):
        """Raises TypeError or ValueError unless `array` has all this and is aligned."""
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} is a {type(array).__name__}, not a numpy.ndarray")
        if array.dtype != self.type.dtype:
            raise TypeError(f"{name} has dtype {array.dtype}, not {self.type.dtype}, as the plan's "
                            f"Type.{self.type.name}")
        if array.shape != self.shape:
            raise ValueError(f"{name} has shape {array.shape}, not {self.shape}")
        if array.strides != self.strides and array.size and any(
            dim > 1 and stride != planned
            for dim, stride, planned in zip(self.shape, array.strides, self.strides)
        ):
            raise ValueError(f"{name} has strides {array.strides}, not the plan's {self.strides}")
        if not array.flags.aligned:
            raise ValueError(f"{name} is not aligned to its element type")
        if writable and not array.flags.writeable:
            raise ValueError(f"{name} is read-only")

    def new(self):
        """Returns an array whose elements are not initialized."""
        if 0 in self.shape:
            return np.empty(self.shape, self.type.dtype)
        size = self.type.dtype.itemsize
        last = sum((dim - 1) * stride for dim, stride in zip(self.shape, self.strides) if dim > 1)
        memory = np.empty(last // size + 1, self.type.dtype)
        strides = [stride if dim > 1 else size for dim, stride in zip(self.shape, self.strides)]
        return np.ndarray(self.shape, self.type.dtype, memory, strides=strides)

    def output(self, name, wanted):
        """Returns the array to write to: `wanted` if it is one, a new one for True, or None."""
        if isinstance(wanted, np.ndarray):
            self.check(name, wanted, writable=True)
            return wanted
        if not isinstance(wanted, (bool, np.bool_)):
            raise TypeError(f"{name} is a {type(wanted).__name__}, not a bool or a numpy.ndarray")
        return self.new() if wanted else None


def _type_by_dtype(name, array):
    """Returns the Type of the array's elements; TypeError if the dtype does not determine it."""
    for each in (Type.F32, Type.F64, Type.F16):
        if array.dtype == each.dtype:
            return each
    raise TypeError(f"{name} has dtype {array.dtype}, which is no groupnorm.Type: give the types")


def _address(array):
    return None if array is None else array.ctypes.data


# ---- Plans ----


class _Handle:
    """Owns a gn_plan and destroys it when the last reference is gone.

    A call in progress holds a reference, so that its plan is not destroyed. Nothing is destroyed
    when the interpreter exits, because daemon threads may still be computing.
    """

    def __init__(self, pointer):
        self.pointer = pointer
        weakref.finalize(self, _library.gn_plan_destroy, pointer).atexit = False


class Plan:
    """Group Normalization of tensors of one shape, any number of times.

    A plan is immutable and may be used by many threads at once. The calls release the GIL. A with
    statement closes the plan at its end. Otherwise it is destroyed with its last reference.
    """

    def __init__(
        self,
        shape,
        groups=32,
        *,
        layout=Layout.CHANNELS_FIRST,
        eps=1e-5,
        types=Type.F32,
        affine=Affine.CHANNEL,
        strides=None,
        activation=Activation.IDENTITY,
        skip=Skip.TENSOR,
        threads=0,
        isa=Isa.AUTO,
    ):
        """Makes a plan.

        shape       2 to 8 ints, the logical shape [N, C, spatial...] for every layout; N and the
                    spatial dims are 0 or more, C is 1 or more
        groups      the number of groups, a divisor of C
        layout      the order of the arrays in memory
        eps         finite, 0 or more
        types       one Type for all arrays, or three: the Type of x, dx, skip, dskip and sum; that
                    of y and dy; that of gamma, beta, dgamma and dbeta. mean and rstd are float64
                    if x is, and float32 otherwise
        affine      whether each sample has its own gamma and beta
        strides     a dict from Tensor to the strides of its arrays, in bytes and in the order of
                    array_shape, as numpy's array.strides. The arrays of a Tensor that is not in
                    the dict are C-contiguous
        activation  the function act in y = act(gamma * xhat + beta)
        skip        the shape of the skip that forward_add adds to x
        threads     the largest number of threads that one call may use; 0: what OpenMP gives at
                    the time of the call
        isa         the instruction set of the kernels

        TypeError: an argument has another type. ValueError: the number of strides is not that of
        the dims, or a stride is not a multiple of the element size. InvalidArgumentError
        (ValueError): a value is out of range, groups do not divide C, strides are negative or
        elements of an output share memory, GN_ISA in the environment has a wrong name.
        UnsupportedError (NotImplementedError): the types cannot be combined, the library or the
        machine lacks the isa. OutOfMemoryError (MemoryError).
        """
        self._shape = tuple(_integer(f"shape[{i}]", dim, 64) for i, dim in enumerate(shape))
        self._groups = _integer("groups", groups, 64)
        self._layout = _member("layout", Layout, layout)
        self._eps = float(eps)
        if isinstance(types, (Type, str)):
            types = (types,) * 3
        if not isinstance(types, (tuple, list)):
            raise TypeError(f"types = {types!r} is no groupnorm.Type, nor three")
        if len(types) != 3:
            raise ValueError(f"types are {len(types)}, not one or three")
        self._types = tuple(_member("types", Type, each) for each in types)
        self._affine = _member("affine", Affine, affine)
        self._activation = _member("activation", Activation, activation)
        self._skip = _member("skip", Skip, skip)
        if not isinstance(strides, (dict, type(None))):
            raise TypeError(f"strides = {strides!r} is no dict from Tensor to strides")
        strides = {
            _member("strides", Tensor, tensor): tuple(
                _integer(f"strides of {tensor.name.lower()}", stride, 64) for stride in of_tensor
            )
            for tensor, of_tensor in dict(strides or {}).items()
        }
        threads = _integer("threads", threads, 32)
        isa = _member("isa", Isa, isa)

        desc = _DescPointer()
        plan = _PlanPointer()
        dims = (ctypes.c_int64 * len(self._shape))(*self._shape)
        _library.gn_desc_create(desc, len(dims), dims)
        try:
            _library.gn_desc_set_groups(desc, self._groups)
            _library.gn_desc_set_layout(desc, self._layout)
            _library.gn_desc_set_epsilon(desc, self._eps)
            _library.gn_desc_set_types(desc, *self._types)
            _library.gn_desc_set_affine(desc, self._affine)
            for tensor, of_tensor in strides.items():
                elements = (ctypes.c_int64 * len(dims))(*self._elements(tensor, of_tensor))
                _library.gn_desc_set_strides(desc, tensor, elements)
            _library.gn_desc_set_activation(desc, self._activation)
            _library.gn_desc_set_skip(desc, self._skip)
            _library.gn_desc_set_threads(desc, threads)
            _library.gn_desc_set_isa(desc, isa)
            _library.gn_plan_create(plan, desc)
        finally:
            _library.gn_desc_destroy(desc)
        self._handle = _Handle(plan)

        x_type, _, param_type = self._types
        stats_type = Type.F64 if x_type is Type.F64 else Type.F32
        self._specs = {
            tensor: _Spec(self._type_of(tensor), self.array_shape, strides.get(tensor))
            for tensor in Tensor
        }
        self._channel_spec = _Spec(x_type, self._shape[:2])
        self._param_spec = _Spec(param_type, self.param_shape)
        self._stats_spec = _Spec(stats_type, self.stats_shape)

    def _type_of(self, tensor):
        return self._types[1 if tensor in (Tensor.Y, Tensor.DY) else 0]

    def _elements(self, tensor, strides):
        """Returns strides for gn_desc_set_strides: in elements and in the order of the shape."""
        name, size = tensor.name.lower(), self._type_of(tensor).dtype.itemsize
        if len(strides) != len(self._shape):
            raise ValueError(f"strides of {name} = {strides} are not {len(self._shape)}")
        if any(stride % size for dim, stride in zip(self.array_shape, strides) if dim > 1):
            raise ValueError(f"strides of {name} = {strides} are not of elements of {size} bytes")
        batch, *others = (stride // size for stride in strides)
        if self._layout is Layout.CHANNELS_LAST:
            others = others[-1:] + others[:-1]
        return batch, *others

    shape = property(lambda self: self._shape, doc="The logical shape (N, C, spatial...).")
    groups = property(lambda self: self._groups, doc="The number of groups, G.")
    layout = property(lambda self: self._layout, doc="The Layout of the arrays.")
    eps = property(lambda self: self._eps, doc="The epsilon that is added to the variance.")
    types = property(lambda self: self._types, doc="The Types of x, of y and of gamma.")
    affine = property(lambda self: self._affine, doc="The Affine of gamma and beta.")
    activation = property(lambda self: self._activation, doc="The Activation.")
    skip = property(lambda self: self._skip, doc="The Skip of forward_add.")
    closed = property(lambda self: self._handle is None, doc="Whether close() was called.")

    @property
    def array_shape(self):
        """The shape of the arrays x, y, dy, dx and sum, in the order of their memory."""
        batch, channels, *spatial = self._shape
        if self._layout is Layout.CHANNELS_LAST:
            return (batch, *spatial, channels)
        return self._shape

    @property
    def strides(self):
        """A dict from each Tensor to the strides of its arrays, in bytes."""
        return {tensor: spec.strides for tensor, spec in self._specs.items()}

    @property
    def param_shape(self):
        """The shape of gamma, beta, dgamma and dbeta: (C,), or (N, C) with Affine.SAMPLE."""
        return self._shape[:2] if self._affine is Affine.SAMPLE else self._shape[1:2]

    @property
    def stats_shape(self):
        """The shape of mean and rstd: (N, G)."""
        return self._shape[0], self._groups

    def __repr__(self):
        types = ", ".join(f"Type.{each.name}" for each in self._types)
        return (
            f"Plan({self._shape}, groups={self._groups}, layout=Layout.{self._layout.name}, "
            f"eps={self._eps}, types=({types}), affine=Affine.{self._affine.name}, "
            f"activation=Activation.{self._activation.name}, skip=Skip.{self._skip.name}"
            f"{', closed' if self.closed else ''})"
        )

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Closes the plan; its memory is freed when no thread computes with it. Idempotent."""
        self._handle = None

    def _open(self):
        """Returns the handle; ValueError after close()."""
        handle = self._handle
        if handle is None:
            raise ValueError("the plan is closed")
        return handle

    def describe(self):
        """Returns gn_plan_describe as a dict: "version", "dims", "isa" and more."""
        handle = self._open()
        size = _library.gn_plan_describe(handle.pointer, None, 0) + 1
        buffer = ctypes.create_string_buffer(size)
        _library.gn_plan_describe(handle.pointer, buffer, size)
        return json.loads(buffer.value)

    def forward(self, x, gamma=None, beta=None, *, out=None, stats=False):
        """Computes y = act(gamma * xhat + beta), where xhat is x with each group normalized.

        x      array_shape
        gamma  param_shape; None: ones
        beta   param_shape; None: zeros
        out    array_shape, to write y to; may be x; None: a new array
        stats  whether to return mean and rstd as well, which backward needs

        Each array has the plan's type and strides. Returns y, or (y, mean, rstd), where mean and
        rstd have shape (N, G).

        TypeError: an argument is not an array, or its dtype is not the plan's. ValueError: an array
        has another shape or other strides, an output is read-only, the plan is closed.
        InvalidArgumentError (ValueError): out overlaps an input and is not x. OutOfMemoryError
        (MemoryError). `out` is unchanged after an error.
        """
        handle = self._open()
        self._check(Tensor.X, "x", x)
        self._check_params(gamma, beta)
        out = self._out(out)
        mean, rstd = self._new_stats(stats)
        _library.gn_forward(handle.pointer, *map(_address, (x, gamma, beta, out, mean, rstd)))
        return (out, mean, rstd) if stats else out

    def forward_add(self, x, skip, gamma=None, beta=None, *, out=None, sum=True, stats=False):
        """Computes forward of x + skip, as in a residual connection.

        skip  array_shape, or (N, C) with Skip.CHANNEL; of the type of x
        out   as in forward; may be skip too
        sum   True: x + skip is returned in a new array; False: it is not stored; or an array of
              array_shape to write to, which may be x or skip

        The other arguments are those of forward. Returns (y, sum) or (y, sum, mean, rstd), where
        sum is None if it is not stored.

        Errors are those of forward. UnsupportedError (NotImplementedError): sum is False, and the
        type of y is not as wide as that of x.
        """
        handle = self._open()
        self._check(Tensor.X, "x", x)
        if self._skip is Skip.CHANNEL:
            self._channel_spec.check("skip", skip)
        else:
            self._check(Tensor.SKIP, "skip", skip)
        self._check_params(gamma, beta)
        out = self._out(out)
        sum = self._output(Tensor.SUM, "sum", sum)
        mean, rstd = self._new_stats(stats)
        _library.gn_forward_add(
            handle.pointer, *map(_address, (x, skip, gamma, beta, sum, out, mean, rstd))
        )
        return (out, sum, mean, rstd) if stats else (out, sum)

    def normalize(self, x, mean, rstd, gamma=None, beta=None, *, out=None):
        """Computes y = act(gamma * (x - mean) * rstd + beta) for a mean and rstd of the caller.

        mean, rstd  (N, G), float64 if x is, and float32 otherwise

        The other arguments, and the errors, are those of forward. Returns y.
        """
        handle = self._open()
        self._check_stats(mean, rstd)
        self._check(Tensor.X, "x", x)
        self._check_params(gamma, beta)
        out = self._out(out)
        _library.gn_normalize(handle.pointer, *map(_address, (x, mean, rstd, gamma, beta, out)))
        return out

    def backward(
        self, dy, x, mean, rstd, gamma=None, beta=None, *, dx=True, dgamma=True, dbeta=True
    ):
        """Computes the gradients of y = act(gamma * xhat + beta) from dy, the gradient of y.

        dy           array_shape
        x            array_shape, as given to forward
        mean, rstd   (N, G), as forward returned them
        gamma, beta  param_shape, as given to forward; None: ones, zeros. beta matters only with an
                     activation
        dx           True: returned in a new array; False: not computed; or an array of array_shape
                     to write to, which may be dy or x
        dgamma       the same, of param_shape
        dbeta        the same, of param_shape

        Returns (dx, dgamma, dbeta), None for each that is not computed.

        Errors are those of forward.
        """
        handle = self._open()
        self._check(Tensor.DY, "dy", dy)
        self._check(Tensor.X, "x", x)
        self._check_stats(mean, rstd)
        self._check_params(gamma, beta)
        dx = self._output(Tensor.DX, "dx", dx)
        dgamma = self._param_spec.output("dgamma", dgamma)
        dbeta = self._param_spec.output("dbeta", dbeta)
        _library.gn_backward(
            handle.pointer,
            *map(_address, (dy, x, mean, rstd, gamma, beta, dx, dgamma, dbeta)),
        )
        return dx, dgamma, dbeta

    def backward_add(
        self, dy, sum, mean, rstd, gamma=None, beta=None,
        *, dx=True, dskip=False, dgamma=True, dbeta=True
    ):
        """Computes the gradients of forward_add: those of backward at sum = x + skip.

        sum    array_shape, as forward_add returned it
        dx     as in backward; the gradient of x, and of a skip of the shape of x; may be sum too
        dskip  the gradient of a skip of shape (N, C): dx summed over space; True, False, or an
               array to write to

        The other arguments, and the errors, are those of backward. Returns (dx, dskip, dgamma,
        dbeta), None for each that is not computed.
        """
        handle = self._open()
        self._check(Tensor.DY, "dy", dy)
        self._check(Tensor.SUM, "sum", sum)
        self._check_stats(mean, rstd)
        self._check_params(gamma, beta)
        dx = self._output(Tensor.DX, "dx", dx)
        dskip = self._channel_spec.output("dskip", dskip)
        dgamma = self._param_spec.output("dgamma", dgamma)
        dbeta = self._param_spec.output("dbeta", dbeta)
        _library.gn_backward_add(
            handle.pointer,
            *map(_address, (dy, sum, mean, rstd, gamma, beta, dx, dskip, dgamma, dbeta)),
        )
        return dx, dskip, dgamma, dbeta

    def _check(self, tensor, name, array):
        self._specs[tensor].check(name, array)

    def _output(self, tensor, name, wanted):
        return self._specs[tensor].output(name, wanted)

    def _out(self, out):
        """Returns the array for y: `out`, or a new array for None."""
        if out is None:
            return self._specs[Tensor.Y].new()
        self._specs[Tensor.Y].check("out", out, writable=True)
        return out

    def _check_params(self, gamma, beta):
        if gamma is not None:
            self._param_spec.check("gamma", gamma)
        if beta is not None:
            self._param_spec.check("beta", beta)

    def _check_stats(self, mean, rstd):
        self._stats_spec.check("mean", mean)
        self._stats_spec.check("rstd", rstd)

    def _new_stats(self, wanted):
        return (self._stats_spec.new(), self._stats_spec.new()) if wanted else (None, None)


def group_norm(
    x,
    groups=32,
    gamma=None,
    beta=None,
    eps=1e-5,
    layout=Layout.CHANNELS_FIRST,
    activation=Activation.IDENTITY,
    types=None,
):
    """Computes y = act(gamma * xhat + beta) in one call, without a plan to keep.

    x is an array of shape (N, C, spatial...), or (N, spatial..., C) if layout is CHANNELS_LAST. Its
    strides must not be negative. gamma and beta are arrays of shape (C,) or None. types are as in
    Plan. None takes the types from the dtypes of x and of gamma or beta, which cannot express
    bfloat16. Returns a new C-contiguous array of x's shape. Errors are those of Plan and
    Plan.forward.
    """
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x is a {type(x).__name__}, not a numpy.ndarray")
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}: no batch and channels")
    if _member("layout", Layout, layout) is Layout.CHANNELS_LAST:
        shape = (x.shape[0], x.shape[-1], *x.shape[1:-1])
    else:
        shape = x.shape
    if types is None:
        param = next((array for array in (gamma, beta) if array is not None), x)
        types = _type_by_dtype("x", x), _type_by_dtype("x", x), _type_by_dtype("gamma", param)
    strides = {Tensor.X: x.strides}
    with Plan(
        shape, groups, layout=layout, eps=eps, types=types, strides=strides, activation=activation
    ) as plan:
        return plan.forward(x, gamma, beta)
