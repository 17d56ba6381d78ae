# SPDX-License-Identifier: MIT
"""Group Normalization by PyTorch's operations, where torch_groupnorm.py must not call the library.

libgroupnorm gives results and their gradients; PyTorch cannot see how. That is not enough in two
cases, which this file is for:

- Operations are recorded or transformed: by torch.jit, torch.onnx, functorch, forward-mode
  differentiation and the like. recording() says when; add and normalize are what they then see,
  which is what they see of torch.nn.GroupNorm.
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
    """Whether PyTorch now has to see operations, and not only their results.

    So it is in torch.jit.trace and torch.onnx.export, in the transforms of functorch, in
    forward-mode differentiation, under a TorchDispatchMode such as that of make_fx, and for tensors
    that stand for others, as those of vmap, which have no memory. None is no tensor.
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


# ---- What is recorded. torch.jit.script compiles these functions: hence their types. ----


def _over_space(tensor: torch.Tensor, dims: int) -> torch.Tensor:
    """A tensor of [N, C] or [1, C] as one that broadcasts to [N, C, spatial...] of so many dims."""
    shape = list(tensor.shape) + [1] * (dims - 2)
    return tensor.reshape(shape)


def add(input: torch.Tensor, skip: Optional[torch.Tensor]) -> torch.Tensor:
    """input + skip, where skip has input's shape or is [N, C]; input itself for None."""
    if skip is None:
        return input
    by_channel = skip.dim() != input.dim()
    if skip.shape != (input.shape[:2] if by_channel else input.shape):
        raise ValueError("skip has neither the shape of input nor that of its first two dims")
    return input + (_over_space(skip, input.dim()) if by_channel else skip)


def _activate(z: torch.Tensor, activation: Optional[str]) -> torch.Tensor:
    """act(z); z itself for None."""
    if activation is None:
        return z
    if activation == "relu":
        return torch.relu(z)
    if activation == "silu":
        return torch.nn.functional.silu(z)
    raise ValueError("activation is not None, 'relu' or 'silu'")


def normalize(input: torch.Tensor, num_groups: int, weight: Optional[torch.Tensor],
              bias: Optional[torch.Tensor], eps: float, activation: Optional[str]) -> torch.Tensor:
    """act(weight * xhat + bias) by torch.nn.functional.group_norm.

    Where all tensors have the same type, and weight and bias are [C], it is that function and the
    activation, with nothing else.
    """
    x = input
    # PyTorch has no kernel for binary16, nor for most tensors that differ in type.
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
    """The tensor in double, as a variable that depends on the tensor, and on which none depends.

    By itself, a tensor is no such variable: a weight that was computed from x depends on x, and a
    gradient with respect to x, the weight kept fixed, is not that with respect to x.
    """
    return None if tensor is None else tensor.to(torch.float64, copy=True)


def _gradients(dy, total, weight, bias, *, groups, eps, activation, by_sample, wanted,
               create_graph):
    """(dtotal, dskip, dweight, dbias) of variables in double; None for those that are not wanted.

    dskip is that of a skip of [N, C]. With create_graph, they can be differentiated again.
    """
    # Not by torch.nn.functional.group_norm: it refuses groups of one value.
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
    if wanted_bias and bias is None:  # without an activation, when its values do not matter
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
    """The gradients that settings["wanted"] names, in double, as autograd converts them anyway.

    Those of act(weight * xhat + bias), xhat being of total = x + skip, given dy: of x, of a skip of
    [N, C], of weight and of bias.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        variables = map(_variable, (dy, total, weight, bias))
        return _gradients(*variables, create_graph=create_graph, **settings)


def second_gradients(given, dy, total, weight, bias, *, needed, **settings):
    """The gradients of dy, total, weight and bias, given those of what first_gradients returns.

    None in `given` is a zero; `needed` says which are needed, and the others are None.
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
