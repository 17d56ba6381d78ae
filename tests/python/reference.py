# SPDX-License-Identifier: MIT
"""Exact results by numpy, and random data, for the tests of the numpy binding."""

import math
import unittest

import numpy as np

from groupnorm import Activation, Affine, Layout, Plan, Type

# (logical shape, groups)
CASES = [
    ((2, 8), 4),
    ((3, 6), 6),
    ((1, 32, 7), 32),
    ((2, 64, 50), 32),
    ((3, 12, 5, 4), 3),
    ((2, 12, 5, 4), 1),
    ((1, 64, 33, 31), 32),
    ((2, 6, 3, 4, 5), 2),
    ((1, 3, 130, 127), 1),
    ((2, 4, 2, 1, 3, 2, 1, 2), 2),
]

UNIT = 2.0**-24  # half the distance of 1 to the next float
SMALLEST = 2.0**-149
# What the results of a type are rounded by, where they are computed with more digits, and its
# smallest subnormal number.
ROUNDING = {Type.F32: 0, Type.F64: 0, Type.BF16: 2.0**-8, Type.F16: 2.0**-11}
SUBNORMAL = {Type.F32: SMALLEST, Type.F64: SMALLEST, Type.BF16: 2.0**-133, Type.F16: 2.0**-24}


def store(values, of_type):
    """An array of a Type, the values rounded to it; of finite ones."""
    if of_type is not Type.BF16:
        return values.astype(of_type.dtype)
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def value(array, of_type):
    """The values of an array of a Type."""
    if of_type is not Type.BF16:
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)


def _activate(z, activation):
    """act(z) and act'(z)."""
    if activation is Activation.RELU:
        return np.maximum(z, 0), (z > 0).astype(z.dtype)
    if activation is Activation.SILU:
        sigmoid = 1 / (1 + np.exp(-z))
        return z * sigmoid, sigmoid * (1 + z * (1 - sigmoid))
    return z, np.ones_like(z)


def exact(x, dy, groups, gamma, beta, eps, activation=Activation.IDENTITY):
    """The results for x and dy of logical shape, and the header's bound on each error.

    gamma and beta are arrays of shape (C,) or (N, C). All is computed in float64, or more where x
    is that. Returns two dicts by name.
    """
    batch, channels = x.shape[:2]
    grouped = (batch, groups, -1)
    over_tensor = (-1, channels) + (1,) * (x.ndim - 2)
    sum_axes = (*range(2 - gamma.ndim), *range(2, x.ndim))
    double = x.dtype == np.float64
    unit = UNIT**2 * 2**-5 if double else UNIT
    wide = np.longdouble if double else np.float64
    x, dy, gamma, beta = (a.astype(wide) for a in (x, dy, gamma, beta))
    gamma_over, beta_over = gamma.reshape(over_tensor), beta.reshape(over_tensor)

    def group_mean(a):
        """The mean of each group, of shape (N, G, 1)."""
        return a.reshape(grouped).mean(axis=2, keepdims=True)

    def spread(a):
        """(N, G, 1) over the whole tensor."""
        return np.broadcast_to(a, x.reshape(grouped).shape).reshape(x.shape)

    mean = group_mean(x)
    variance = group_mean((x - spread(mean)) ** 2)
    rstd = 1 / np.sqrt(variance + wide(eps))
    rstd_over = spread(rstd)
    xhat = (x - spread(mean)) * rstd_over
    y, slope = _activate(gamma_over * xhat + beta_over, activation)
    h = slope * dy
    g = gamma_over * h
    results = {
        "y": y,
        "mean": mean[..., 0],
        "rstd": rstd[..., 0],
        "dx": rstd_over * (g - spread(group_mean(g)) - xhat * spread(group_mean(g * xhat))),
        "dgamma": (h * xhat).sum(axis=sum_axes),
        "dbeta": h.sum(axis=sum_axes),
    }
    y_bound = 48 * np.abs(gamma_over * xhat) + 24 * np.abs(gamma_over) + 2 * np.abs(beta_over)
    rstd_factor = 32 + math.log2(max(1, x[0].size // groups)) * double
    dy = np.abs(dy)
    if activation is not Activation.IDENTITY:
        dy = dy * (2 + np.abs(gamma_over * xhat) + np.abs(gamma_over) + np.abs(beta_over))
    if activation is Activation.SILU:
        y_bound = 1.1 * y_bound + 8 * np.abs(y)
    g = np.abs(gamma_over) * dy
    p = spread(group_mean(g))
    r = spread(group_mean(g * np.abs(xhat)))
    bounds = {
        "y": y_bound,
        "mean": np.abs(mean[..., 0]) + 16 * np.sqrt(variance[..., 0]),
        "rstd": rstd_factor * rstd[..., 0],
        "dx": 128 * rstd_over * (g + p + (1 + np.abs(xhat)) * r),
        "dgamma": 64 * (dy * (1 + np.abs(xhat))).sum(axis=sum_axes),
        "dbeta": 12 * dy.sum(axis=sum_axes),
    }
    return results, {name: unit * bound + SMALLEST for name, bound in bounds.items()}


def to_memory(a, layout):
    """An array of logical shape as the binding takes it."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)) if layout is Layout.CHANNELS_LAST else a


def to_logical(a, layout):
    """An array of the binding in the order N, C, spatial."""
    return np.moveaxis(a, -1, 1) if layout is Layout.CHANNELS_LAST else a


def same_bits(a, b):
    """Whether two arrays are the same, bit by bit."""
    bits = f"u{a.itemsize}"
    return (a.shape == b.shape and a.dtype == b.dtype
            and np.array_equal(a.view(bits), b.view(bits)))


class Data:
    """Random x, dy, gamma and beta for a logical shape; x and dy as they lie in memory.

    Those in `logical` are the same values, which an array of bfloat16 does not show.
    """

    def __init__(self, shape, layout=Layout.CHANNELS_FIRST, seed=0, mean=0.5, deviation=2.0,
                 param_shape=None, types=Type.F32):
        rng = np.random.default_rng(seed)
        self.types = (types,) * 3 if isinstance(types, Type) else types
        self.logical = {}

        def noise(name, shape, of_type, mean=0.0, deviation=1.0):
            array = store(mean + deviation * rng.standard_normal(shape), of_type)
            self.logical[name] = value(array, of_type)
            return array

        x, y, param = self.types
        self.x = to_memory(noise("x", shape, x, mean, deviation), layout)
        self.dy = to_memory(noise("dy", shape, y), layout)
        self.gamma = noise("gamma", param_shape or shape[1], param)
        self.beta = noise("beta", param_shape or shape[1], param)


def run(plan, data):
    """(y, mean, rstd, dx, dgamma, dbeta) of a plan for a Data."""
    forward = plan.forward(data.x, data.gamma, data.beta, stats=True)
    return forward + plan.backward(data.dy, data.x, *forward[1:], data.gamma, data.beta)


class AccuracyTest(unittest.TestCase):
    def check(self, shape, groups, layout, data, eps=1e-5, gamma=True, beta=True,
              activation=Activation.IDENTITY):
        """Compares all results with the exact ones, within the bounds of the header."""
        values = data.logical
        results, bounds = exact(
            values["x"], values["dy"], groups,
            values["gamma"] if gamma else np.ones_like(values["gamma"]),
            values["beta"] if beta else np.zeros_like(values["beta"]), eps, activation,
        )
        gamma = data.gamma if gamma else None
        beta = data.beta if beta else None
        affine = Affine.SAMPLE if data.gamma.ndim == 2 else Affine.CHANNEL
        with Plan(shape, groups, layout=layout, eps=eps, types=data.types, affine=affine,
                  activation=activation) as plan:
            y, mean, rstd = plan.forward(data.x, gamma, beta, stats=True)
            dx, dgamma, dbeta = plan.backward(data.dy, data.x, mean, rstd, gamma, beta)
        x_type, y_type, param_type = data.types
        stats_type = Type.F64 if x_type is Type.F64 else Type.F32
        for name, actual, of_type in (
            ("y", to_logical(y, layout), y_type), ("mean", mean, stats_type),
            ("rstd", rstd, stats_type), ("dx", to_logical(dx, layout), x_type),
            ("dgamma", dgamma, param_type), ("dbeta", dbeta, param_type),
        ):
            self.assertEqual(actual.dtype, of_type.dtype, name)
            self.assertEqual(actual.shape, results[name].shape, name)
            rounding = ROUNDING[of_type]
            if of_type is Type.F32 and x_type is Type.F64:
                rounding = UNIT
            bound = bounds[name] + rounding * (np.abs(results[name]) + bounds[name])
            bound += SUBNORMAL[of_type]
            excess = np.abs(value(actual, of_type) - results[name]) / bound
            self.assertLessEqual(excess.max(), 1, f"{name} of {shape}, {groups} groups, {layout!r}")
