# SPDX-License-Identifier: MIT
"""torch.nn.GroupNorm on the CPU by libgroupnorm.

    import torch
    from torch_groupnorm import GroupNorm, replace_groupnorm

    norm = GroupNorm(32, 64)            # as torch.nn.GroupNorm, with the same state_dict
    model = replace_groupnorm(model)    # or every GroupNorm of a model, in place

    norm = GroupNorm(32, 64, activation="silu")    # with an activation in the same pass
    y, total = norm(x, skip, return_sum=True)      # with x + skip in the same pass

The module takes tensors of float32, float64, bfloat16 or float16 with 2 to 8 dims,
[N, C, spatial...], forward and backward. It reads a tensor in place, with any strides: it copies
none, whether a tensor is in torch.contiguous_format, in torch.channels_last, a slice of another,
transposed or expanded. The result for a dense tensor has the same strides. Only a gradient whose
order in memory differs from that of the tensor is copied first, because it is read twice.

A call uses at most torch.get_num_threads() threads.

The library also computes first derivatives. PyTorch's operations compute second derivatives, in
double. In torch.jit and torch.onnx, in functorch, in forward-mode differentiation, and in the code
that these generate, PyTorch must see operations and not only results. There it gets the operations
of its own GroupNorm. torch.fx sees calls of group_norm.

This file needs groupnorm.py and torch_groupnorm_operations.py beside it: copy all three.
torch_network.py compares it with PyTorch's GroupNorm in a network.
"""

import functools
import math
import warnings
from typing import Optional

import numpy as np
import torch

import groupnorm
from groupnorm import Activation, Affine, Layout, Skip, Type
from torch_groupnorm_operations import (
    add, first_gradients, normalize, recording, second_gradients
)

__all__ = ["GroupNorm", "group_norm", "replace_groupnorm"]

# Plans are small, but the scratch memory of each stays with it.
MAX_PLANS = 64
# The largest number of threads that a plan allows.
MAX_THREADS = 1024

_TYPES = {
    torch.float32: Type.F32,
    torch.float64: Type.F64,
    torch.bfloat16: Type.BF16,
    torch.float16: Type.F16,
}
_ACTIVATIONS = {None: Activation.IDENTITY, "relu": Activation.RELU, "silu": Activation.SILU}


@functools.lru_cache(maxsize=MAX_PLANS, typed=True)
def _plan(*, strides, **arguments):
    """Returns the plan for these arguments. A plan lives as long as the cache or a call uses it.

    strides are pairs, as a dict cannot be in the cache's key.
    """
    return groupnorm.Plan(strides=dict(strides), **arguments)


def _plan_for(arguments, **arrays):
    """Returns the plan for these arguments and arrays, named as in groupnorm.Tensor."""
    strides = tuple(
        (groupnorm.Tensor[name], array.strides)
        for name, array in arrays.items() if not array.flags.c_contiguous
    )
    threads = min(torch.get_num_threads(), MAX_THREADS)
    return _plan(**arguments, strides=strides, threads=threads)


def _layout(x):
    """Returns channels last if channels are nearer to each other in memory than pixels are."""
    strides = [stride for dim, stride in zip(x.shape[2:], x.stride()[2:]) if dim > 1]
    pixels = min(filter(None, strides), default=math.inf)  # 0: all pixels are the same memory
    if strides and x.shape[1] > 1 and 0 < x.stride(1) < pixels:
        return Layout.CHANNELS_LAST
    return Layout.CHANNELS_FIRST


def _array(tensor, layout=Layout.CHANNELS_FIRST):
    """Returns the memory of a tensor, with dims in the order of the layout; bfloat16 as bits."""
    tensor = tensor.detach().resolve_neg()
    if layout is Layout.CHANNELS_LAST:
        tensor = tensor.movedim(1, -1)
    if tensor.dtype is torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()


def _gradient_array(dy, layout):
    """Returns the array of dy, or of a copy if the library would have to pack dy twice."""
    if layout is Layout.CHANNELS_FIRST and not dy[:1].is_contiguous():
        dy = dy.contiguous()
    elif layout is Layout.CHANNELS_LAST and dy.stride(1) != 1:
        dy = dy.movedim(1, -1).contiguous().movedim(-1, 1)
    return _array(dy, layout)


def _small_array(tensor):
    """Returns the array of weight, bias or a skip of [N, C], a copy unless dense; None for None."""
    return None if tensor is None else _array(tensor.contiguous())


def _tensor(array):
    """Returns the tensor that shares the memory of the array; None for None."""
    if array is None or array.dtype != np.uint16:
        return array if array is None else torch.from_numpy(array)
    return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)


def _gradients(dy, total, weight, bias, mean, rstd, arguments, with_skip, wanted, settings):
    """Returns (dx, dskip, dweight, dbias) by the library; None for those that are not wanted."""
    layout = arguments["layout"]
    dx = torch.empty_like(total) if wanted[0] else None
    name = "SUM" if with_skip else "X"
    arrays = {"DY": _gradient_array(dy, layout), name: _array(total, layout)}
    if wanted[0]:
        arrays["DX"] = _array(dx, layout)
    plan = _plan_for(arguments, **arrays)
    inputs = (arrays["DY"], arrays[name], mean.numpy(), rstd.numpy(),
              _small_array(weight), _small_array(bias))
    outputs = {"dx": arrays.get("DX", False), "dgamma": wanted[2], "dbeta": wanted[3]}
    dskip = None
    if with_skip:
        _, dskip, dweight, dbias = plan.backward_add(*inputs, **outputs, dskip=wanted[1])
    else:
        _, dweight, dbias = plan.backward(*inputs, **outputs)
    return dx, *map(_tensor, (dskip, dweight, dbias))


class _Gradients(torch.autograd.Function):
    """_gradients as a function that can be differentiated any number of times."""

    @staticmethod
    def forward(ctx, *arguments):
        *_, ctx.wanted, ctx.settings = arguments
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*arguments[:4])
        return _gradients(*arguments)

    @staticmethod
    def backward(ctx, *given):
        """Returns the gradients of dy, total, weight and bias, and None for the other arguments."""
        gradients = second_gradients(given, *ctx.saved_tensors, needed=ctx.needs_input_grad[:4],
                                     wanted=ctx.wanted, **ctx.settings)
        return *gradients, None, None, None, None, None, None


class _GroupNorm(torch.autograd.Function):
    """y = act(weight * xhat + bias), with xhat of x or of x + skip, and its gradients."""

    @staticmethod
    def forward(ctx, x, skip, weight, bias, groups, eps, activation, keep_sum):
        """x [N, C, ...], skip the same, [N, C] or None, weight and bias [C], [N, C] or None.

        keep_sum says whether x + skip is needed, by the caller or by backward. Returns y, or with a
        skip (y, x + skip), where the sum is None if it is not needed. The results have the strides
        of x if x is dense.
        """
        params = [param for param in (weight, bias) if param is not None]
        by_sample = any(param.dim() == 2 for param in params)
        by_channel = skip is not None and skip.shape != x.shape
        layout = _layout(x)
        ctx.arguments = {
            "shape": tuple(x.shape), "groups": groups, "layout": layout, "eps": eps,
            "types": (_TYPES[x.dtype], _TYPES[x.dtype], _TYPES[(params or [x])[0].dtype]),
            "affine": Affine.SAMPLE if by_sample else Affine.CHANNEL,
            "activation": _ACTIVATIONS[activation],
            "skip": Skip.CHANNEL if by_channel else Skip.TENSOR,
        }
        y = torch.empty_like(x)
        arrays = {"X": _array(x, layout), "Y": _array(y, layout)}
        total = None
        if skip is None:
            plan = _plan_for(ctx.arguments, **arrays)
            _, mean, rstd = plan.forward(
                arrays["X"], _small_array(weight), _small_array(bias), out=arrays["Y"], stats=True
            )
        else:
            if keep_sum:
                total = torch.empty_like(x)
                arrays["SUM"] = _array(total, layout)
            if not by_channel:
                arrays["SKIP"] = _array(skip, layout)
            plan = _plan_for(ctx.arguments, **arrays)
            _, _, mean, rstd = plan.forward_add(
                arrays["X"], _small_array(skip) if by_channel else arrays["SKIP"],
                _small_array(weight), _small_array(bias), out=arrays["Y"],
                sum=arrays.get("SUM", False), stats=True,
            )
        ctx.with_skip, ctx.by_channel = skip is not None, by_channel
        ctx.settings = {"groups": groups, "eps": eps, "activation": activation,
                        "by_sample": by_sample}
        ctx.set_materialize_grads(False)
        # Without an activation, no gradient depends on the bias. Derivatives of gradients see only
        # inputs and outputs of this function. The sum is therefore always an output.
        ctx.save_for_backward(
            x if skip is None else total, weight, None if activation is None else bias,
            torch.from_numpy(mean), torch.from_numpy(rstd),
        )
        return y if skip is None else (y, total)

    @staticmethod
    def backward(ctx, dy, dsum=None):
        """dy and dsum are [N, C, ...] with any strides, or None if nothing depends on y or the sum.

        Returns (dx, dskip, dweight, dbias), and None for each of the other arguments.
        """
        total, weight, bias, mean, rstd = ctx.saved_tensors
        need_x, need_skip, need_weight, need_bias = ctx.needs_input_grad[:4]
        need_x = need_x or (need_skip and not ctx.by_channel)  # they are the same
        need_skip = need_skip and ctx.by_channel
        wanted = need_x, need_skip, need_weight, need_bias
        by_operations = recording(dy, dsum)
        again = torch.is_grad_enabled()  # with create_graph: they are differentiated again
        dx = dskip = dweight = dbias = None
        if dy is None:
            pass
        elif by_operations:
            dx, dskip, dweight, dbias = first_gradients(
                dy, total, weight, bias, wanted=wanted, **ctx.settings)
        else:
            function = _Gradients.apply if again else _gradients
            dx, dskip, dweight, dbias = function(
                dy, total, weight, bias, mean, rstd, ctx.arguments, ctx.with_skip, wanted,
                ctx.settings)
        if dsum is not None:
            in_place = not (by_operations or again)
            if need_x:
                dx = _add(dx, dsum, in_place)
            if need_skip:
                dskip = _add(dskip, dsum.sum(tuple(range(2, dsum.dim()))), in_place)
        if ctx.with_skip and not ctx.by_channel:
            dskip = dx
        return dx, dskip, dweight, dbias, None, None, None, None


def _add(gradient, other, in_place):
    """Returns gradient + other, in the memory of gradient if in_place; other for None."""
    if gradient is None:
        return other
    return gradient.add_(other) if in_place else gradient + other


def _check_activation(name):
    """Raises ValueError unless there is an activation of this name."""
    if name not in _ACTIVATIONS:
        raise ValueError(f"activation is {name!r}, not None, 'relu' or 'silu'")


def _check(name, tensor, dtypes):
    """Raises TypeError or ValueError unless it is a dense CPU tensor of one of the dtypes."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} is a {type(tensor).__name__}, not a torch.Tensor")
    if tensor.dtype not in dtypes:
        raise TypeError(f"{name} is {tensor.dtype}, not {' or '.join(map(str, dtypes))}")
    if tensor.device.type != "cpu" or tensor.layout != torch.strided:
        raise ValueError(
            f"{name} is {tensor.layout} on {tensor.device}; libgroupnorm takes dense tensors on "
            "the CPU only"
        )


def _check_all(input, weight, bias, skip, return_sum, activation):
    """Raises TypeError or ValueError unless the arguments fit each other."""
    _check("input", input, _TYPES)
    params = [(name, param) for name, param in (("weight", weight), ("bias", bias))
              if param is not None]
    for name, param in params:
        _check(name, param, dict.fromkeys((input.dtype, torch.float32)))
        _check(name, param, (params[0][1].dtype,))
    if input.dim() < 2:
        raise ValueError(f"input has shape {tuple(input.shape)}: no batch and channels")
    for name, param in params:
        if param.shape not in (input.shape[1:2], input.shape[:2]):
            raise ValueError(f"{name} has shape {tuple(param.shape)}, not "
                             f"{tuple(input.shape[1:2])} or {tuple(input.shape[:2])}")
        if param.shape != params[0][1].shape:
            raise ValueError(f"{name} has shape {tuple(param.shape)}, {params[0][0]} "
                             f"{tuple(params[0][1].shape)}")
    if skip is not None:
        _check("skip", skip, (input.dtype,))
        if skip.shape not in (input.shape, input.shape[:2]):
            raise ValueError(f"skip has shape {tuple(skip.shape)}, not {tuple(input.shape)} or "
                             f"{tuple(input.shape[:2])}")
    elif return_sum:
        raise ValueError("return_sum is True, but there is no skip")
    _check_activation(activation)


def _group_norm(input, num_groups, weight, bias, eps, activation, skip, return_sum):
    """group_norm, except in a compiled function."""
    tensors = input, skip, weight, bias
    if torch.overrides.has_torch_function(tensors):  # as the proxies of torch.fx have
        return torch.overrides.handle_torch_function(
            group_norm, tensors, input, num_groups, weight=weight, bias=bias, eps=eps,
            activation=activation, skip=skip, return_sum=return_sum)
    if recording():
        with warnings.catch_warnings():
            # The warnings are about tests of shapes, here and in PyTorch's own function.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            _check_all(input, weight, bias, skip, return_sum, activation)
            total = add(input, skip)
            y = normalize(total, num_groups, weight, bias, eps, activation)
        return (y, total) if return_sum else y
    _check_all(input, weight, bias, skip, return_sum, activation)
    if skip is None:
        return _GroupNorm.apply(*tensors, num_groups, eps, activation, False)
    needs_gradient = torch.is_grad_enabled() and any(
        [tensor.requires_grad for tensor in tensors if tensor is not None]
    )
    y, total = _GroupNorm.apply(*tensors, num_groups, eps, activation,
                                needs_gradient or return_sum)
    return (y, total) if return_sum else y


def group_norm(
    input: torch.Tensor, num_groups: int, weight: Optional[torch.Tensor] = None,
    bias: Optional[torch.Tensor] = None, eps: float = 1e-5, activation: Optional[str] = None,
    skip: Optional[torch.Tensor] = None, return_sum: bool = False,
):
    """torch.nn.functional.group_norm by libgroupnorm, with an activation and a skip connection.

    input       float32, float64, bfloat16 or float16 [N, C, spatial...] on the CPU, 2 to 8 dims
    num_groups  a divisor of C
    weight      input's type or float32, on the CPU; [C], or [N, C] with values per sample; None:
                ones
    bias        weight's type and shape; None: zeros
    eps         added to the variance
    activation  "relu" or "silu", applied to the result; None: none
    skip        input's type and shape, or [N, C]; added to input first, over all of space
    return_sum  whether to return input + skip too; not in code that torch.jit.script compiles,
                where a function always returns the same kind of result

    Returns a tensor of input's shape and memory format, or two: the normalized tensor and input +
    skip. Gradients flow to input, skip, weight and bias, and can be differentiated again. Groups of
    a single value, which PyTorch rejects, give the bias.

    TypeError: an argument is not a tensor, or has another type. ValueError: a tensor is on another
    device or has another shape; groups do not divide C; the activation has another name; return_sum
    is set without a skip.
    """
    if torch.jit.is_scripting():
        if return_sum:
            raise ValueError("return_sum is True, which torch.jit.script cannot compile")
        return normalize(add(input, skip), num_groups, weight, bias, eps, activation)
    else:
        return _group_norm(input, num_groups, weight, bias, eps, activation, skip, return_sum)


class GroupNorm(torch.nn.GroupNorm):
    """torch.nn.GroupNorm by libgroupnorm: the same constructor, parameters and state_dict.

    In addition it has an activation, as in group_norm, which may be set at any time.
    """

    __constants__ = [*torch.nn.GroupNorm.__constants__, "activation"]
    activation = None

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None,
                 *, activation=None):
        super().__init__(num_groups, num_channels, eps, affine, device, dtype)
        _check_activation(activation)
        self.activation = activation

    def forward(self, input: torch.Tensor, skip: Optional[torch.Tensor] = None,
                return_sum: bool = False):
        """Returns group_norm of input, or of input + skip."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps,
                          activation=self.activation, skip=skip, return_sum=return_sum)

    def extra_repr(self):
        activation = "" if self.activation is None else f", activation={self.activation!r}"
        return super().extra_repr() + activation


def replace_groupnorm(module):
    """Makes every torch.nn.GroupNorm in `module` a GroupNorm of this file; returns `module`.

    Only the class of the modules changes. Their parameters, hooks and places in the model stay the
    same, and optimizers of the parameters stay valid. Subclasses of torch.nn.GroupNorm do not
    change, because they may compute something else.
    """
    for child in module.modules():
        if type(child) is torch.nn.GroupNorm:
            child.__class__ = GroupNorm
    return module
