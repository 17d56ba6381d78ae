# SPDX-License-Identifier: MIT
"""The derivatives of Group Normalization's gradients, by PyTorch's operations in double.

libgroupnorm gives results and their gradients; PyTorch cannot see how.

torch_groupnorm.py needs this file beside it.
"""

import torch

__all__ = ["second_gradients"]


def _over_space(tensor, dims):
    """A tensor of [N, C] or [1, C] as one that broadcasts to [N, C, spatial...] of so many dims."""
    shape = list(tensor.shape) + [1] * (dims - 2)
    return tensor.reshape(shape)


def _variable(tensor):
    """The tensor in double, as a variable that depends on the tensor, and on which none depends.

    By itself, a tensor is no such variable: a weight that was computed from x depends on x, and a
    gradient with respect to x, the weight kept fixed, is not that with respect to x.
    """
    if tensor is None:
        return None
    variable = tensor.to(torch.float64, copy=True)
    return variable if variable.requires_grad else variable.requires_grad_()


def _gradients(dy, total, weight, bias, *, groups, eps, activation, by_sample, wanted):
    """(dtotal, dskip, dweight, dbias) of variables in double; None for those that are not wanted.

    dskip is that of a skip of [N, C]. They can be differentiated again.
    """
    # Not by torch.nn.functional.group_norm: it refuses groups of one value.
    grouped = total.unflatten(1, (groups, total.shape[1] // groups))
    dims = tuple(range(2, grouped.dim()))
    centered = grouped - grouped.mean(dims, keepdim=True)
    variance = centered.square().mean(dims, keepdim=True)
    y = (centered * (variance + eps).rsqrt()).reshape(total.shape)
    if bias is None and wanted[3]:  # the others do not depend on its values
        shape = total.shape[:2] if by_sample else total.shape[1:2]
        bias = torch.zeros(shape, dtype=total.dtype, requires_grad=True)
    if weight is not None:
        y = y * _over_space(weight if by_sample else weight[None], total.dim())
    if bias is not None:
        y = y + _over_space(bias if by_sample else bias[None], total.dim())
    if activation is not None:
        y = {"relu": torch.relu, "silu": torch.nn.functional.silu}[activation](y)

    sources = [source for source, want in
               ((total, wanted[0] or wanted[1]), (weight, wanted[2]), (bias, wanted[3])) if want]
    results = iter(torch.autograd.grad(y, sources, dy, create_graph=True))
    dtotal = next(results) if wanted[0] or wanted[1] else None
    return (
        dtotal if wanted[0] else None,
        dtotal.sum(tuple(range(2, total.dim()))) if wanted[1] else None,
        next(results) if wanted[2] else None,
        next(results) if wanted[3] else None,
    )


def second_gradients(given, dy, total, weight, bias, *, needed, **settings):
    """The gradients of dy, total, weight and bias, given those of what _gradients returns.

    None in `given` is a zero; `needed` says which are needed, and the others are None.
    """
    if all(second is None for second in given):
        return None, None, None, None
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        variables = [*map(_variable, (dy, total, weight, bias))]
        firsts = _gradients(*variables, **settings)
        outputs, seconds = zip(*[(first, second.double()) for first, second in zip(firsts, given)
                                 if second is not None])
        sources = [variable for variable, need in zip(variables, needed) if need]
        results = torch.autograd.grad(outputs, sources, seconds, create_graph=create_graph,
                                      allow_unused=True)
    results = iter(results)
    return tuple(next(results) if need else None for need in needed)
