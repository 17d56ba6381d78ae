# SPDX-License-Identifier: MIT
"""Which arrays the numpy binding takes, writes into and refuses."""

import re
import sys
import unittest

import numpy as np

import groupnorm
from groupnorm import Layout, Plan, Tensor
from reference import Data, run, same_bits


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

    def test_empty_arrays_take_no_memory(self):
        for shape in ((0, 64, 2**40), (0, 2**20, 64, 2**20), (2, 64, 0, 2**40)):
            plan = Plan(shape)
            y, mean, _ = plan.forward(np.empty(shape, np.float32), stats=True)
            self.assertEqual((y.shape, mean.shape), (shape, (shape[0], 32)))
        # As those of arrays whose empty dims are of one.
        self.assertEqual(Plan((2, 12, 0, 7), 3).strides[Tensor.X], (336, 28, 28, 4))

    def test_numpy_bools_are_bools(self):
        mean, rstd = self.expected[1:3]
        dx, dgamma, dbeta = self.plan.backward(
            self.data.dy, self.data.x, mean, rstd, self.data.gamma, dx=np.False_, dgamma=np.True_,
            dbeta=np.all([]))
        self.assertIsNone(dx)
        self.assertTrue(all(map(same_bits, (dgamma, dbeta), self.expected[4:])))

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
            swapped = ">f4" if sys.byteorder == "little" else "<f4"
            for dtype in ("f8", "f2", "u2", "i4", "c8", swapped):
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

    def check_strides(self, name, wrong, array):
        """The error names both strides."""
        sentence = f"{name} has strides {wrong.strides}, not the plan's {array.strides}"
        self.check(ValueError, f"^{re.escape(sentence)}$", **{name: wrong})

    def test_broadcast_is_not_contiguous(self):
        for name, array in self.arrays().items():
            with self.subTest(name=name):
                self.check_strides(name, np.broadcast_to(np.float32(1), array.shape), array)

    def test_strided_is_not_contiguous(self):
        for name, array in self.arrays().items():
            with self.subTest(name=name):
                self.check_strides(name, np.repeat(array, 2, axis=-1)[..., ::2], array)

    def test_one_wrong_stride(self):
        """Of any dim, the one of size 2 too."""
        for name, array in self.arrays().items():
            for dim in range(array.ndim):
                with self.subTest(name=name, dim=dim):
                    shape = [2 * size if i == dim else size for i, size in enumerate(array.shape)]
                    strides = [stride if i != dim else 2 * stride
                               for i, stride in enumerate(array.strides)]
                    wrong = np.ndarray(array.shape, array.dtype, np.zeros(shape, array.dtype),
                                       strides=strides)
                    self.check_strides(name, wrong, array)

    def test_transposed_is_not_contiguous(self):
        wrong = np.ascontiguousarray(np.moveaxis(self.data.x, 1, -1))
        self.check_strides("x", np.moveaxis(wrong, -1, 1), self.data.x)

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


if __name__ == "__main__":
    unittest.main()
