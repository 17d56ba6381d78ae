# SPDX-License-Identifier: MIT
"""Tests of groupnorm.py: python3 -m unittest discover -s DIRECTORY, or run this file.

The environment's GN_LIBRARY names the library to test.
"""

import concurrent.futures
import ctypes.util
import multiprocessing
import os
import pathlib
import pickle
import re
import subprocess
import sys
import types
import unittest
import unittest.mock

import numpy as np

import groupnorm
from groupnorm import Isa, Layout, Plan

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE.parent.parent / "include" / "groupnorm.h"

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

    gamma and beta are arrays of shape (C,). Returns two dicts by name.
    """
    batch, channels = x.shape[:2]
    grouped = (batch, groups, -1)
    over_tensor = (1, channels) + (1,) * (x.ndim - 2)
    sum_axes = (0, *range(2, x.ndim))
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

    def __init__(self, shape, layout=Layout.CHANNELS_FIRST, seed=0, mean=0.5, deviation=2.0):
        rng = np.random.default_rng(seed)
        self.x_logical = (mean + deviation * rng.standard_normal(shape)).astype(np.float32)
        self.dy_logical = rng.standard_normal(shape).astype(np.float32)
        self.x = to_memory(self.x_logical, layout)
        self.dy = to_memory(self.dy_logical, layout)
        self.gamma = rng.standard_normal(shape[1]).astype(np.float32)
        self.beta = rng.standard_normal(shape[1]).astype(np.float32)


def run(plan, data):
    """(y, mean, rstd, dx, dgamma, dbeta) of a plan for a Data."""
    forward = plan.forward(data.x, data.gamma, data.beta, stats=True)
    return forward + plan.backward(data.dy, data.x, *forward[1:], data.gamma)


class AccuracyTest(unittest.TestCase):
    def check(self, shape, groups, layout, data, eps=1e-5, gamma=True, beta=True):
        """Compares all results with the exact ones, within the bounds of the header."""
        ones, zeros = np.ones(shape[1], np.float32), np.zeros(shape[1], np.float32)
        results, bounds = exact(
            data.x_logical, data.dy_logical, groups,
            data.gamma if gamma else ones, data.beta if beta else zeros, eps,
        )
        gamma = data.gamma if gamma else None
        beta = data.beta if beta else None
        with Plan(shape, groups, layout=layout, eps=eps) as plan:
            y, mean, rstd = plan.forward(data.x, gamma, beta, stats=True)
            dx, dgamma, dbeta = plan.backward(data.dy, data.x, mean, rstd, gamma)
        actual = {
            "y": to_logical(y, layout), "mean": mean, "rstd": rstd,
            "dx": to_logical(dx, layout), "dgamma": dgamma, "dbeta": dbeta,
        }
        for name, value in actual.items():
            self.assertEqual(value.dtype, np.float32, name)
            self.assertEqual(value.shape, results[name].shape, name)
            excess = np.abs(value - results[name]) / bounds[name]
            self.assertLessEqual(excess.max(), 1, f"{name} of {shape}, {groups} groups, {layout!r}")

    def test_shapes_and_layouts(self):
        for shape, groups in CASES:
            for layout in Layout:
                with self.subTest(shape=shape, groups=groups, layout=layout):
                    self.check(shape, groups, layout, Data(shape, layout))

    def test_without_gamma_or_beta(self):
        shape, groups = (2, 12, 5, 4), 3
        for layout in Layout:
            for gamma in (False, True):
                for beta in (False, True):
                    with self.subTest(layout=layout, gamma=gamma, beta=beta):
                        data = Data(shape, layout)
                        self.check(shape, groups, layout, data, gamma=gamma, beta=beta)

    def test_epsilon(self):
        shape, groups = (2, 12, 5, 4), 3
        for eps in (0.0, 1e-12, 1.0):
            with self.subTest(eps=eps):
                self.check(shape, groups, Layout.CHANNELS_FIRST, Data(shape), eps=eps)

    def test_hard_values(self):
        shape, groups = (2, 16, 24, 25), 4
        for layout in Layout:
            for mean, deviation in ((1e4, 1e-2), (100, 0.01), (-1e30, 1e29), (1e-20, 1e-20)):
                with self.subTest(layout=layout, mean=mean, deviation=deviation):
                    data = Data(shape, layout, mean=mean, deviation=deviation)
                    self.check(shape, groups, layout, data)

    def test_equal_values_give_beta(self):
        for layout in Layout:
            data = Data((2, 8, 9, 5), layout)
            x = np.full_like(data.x, 0.1)
            with Plan((2, 8, 9, 5), 2, layout=layout) as plan:
                y = to_logical(plan.forward(x, data.gamma, data.beta), layout)
            expected = np.broadcast_to(data.beta.reshape(1, 8, 1, 1), y.shape)
            self.assertTrue(np.array_equal(y, expected))


class SameBitsTest(unittest.TestCase):
    SHAPE, GROUPS = (3, 64, 40, 41), 32

    def test_threads(self):
        for layout in Layout:
            data = Data(self.SHAPE, layout)
            expected = run(Plan(self.SHAPE, self.GROUPS, layout=layout, threads=1), data)
            for threads in (0, 2, 3, 8):
                plan = Plan(self.SHAPE, self.GROUPS, layout=layout, threads=threads)
                with self.subTest(layout=layout, threads=threads):
                    self.assertTrue(all(map(same_bits, run(plan, data), expected)))

    def test_instruction_sets(self):
        for layout in Layout:
            data = Data(self.SHAPE, layout)
            expected = run(
                Plan(self.SHAPE, self.GROUPS, layout=layout, isa=Isa.GENERIC), data
            )
            for isa in Isa:
                with self.subTest(layout=layout, isa=isa):
                    try:
                        plan = Plan(self.SHAPE, self.GROUPS, layout=layout, isa=isa)
                    except groupnorm.UnsupportedError:
                        continue
                    self.assertTrue(all(map(same_bits, run(plan, data), expected)))

    def test_each_sample_alone(self):
        for layout in Layout:
            data = Data(self.SHAPE, layout)
            together = Plan(self.SHAPE, self.GROUPS, layout=layout).forward(data.x)
            alone = Plan((1, *self.SHAPE[1:]), self.GROUPS, layout=layout)
            for n in range(self.SHAPE[0]):
                y = alone.forward(data.x[n:n + 1])
                self.assertTrue(same_bits(y, together[n:n + 1]))

    def test_one_plan_on_many_threads(self):
        for layout in Layout:
            plan = Plan(self.SHAPE, self.GROUPS, layout=layout, threads=2)
            inputs = [Data(self.SHAPE, layout, seed) for seed in range(4)]
            expected = [run(plan, data) for data in inputs]
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                results = list(pool.map(lambda i: run(plan, inputs[i % 4]), range(32)))
            for i, result in enumerate(results):
                self.assertTrue(all(map(same_bits, result, expected[i % 4])))

    def test_in_a_forked_process(self):
        plan = Plan(self.SHAPE, self.GROUPS, threads=2)
        data = Data(self.SHAPE)
        expected = run(plan, data)
        receiver, sender = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(
            target=lambda: sender.send(all(map(same_bits, run(plan, data), expected)))
        )
        child.start()
        try:
            self.assertTrue(receiver.poll(60), "the child hangs")
            self.assertTrue(receiver.recv())
        finally:
            child.kill()
            child.join()


class MemoryTest(unittest.TestCase):
    """Which memory is written to."""

    SHAPE, GROUPS = (2, 12, 5, 7), 3

    def setUp(self):
        self.plan = Plan(self.SHAPE, self.GROUPS)
        self.data = Data(self.SHAPE)
        self.expected = run(self.plan, self.data)

    def test_inputs_are_only_read(self):
        data, copy = self.data, Data(self.SHAPE)
        for array in (data.x, data.dy, data.gamma, data.beta, *self.expected):
            array.flags.writeable = False
        run(self.plan, data)
        for name in ("x", "dy", "gamma", "beta"):
            self.assertTrue(same_bits(getattr(data, name), getattr(copy, name)))

    def test_out(self):
        out = np.full_like(self.data.x, np.nan)
        y = self.plan.forward(self.data.x, self.data.gamma, self.data.beta, out=out)
        self.assertIs(y, out)
        self.assertTrue(same_bits(y, self.expected[0]))

    def test_forward_in_place(self):
        x = self.data.x.copy()
        y, mean, rstd = self.plan.forward(
            x, self.data.gamma, self.data.beta, out=x, stats=True
        )
        self.assertIs(y, x)
        self.assertTrue(all(map(same_bits, (y, mean, rstd), self.expected)))

    def test_backward_in_place(self):
        mean, rstd = self.expected[1:3]
        for name in ("dy", "x"):
            arrays = {"dy": self.data.dy.copy(), "x": self.data.x.copy()}
            dx, dgamma, dbeta = self.plan.backward(
                **arrays, mean=mean, rstd=rstd, gamma=self.data.gamma, dx=arrays[name]
            )
            self.assertIs(dx, arrays[name])
            self.assertTrue(all(map(same_bits, (dx, dgamma, dbeta), self.expected[3:])))

    def test_each_gradient_is_optional(self):
        mean, rstd = self.expected[1:3]
        for wanted in np.ndindex(2, 2, 2):
            gradients = self.plan.backward(
                self.data.dy, self.data.x, mean, rstd, self.data.gamma,
                dx=bool(wanted[0]), dgamma=bool(wanted[1]), dbeta=bool(wanted[2]),
            )
            for want, gradient, expected in zip(wanted, gradients, self.expected[3:]):
                if want:
                    self.assertTrue(same_bits(gradient, expected))
                else:
                    self.assertIsNone(gradient)

    def test_gradients_into_given_arrays(self):
        mean, rstd = self.expected[1:3]
        given = [np.full_like(array, np.nan) for array in self.expected[3:]]
        returned = self.plan.backward(
            self.data.dy, self.data.x, mean, rstd, self.data.gamma,
            dx=given[0], dgamma=given[1], dbeta=given[2],
        )
        for array, result, expected in zip(given, returned, self.expected[3:]):
            self.assertIs(result, array)
            self.assertTrue(same_bits(result, expected))

    def test_nothing_else_is_written(self):
        for layout in Layout:
            data = Data(self.SHAPE, layout)
            plan = Plan(self.SHAPE, self.GROUPS, layout=layout)
            expected = plan.forward(data.x)
            buffer = np.full(data.x.size + 34, 7, np.float32)
            for start in (16, 17):  # aligned to a vector, and not
                buffer[:] = 7
                out = buffer[start:start + data.x.size].reshape(data.x.shape)
                plan.forward(data.x, out=out)
                self.assertTrue(same_bits(out, expected))
                self.assertTrue((buffer[:start] == 7).all())
                self.assertTrue((buffer[start + data.x.size:] == 7).all())

    def test_overlap_is_refused(self):
        buffer = np.zeros(self.data.x.size + 1, np.float32)
        x = buffer[:-1].reshape(self.SHAPE)
        out = buffer[1:].reshape(self.SHAPE)
        x[:] = self.data.x
        before = buffer.copy()
        with self.assertRaises(groupnorm.InvalidArgumentError):
            self.plan.forward(x, out=out)
        self.assertTrue(same_bits(buffer, before))

    def test_empty_batch(self):
        for layout in Layout:
            plan = Plan((0, 12, 5, 7), 3, layout=layout)
            x = np.empty(plan.array_shape, np.float32)
            y, mean, rstd = plan.forward(x, stats=True)
            dx, dgamma, dbeta = plan.backward(x, x, mean, rstd)
            self.assertEqual(y.shape, x.shape)
            self.assertEqual(dx.shape, x.shape)
            self.assertEqual(mean.shape, (0, 3))
            self.assertTrue(same_bits(dgamma, np.zeros(12, np.float32)))
            self.assertTrue(same_bits(dbeta, np.zeros(12, np.float32)))

    def test_empty_spatial_extent(self):
        for layout in Layout:
            plan = Plan((2, 12, 0, 7), 3, layout=layout)
            x = np.empty(plan.array_shape, np.float32)
            y, mean, rstd = plan.forward(x, stats=True)
            _, dgamma, dbeta = plan.backward(x, x, mean, rstd)
            self.assertEqual(y.shape, x.shape)
            self.assertTrue(np.isnan(mean).all() and np.isnan(rstd).all())
            self.assertFalse(dgamma.any() or dbeta.any())

    def test_nan_stays_in_its_group(self):
        x = self.data.x.copy()
        x[1, 5, 2, 3] = np.nan  # group 1 of 3
        y, mean, rstd = self.plan.forward(x, self.data.gamma, self.data.beta, stats=True)
        self.assertTrue(np.isnan(y[1, 4:8]).all() and np.isnan(mean[1, 1]) and np.isnan(rstd[1, 1]))
        y[1, 4:8] = self.expected[0][1, 4:8]
        mean[1, 1] = self.expected[1][1, 1]
        self.assertTrue(same_bits(y, self.expected[0]))
        self.assertTrue(same_bits(mean, self.expected[1]))


class ArrayErrorTest(unittest.TestCase):
    """What must not reach the library."""

    SHAPE, GROUPS = (2, 12, 5, 7), 3

    def setUp(self):
        self.plan = Plan(self.SHAPE, self.GROUPS)
        self.data = Data(self.SHAPE)
        self.y, self.mean, self.rstd = self.plan.forward(self.data.x, stats=True)

    def check(self, error, pattern, **changed):
        """Each changed argument makes the call that has it fail, and changes no output."""
        forward = {"x": self.data.x, "gamma": self.data.gamma, "beta": self.data.beta,
                   "out": np.full_like(self.y, 7)}
        backward = {"dy": self.data.dy, "x": self.data.x, "mean": self.mean, "rstd": self.rstd,
                    "gamma": self.data.gamma, "dx": np.full_like(self.y, 7),
                    "dgamma": np.full_like(self.data.gamma, 7),
                    "dbeta": np.full_like(self.data.gamma, 7)}
        calls = 0
        for function, arguments in ((self.plan.forward, forward), (self.plan.backward, backward)):
            if set(changed) <= set(arguments):
                calls += 1
                arguments = {**arguments, **changed}
                with self.assertRaisesRegex(error, pattern):
                    function(**arguments)
                for name in {"out", "dx", "dgamma", "dbeta"} & (set(arguments) - set(changed)):
                    self.assertTrue((arguments[name] == 7).all())
        self.assertGreater(calls, 0)

    def arrays(self):
        """Each array argument's name and a good value."""
        channels = self.data.gamma
        return {
            "x": self.data.x, "dy": self.data.dy, "gamma": channels, "beta": channels,
            "mean": self.mean, "rstd": self.rstd, "out": self.y, "dx": self.y,
            "dgamma": channels, "dbeta": channels,
        }

    def test_type(self):
        for name, array in self.arrays().items():
            for dtype in ("f8", "f2", "i4", "c8", ">f4" if sys.byteorder == "little" else "<f4"):
                with self.subTest(name=name, dtype=dtype):
                    self.check(TypeError, f"^{name} has dtype", **{name: array.astype(dtype)})

    def test_not_an_array(self):
        for name, array in self.arrays().items():
            with self.subTest(name=name):
                self.check(TypeError, f"^{name} is a list", **{name: array.tolist()})

    def test_missing(self):
        for name in ("x", "dy", "mean", "rstd"):
            with self.subTest(name=name):
                self.check(TypeError, f"^{name} is a NoneType", **{name: None})

    def test_shape(self):
        for name, array in self.arrays().items():
            for wrong in (array[..., :-1].copy(), array[np.newaxis], array.reshape(-1, 1),
                          np.zeros(0, np.float32), np.zeros((), np.float32)):
                with self.subTest(name=name, shape=wrong.shape):
                    self.check(ValueError, f"^{name} has shape", **{name: wrong})

    def test_broadcast_is_not_contiguous(self):
        for name, array in self.arrays().items():
            with self.subTest(name=name):
                wrong = np.broadcast_to(np.float32(1), array.shape)
                self.check(ValueError, f"^{name} is not C-contiguous", **{name: wrong})

    def test_strided_is_not_contiguous(self):
        for name, array in self.arrays().items():
            with self.subTest(name=name):
                wrong = np.repeat(array, 2, axis=-1)[..., ::2]
                self.check(ValueError, f"^{name} is not C-contiguous", **{name: wrong})

    def test_transposed_is_not_contiguous(self):
        wrong = np.ascontiguousarray(np.moveaxis(self.data.x, 1, -1))
        self.check(ValueError, "^x is not C-contiguous", x=np.moveaxis(wrong, -1, 1))

    def test_channels_last_takes_the_order_of_memory(self):
        plan = Plan(self.SHAPE, self.GROUPS, layout=Layout.CHANNELS_LAST)
        with self.assertRaisesRegex(ValueError, "x has shape"):
            plan.forward(self.data.x)
        with self.assertRaisesRegex(ValueError, "x has shape"):
            plan.forward(np.moveaxis(self.data.x, 1, 2).copy())

    def test_unaligned(self):
        for name, array in self.arrays().items():
            with self.subTest(name=name):
                buffer = np.zeros(array.nbytes + 4, np.uint8)
                wrong = buffer[1:1 + array.nbytes].view(np.float32).reshape(array.shape)
                self.check(ValueError, f"^{name} is not aligned", **{name: wrong})

    def test_read_only_output(self):
        for name in ("out", "dx", "dgamma", "dbeta"):
            with self.subTest(name=name):
                wrong = np.zeros_like(self.arrays()[name])
                wrong.flags.writeable = False
                self.check(ValueError, f"^{name} is read-only", **{name: wrong})

    def test_strides_of_a_dim_of_one_do_not_matter(self):
        plan = Plan((2, 12, 1, 1), 3)
        x = self.data.x[:, :, 0, 0].reshape(2, 12, 1, 1).copy()
        strange = np.lib.stride_tricks.as_strided(x, strides=(48, 4, 4096, 12))
        self.assertTrue(same_bits(plan.forward(strange), plan.forward(x)))

    def test_closed_plan(self):
        with self.plan as plan:
            self.assertFalse(plan.closed)
        self.assertTrue(plan.closed)
        plan.close()
        for call in (plan.describe, lambda: plan.forward(self.data.x), plan.__enter__,
                     lambda: plan.backward(self.data.dy, self.data.x, self.mean, self.rstd)):
            with self.assertRaisesRegex(ValueError, "closed"):
                call()


class PlanErrorTest(unittest.TestCase):
    def test_groups_do_not_divide(self):
        with self.assertRaises(ValueError) as caught:
            Plan((2, 48, 5), 32)
        self.assertIsInstance(caught.exception, groupnorm.GroupNormError)
        self.assertEqual(caught.exception.status, groupnorm.Status.INVALID_ARGUMENT)
        self.assertIn("32", str(caught.exception))
        self.assertIn("48", str(caught.exception))

    def test_values_that_the_library_refuses(self):
        for arguments in (
            {"shape": ()},
            {"shape": (2,)},
            {"shape": (1, 4) + (1,) * 7},
            {"shape": (-1, 4, 5)},
            {"shape": (2, 0, 5)},
            {"shape": (2, 4, -5)},
            {"shape": (2**31, 4, 2**31)},
            {"groups": 0},
            {"groups": -4},
            {"eps": -1e-5},
            {"eps": float("nan")},
            {"eps": float("inf")},
            {"threads": -1},
            {"threads": 1025},
        ):
            with self.subTest(**arguments):
                with self.assertRaises(groupnorm.InvalidArgumentError) as caught:
                    Plan(**{"shape": (2, 4, 5), "groups": 2, **arguments})
                self.assertEqual(caught.exception.status, 1)

    def test_integers_that_would_be_cut(self):
        for name, value in (
            ("shape", (2, 2**64 + 4, 5)),
            ("shape", (2**63, 4, 5)),
            ("groups", 2**64 + 2),
            ("groups", -(2**63) - 1),
            ("threads", 2**32 + 1),
        ):
            with self.subTest(name=name, value=value):
                with self.assertRaisesRegex(ValueError, f"^{name}.*does not fit"):
                    Plan(**{"shape": (2, 4, 5), "groups": 2, name: value})

    def test_types(self):
        for name, value in (
            ("shape", 5),
            ("shape", (2, 4.0, 5)),
            ("groups", 2.0),
            ("groups", "2"),
            ("groups", None),
            ("threads", None),
            ("eps", None),
            ("layout", "channels_last"),
            ("layout", 1),
            ("isa", Layout.CHANNELS_LAST),
        ):
            with self.subTest(name=name, value=value):
                with self.assertRaises(TypeError):
                    Plan(**{"shape": (2, 4, 5), "groups": 2, name: value})

    def test_unsupported_instruction_set(self):
        unsupported = []
        for isa in Isa:
            try:
                Plan((2, 4, 5), 2, isa=isa)
            except NotImplementedError as error:
                self.assertIsInstance(error, groupnorm.GroupNormError)
                self.assertEqual(error.status, groupnorm.Status.UNSUPPORTED)
                unsupported.append(isa)
        self.assertNotIn(Isa.AUTO, unsupported)
        self.assertNotIn(Isa.GENERIC, unsupported)
        self.assertTrue(unsupported)  # no machine has both AVX and NEON

    def test_environment(self):
        with unittest.mock.patch.dict(os.environ, GN_ISA="generic"):
            self.assertEqual(Plan((2, 4, 5), 2).describe()["isa"], "generic")
        with unittest.mock.patch.dict(os.environ, GN_ISA="abacus"):
            with self.assertRaisesRegex(groupnorm.InvalidArgumentError, "abacus"):
                Plan((2, 4, 5), 2)

    def test_exceptions(self):
        self.assertTrue(issubclass(groupnorm.InvalidArgumentError, ValueError))
        self.assertTrue(issubclass(groupnorm.UnsupportedError, NotImplementedError))
        self.assertTrue(issubclass(groupnorm.OutOfMemoryError, MemoryError))
        error = pickle.loads(pickle.dumps(groupnorm.OutOfMemoryError(3, "out of memory: x")))
        self.assertEqual((error.status, str(error)), (3, "out of memory: x"))


class PlanTest(unittest.TestCase):
    def test_properties(self):
        plan = Plan([2, 4, 3, 5], 2, layout=Layout.CHANNELS_LAST, eps=1e-3)
        self.assertEqual(plan.shape, (2, 4, 3, 5))
        self.assertEqual(plan.array_shape, (2, 3, 5, 4))
        self.assertEqual(plan.param_shape, (4,))
        self.assertEqual(plan.stats_shape, (2, 2))
        self.assertEqual(plan.groups, 2)
        self.assertEqual(plan.eps, 1e-3)
        self.assertIs(plan.layout, Layout.CHANNELS_LAST)
        self.assertEqual(
            repr(plan), "Plan((2, 4, 3, 5), groups=2, layout=Layout.CHANNELS_LAST, eps=0.001)"
        )
        self.assertEqual(Plan((2, 64)).groups, 32)
        self.assertEqual(Plan(np.array([2, 64]), np.int16(4)).shape, (2, 64))

    def test_describe(self):
        for shape, groups in CASES:
            description = Plan(shape, groups).describe()
            self.assertEqual(description["version"], groupnorm.version_string())
            self.assertEqual(tuple(description["dims"]), shape)
            self.assertEqual(description["groups"], groups)
            self.assertIn("layout", description)
            self.assertIn("isa", description)

    def test_destroyed_with_the_last_reference(self):
        destroyed = []
        library = types.SimpleNamespace(gn_plan_destroy=destroyed.append)
        with unittest.mock.patch("groupnorm._library", library):
            handle = groupnorm._Handle(42)
        in_use = handle
        del handle
        self.assertEqual(destroyed, [])
        del in_use
        self.assertEqual(destroyed, [42])

    def test_function(self):
        for shape, groups in CASES:
            for layout in Layout:
                data = Data(shape, layout)
                y = groupnorm.group_norm(data.x, groups, data.gamma, data.beta, 1e-3, layout)
                plan = Plan(shape, groups, layout=layout, eps=1e-3)
                self.assertTrue(same_bits(y, plan.forward(data.x, data.gamma, data.beta)))

    def test_function_errors(self):
        x = np.zeros((2, 4, 5), np.float32)
        with self.assertRaises(TypeError):
            groupnorm.group_norm(x.tolist(), 2)
        with self.assertRaises(TypeError):
            groupnorm.group_norm(x.astype(np.float64), 2)
        with self.assertRaises(TypeError):
            groupnorm.group_norm(x, 2, layout="channels_last")
        with self.assertRaises(ValueError):
            groupnorm.group_norm(x[0, 0], 2)
        with self.assertRaises(ValueError):
            groupnorm.group_norm(x.T, 2)
        with self.assertRaises(ValueError):
            groupnorm.group_norm(x, 3)


class LibraryTest(unittest.TestCase):
    def import_with(self, path):
        """The last line that Python prints when it uses the library at `path`."""
        result = subprocess.run(
            [sys.executable, "-c", "import groupnorm; print(groupnorm.version())"],
            cwd=HERE,
            env={**os.environ, "GN_LIBRARY": path, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return result.stdout.strip().splitlines()[-1]

    def test_version(self):
        self.assertEqual(".".join(map(str, groupnorm.version())), groupnorm.version_string())

    def test_no_such_file(self):
        self.assertRegex(
            self.import_with("/no/such/library.so"),
            "^ImportError: cannot load libgroupnorm from GN_LIBRARY=/no/such/library.so",
        )

    def test_another_library(self):
        path = ctypes.util.find_library("c")
        self.assertRegex(
            self.import_with(path), f"^ImportError: {re.escape(path)} has no function gn_"
        )

    @unittest.skipUnless(HEADER.exists(), f"{HEADER} is not there")
    def test_header(self):
        text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
        functions = re.findall(r"GN_API\s+([\w\s*]*?)(gn_\w+)\(([^)]*)\)", text)
        declared = {
            name: (result.strip(), 0 if arguments == "void" else arguments.count(",") + 1)
            for result, name, arguments in functions
        }
        results = {
            "gn_status": groupnorm._Status, "int": ctypes.c_int, "void": None,
            "const char *": ctypes.c_char_p,
        }
        self.assertEqual(
            {name: (results[result], count) for name, (result, count) in declared.items()},
            {name: (result, len(arguments))
             for name, (result, arguments) in groupnorm._PROTOTYPES.items()},
        )
        enums = {
            name: {key: int(value) for key, value in re.findall(r"(GN_\w+) = (\d+)", body)}
            for body, name in re.findall(r"typedef enum \w+ \{(.*?)\} (\w+);", text, re.DOTALL)
        }
        for name, kind, prefix in (("gn_status", groupnorm.Status, "GN_"),
                                   ("gn_layout", Layout, "GN_"), ("gn_isa", Isa, "GN_ISA_")):
            self.assertEqual(enums[name], {prefix + member.name: member for member in kind})


if __name__ == "__main__":
    unittest.main()
