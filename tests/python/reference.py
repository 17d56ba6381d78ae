# SPDX-License-Identifier: MIT
"""Exact results by numpy in float64, and random data, for the tests of the numpy binding."""

import numpy as np

from groupnorm import Layout

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


def exact(x, dy, groups, gamma, beta, eps):
    """The results in float64 for x and dy of logical shape, and the header's bound on each error.

    gamma and beta are arrays of shape (C,) or (N, C). Returns two dicts by name.
    """
    batch, channels = x.shape[:2]
    grouped = (batch, groups, -1)
    over_tensor = (-1, channels) + (1,) * (x.ndim - 2)
    sum_axes = (*range(2 - gamma.ndim), *range(2, x.ndim))
    x, dy, gamma, beta = (a.astype(np.float64) for a in (x, dy, gamma, beta))
    gamma_over, beta_over = gamma.reshape(over_tensor), beta.reshape(over_tensor)

    def group_mean(a):
        """The mean of each group, of shape (N, G, 1)."""
        return a.reshape(grouped).mean(axis=2, keepdims=True)

    def spread(a):
        """(N, G, 1) over the whole tensor."""
        return np.broadcast_to(a, x.reshape(grouped).shape).reshape(x.shape)

    mean = group_mean(x)
    variance = group_mean((x - spread(mean)) ** 2)
    rstd = 1 / np.sqrt(variance + eps)
    rstd_over = spread(rstd)
    xhat = (x - spread(mean)) * rstd_over
    g = gamma_over * dy
    results = {
        "y": gamma_over * xhat + beta_over,
        "mean": mean[..., 0],
        "rstd": rstd[..., 0],
        "dx": rstd_over * (g - spread(group_mean(g)) - xhat * spread(group_mean(g * xhat))),
        "dgamma": (dy * xhat).sum(axis=sum_axes),
        "dbeta": dy.sum(axis=sum_axes),
    }
    p = spread(group_mean(np.abs(g)))
    r = spread(group_mean(np.abs(g * xhat)))
    bounds = {
        "y": 48 * np.abs(gamma_over * xhat) + 24 * np.abs(gamma_over) + 2 * np.abs(beta_over),
        "mean": np.abs(mean[..., 0]) + 16 * np.sqrt(variance[..., 0]),
        "rstd": 32 * rstd[..., 0],
        "dx": 128 * rstd_over * (np.abs(g) + p + (1 + np.abs(xhat)) * r),
        "dgamma": 64 * (np.abs(dy) * (1 + np.abs(xhat))).sum(axis=sum_axes),
        "dbeta": 12 * np.abs(dy).sum(axis=sum_axes),
    }
    return results, {name: UNIT * bound + SMALLEST for name, bound in bounds.items()}


def to_memory(a, layout):
    """An array of logical shape as the binding takes it."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)) if layout is Layout.CHANNELS_LAST else a


def to_logical(a, layout):
    """An array of the binding in the order N, C, spatial."""
    return np.moveaxis(a, -1, 1) if layout is Layout.CHANNELS_LAST else a


def same_bits(a, b):
    """Whether two float32 arrays are the same, bit by bit."""
    return a.shape == b.shape and np.array_equal(a.view(np.uint32), b.view(np.uint32))


class Data:
    """Random x, dy, gamma and beta for a logical shape; x and dy as they lie in memory."""

    def __init__(self, shape, layout=Layout.CHANNELS_FIRST, seed=0, mean=0.5, deviation=2.0,
                 param_shape=None):
        rng = np.random.default_rng(seed)
        self.x_logical = (mean + deviation * rng.standard_normal(shape)).astype(np.float32)
        self.dy_logical = rng.standard_normal(shape).astype(np.float32)
        self.x = to_memory(self.x_logical, layout)
        self.dy = to_memory(self.dy_logical, layout)
        self.gamma = rng.standard_normal(param_shape or shape[1]).astype(np.float32)
        self.beta = rng.standard_normal(param_shape or shape[1]).astype(np.float32)


def run(plan, data):
    """(y, mean, rstd, dx, dgamma, dbeta) of a plan for a Data."""
    forward = plan.forward(data.x, data.gamma, data.beta, stats=True)
    return forward + plan.backward(data.dy, data.x, *forward[1:], data.gamma)
