#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes vectors.txt: small cases with the results of PyTorch and of ONNX's definition.

    python3 vectors.py > vectors.txt

The inputs are floats; the results are computed in binary64. Each case is a line

    case SOURCE LAYOUT GROUPS EPSILON DIMS...

followed by a line for each tensor: its name and its values in memory order. Inputs are hex floats
of binary32, results are hex floats of binary64. LAYOUT is 0 for channels first and 1 for channels
last. A case has no line for a tensor that is not given.
"""

import numpy as np
import torch

# source, layout, groups, epsilon, dims, gamma and beta given, offset and scale of x
CASES = [
    ("torch", 0, 2, 1e-5, (2, 4, 3), True, 0.0, 1.0),
    ("torch", 1, 2, 1e-5, (2, 4, 3), True, 0.0, 1.0),
    ("torch", 0, 1, 1e-5, (1, 6, 2, 3), True, 3.0, 2.0),
    ("torch", 1, 1, 1e-3, (1, 6, 2, 3), True, -3.0, 0.5),
    ("torch", 0, 3, 1e-5, (2, 3, 5), True, 0.0, 1.0),
    ("torch", 1, 3, 1e-5, (2, 3, 5), True, 0.0, 1.0),
    ("torch", 0, 4, 1e-5, (3, 16), True, 0.0, 1.0),
    ("torch", 1, 4, 1e-5, (3, 16), True, 0.0, 1.0),
    ("torch", 0, 2, 1e-5, (1, 4, 2, 1, 3), False, 0.0, 1.0),
    ("torch", 1, 2, 1e-5, (1, 4, 2, 1, 3), False, 0.0, 1.0),
    ("torch", 0, 5, 1e-2, (1, 10, 7), True, 100.0, 0.01),
    ("torch", 1, 5, 1e-2, (1, 10, 7), True, 100.0, 0.01),
    ("onnx", 0, 2, 1e-5, (2, 4, 3, 2), True, 0.0, 1.0),
    ("onnx", 1, 2, 1e-5, (2, 4, 3, 2), True, 0.0, 1.0),
    ("onnx", 0, 4, 1e-2, (3, 4, 2, 2), True, 5.0, 3.0),
    ("onnx", 0, 1, 1e-5, (2, 6, 5), True, 0.0, 1.0),
    ("onnx", 1, 8, 1e-5, (1, 8, 2, 2, 2), True, -1.0, 1.0),
]


def torch_answers(x, gamma, beta, dy, groups, eps):
    """Forward and backward by torch.nn.functional.group_norm in float64."""
    tensors = {"x": torch.tensor(x.astype(np.float64), requires_grad=True)}
    for name, value in (("gamma", gamma), ("beta", beta)):
        if value is not None:
            tensors[name] = torch.tensor(value.astype(np.float64), requires_grad=True)
    y = torch.nn.functional.group_norm(
        tensors["x"], groups, tensors.get("gamma"), tensors.get("beta"), eps)
    y.backward(torch.tensor(dy.astype(np.float64)))
    _, mean, rstd = torch.native_group_norm(
        tensors["x"], tensors.get("gamma"), tensors.get("beta"), x.shape[0], x.shape[1],
        int(np.prod(x.shape[2:], dtype=int)), groups, eps)
    answers = {"y": y, "mean": mean, "rstd": rstd, "dx": tensors["x"].grad}
    for name in ("gamma", "beta"):
        if name in tensors:
            answers["d" + name] = tensors[name].grad
    return {name: value.detach().numpy() for name, value in answers.items()}


def onnx_answers(x, scale, bias, groups, eps):
    """GroupNormalization of opset 21, as its specification says: the input is reshaped to
    [N, groups, -1], normalized over the last axis, and reshaped back; scale and bias have one
    element per channel."""
    x = x.astype(np.float64)
    grouped = x.reshape(x.shape[0], groups, -1)
    mean = grouped.mean(axis=-1, keepdims=True)
    var = grouped.var(axis=-1, keepdims=True)
    normalized = ((grouped - mean) / np.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, -1) + (1,) * (x.ndim - 2)
    y = scale.astype(np.float64).reshape(per_channel) * normalized
    return {"y": y + bias.astype(np.float64).reshape(per_channel)}


def hexadecimal(value):
    """The result of float.hex without the zeros at the end of the fraction."""
    fraction, exponent = float(value).hex().split("p")
    return fraction.rstrip("0").rstrip(".") + "p" + exponent if "." in fraction else "0x0p+0"


def in_memory_order(value, name, layout, rank):
    """The value, flattened; in channels last, tensors of x's shape have the channels moved last."""
    if name in ("x", "dy", "y", "dx") and layout == 1:
        value = np.moveaxis(value, 1, rank - 1)
    return np.ascontiguousarray(value).reshape(-1)


def main():
    random = np.random.default_rng(2018)
    for source, layout, groups, eps, dims, affine, offset, scale in CASES:
        x = (offset + scale * random.standard_normal(dims)).astype(np.float32)
        dy = random.standard_normal(dims).astype(np.float32)
        gamma = beta = None
        if affine:
            gamma = random.uniform(0.5, 1.5, dims[1]).astype(np.float32)
            beta = random.uniform(-1, 1, dims[1]).astype(np.float32)
        tensors = {"x": x, "gamma": gamma, "beta": beta}
        if source == "torch":
            tensors["dy"] = dy
            tensors.update(torch_answers(x, gamma, beta, dy, groups, eps))
        else:
            tensors.update(onnx_answers(x, gamma, beta, groups, eps))
        print("case", source, layout, groups, eps, *dims)
        for name, value in tensors.items():
            if value is not None:
                flat = in_memory_order(value, name, layout, len(dims))
                print(name, *map(hexadecimal, flat))


if __name__ == "__main__":
    main()
