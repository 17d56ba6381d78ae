# SPDX-License-Identifier: MIT
"""Group Normalization by PyTorch's operations, for torch_groupnorm.py.

libgroupnorm gives results and their gradients, but PyTorch cannot see how they are computed. In two
cases it must, and this file provides the operations:

- Operations are recorded or transformed by torch.jit, torch.onnx, functorch, forward-mode
  differentiation and the like. recording() detects this. PyTorch then sees the operations of add
  and normalize, which are those of torch.nn.GroupNorm.
- Gradients are differentiated again: second_gradients. All its operations are in double.

torch_groupnorm.py needs this file beside it.
"""

from typing import Optional

import torch
from torch.autograd import forward_ad

__all__ = ["add", "first_gradients", "normalize", "recording", "second_gradients"]

# PyTorch has no public way to ask whether a transform of functorch is active. The first name is
# that of PyTorch 2, the second that of 1.13.
_transforms_are_active = (
    getattr(torch._C, "_are_functorch_transforms_active", None)
    or torch._C._functorch.are_transforms_active
)
_number_of_dispatch_modes = torch._C._len_torch_dispatch_stack


def recording(*tensors):
    """Returns whether PyTorch must see operations, and not only their results.

    This is so in torch.jit.trace and torch.onnx.export, in the transforms of functorch, in
    forward-mode differentiation, under a TorchDispatchMode such as that of make_fx, and for tensors
    without memory that stand for others, such as those of vmap. `tensors` may contain None.
    """
    if (torch.jit.is_tracing() or forward_ad._current_level >= 0 or _transforms_are_active()
            or _number_of_dispatch_modes()):
        return True
    try:
        for tensor in tensors:
            if tensor is not None:
                tensor.data_ptr()
    except RuntimeError:
        return True
    return False


# ---- Recorded operations. The annotations are for torch.jit.script, which compiles them. ----


def _over_space(tensor: torch.Tensor, dims: int) -> torch.Tensor:
    """Returns [N, C] or [1, C] reshaped to broadcast to [N, C, spatial...] of `dims` dims."""
    shape = list(tensor.shape) + [1] * (dims - 2)
    return tensor.reshape(shape)


def add(input: torch.Tensor, skip: Optional[torch.Tensor]) -> torch.Tensor:
    """Returns input + skip, where skip has input's shape or is [N, C]; input for None."""
    if skip is None:
        return input
    by_channel = skip.dim() != input.dim()
    if skip.shape != (input.shape[:2] if by_channel else input.shape):
        raise ValueError("skip has neither the shape of input nor that of its first two dims")
    return input + (_over_space(skip, input.dim()) if by_channel else skip)


def _activate(z: torch.Tensor, activation: Optional[str]) -> torch.Tensor:
    """Returns act(z); z for None."""
    if activation is None:
        return z
    if activation == "relu":
        return torch.relu(z)
    if activation == "silu":
        return torch.nn.functional.silu(z)
    raise ValueError("activation is not None, 'relu' or 'silu'")


def normalize(input: torch.Tensor, num_groups: int, weight: Optional[torch.Tensor],
              bias: Optional[torch.Tensor], eps: float, activation: Optional[str]) -> torch.Tensor:
    """Returns act(weight * xhat + bias) by torch.nn.functional.group_norm.

    If all tensors have the same type, and weight and bias are [C], the only operations are that
    function and the activation.
    """
    x = input
    # PyTorch has no kernel for binary16, nor for most mixtures of types.
    mixed = input.dtype == torch.float16
    by_sample = False
    if weight is not None:
        mixed = mixed or weight.dtype != input.dtype
        by_sample = weight.dim() == 2
    if bias is not None:
        mixed = mixed or bias.dtype != input.dtype
        by_sample = bias.dim() == 2
    if mixed:
        x = x if x.dtype == torch.float64 else x.float()
        weight = None if weight is None else weight.to(x.dtype)
        bias = None if bias is None else bias.to(x.dtype)
    y = torch.nn.functional.group_norm(x, num_groups, None if by_sample else weight,
                                       None if by_sample else bias, eps)
    if by_sample:
        if weight is not None:
            y = y * _over_space(weight, x.dim())
        if bias is not None:
            y = y + _over_space(bias, x.dim())
    y = _activate(y, activation)
    return y.to(input.dtype) if mixed else y


# ---- Gradients, and their gradients ----


def _variable(tensor):
    """Returns a copy in double, a variable that depends on the tensor only.

    The tensor itself cannot be the variable. If a weight was computed from x, it depends on x, and
    the gradient with respect to x for a fixed weight is not the gradient with respect to x.
    """
    return None if tensor is None else tensor.to(torch.float64, copy=True)


def _gradients(dy, total, weight, bias, *, groups, eps, activation, by_sample, wanted,
               create_graph):
    """Returns (dtotal, dskip, dweight, dbias) in double; None for those that are not wanted.

    dskip is the gradient of a skip of [N, C]. With create_graph, they can be differentiated again.
    """
    # torch.nn.functional.group_norm rejects groups of one value.
    grouped = total.unflatten(1, (groups, total.shape[1] // groups))
    dims = tuple(range(2, grouped.dim()))
    centered = grouped - grouped.mean(dims, keepdim=True)
    variance = centered.square().mean(dims, keepdim=True)
    y = (centered * (variance + eps).rsqrt()).reshape(total.shape)
    if weight is not None:
        y = y * _over_space(weight if by_sample else weight[None], total.dim())
    if bias is not None:
        y = y + _over_space(bias if by_sample else bias[None], total.dim())
    y = _activate(y, activation)

    wanted_total, wanted_skip, wanted_weight, wanted_bias = wanted
    sources = {}
    if wanted_total or wanted_skip:
        sources["total"] = total
    if wanted_weight:
        sources["weight"] = weight
    if wanted_bias and bias is not None:
        sources["bias"] = bias
    results = dict.fromkeys(("total", "weight", "bias"))
    if sources:
        results.update(zip(sources, torch.autograd.grad(y, [*sources.values()], dy,
                                                        create_graph=create_graph)))
    dtotal = results["total"]
    if wanted_bias and bias is None:  # without an activation, its values have no effect
        shape = total.shape[:2] if by_sample else (1, total.shape[1])
        dbias = dy.sum_to_size(*shape, *[1] * (dy.dim() - 2)).reshape(shape)
        results["bias"] = dbias if by_sample else dbias[0]
    return (
        dtotal if wanted_total else None,
        dtotal.sum(tuple(range(2, total.dim()))) if wanted_skip else None,
        results["weight"],
        results["bias"],
    )


def first_gradients(dy, total, weight, bias, **settings):
    """Returns the gradients that settings["wanted"] names, in double; autograd converts them.

    They are the gradients of act(weight * xhat + bias), with xhat of total = x + skip, from dy: the
    gradients of x, of a skip of [N, C], of weight and of bias.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        variables = map(_variable, (dy, total, weight, bias))
        return _gradients(*variables, create_graph=create_graph, **settings)


def second_gradients(given, dy, total, weight, bias, *, needed, **settings):
    """Returns the gradients of dy, total, weight and bias, from those of first_gradients' results.

    None in `given` means zero. `needed` says which gradients are needed. The others are None.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        variables = [*map(_variable, (dy, total, weight, bias))]
        firsts = _gradients(*variables, create_graph=True, **settings)
        pairs = [(first, second.double()) for first, second in zip(firsts, given)
                 if second is not None and first.requires_grad]  # dbias may depend on nothing
        if not pairs:
            return None, None, None, None
        sources = [variable for variable, need in zip(variables, needed) if need]
        outputs, seconds = zip(*pairs)
        results = iter(torch.autograd.grad(outputs, sources, seconds, create_graph=create_graph,
                                           allow_unused=True))
    return tuple(next(results) if need else None for need in needed)
