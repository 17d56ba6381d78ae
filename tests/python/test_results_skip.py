# SPDX-License-Identifier: MIT
"""What the numpy binding computes of x + skip."""

import unittest

import numpy as np

import groupnorm
from groupnorm import Activation, Layout, Plan, Skip, Tensor, Type
from reference import CASES, Data, same_bits, store, to_logical, to_memory, value


def two_steps(plan, data, skip):
    """What forward_add and backward_add return, by an addition before forward and backward."""
    of_type = plan.types[0]
    x, shape = to_logical(data.x, plan.layout), plan.shape
    if plan.skip is Skip.CHANNEL:
        skip = skip.reshape(shape[:2] + (1,) * (len(shape) - 2))
    else:
        skip = to_logical(skip, plan.layout)
    x_values, skip_values = value(x, of_type), value(skip, of_type)
    total = to_memory(store(x_values + skip_values, of_type), plan.layout)
    y, mean, rstd = plan.forward(total, data.gamma, data.beta, stats=True)
    gradients = plan.backward(data.dy, total, mean, rstd, data.gamma, data.beta)
    return y, total, mean, rstd, *gradients


class SkipTest(unittest.TestCase):
    def check(self, shape, groups, layout, skip_kind, types, activation=Activation.SILU):
        """Both steps at once give the bits of one after the other."""
        data = Data(shape, layout, types=types)
        skip = Data(shape, layout, seed=1, types=types).x
        if skip_kind is Skip.CHANNEL:
            skip = Data(shape[:2], seed=1, types=types).x
        plan = Plan(shape, groups, layout=layout, types=types, activation=activation,
                    skip=skip_kind)
        expected = two_steps(plan, data, skip)
        y, total, mean, rstd = plan.forward_add(data.x, skip, data.gamma, data.beta, stats=True)
        dx, dskip, dgamma, dbeta = plan.backward_add(
            data.dy, total, mean, rstd, data.gamma, data.beta, dskip=True
        )
        for name, actual, wanted in zip(
            ("y", "sum", "mean", "rstd", "dx", "dgamma", "dbeta"),
            (y, total, mean, rstd, dx, dgamma, dbeta), expected,
        ):
            self.assertTrue(same_bits(actual, wanted), name)
        dx_values = value(to_logical(dx, layout), types).astype(np.float64)
        sums = dx_values.reshape(*shape[:2], -1).sum(axis=2)
        size = np.abs(dx_values).reshape(*shape[:2], -1).sum(axis=2)
        self.assertEqual((dskip.dtype, dskip.shape), (types.dtype, shape[:2]))
        unit = {Type.F32: 2.0**-20, Type.F64: 2.0**-49, Type.BF16: 2.0**-7, Type.F16: 2.0**-10}
        error = np.abs(value(dskip, types) - sums)
        self.assertLessEqual((error - unit[types] * (size + 1e-6)).max(), 0)

    def test_shapes(self):
        for shape, groups in CASES:
            for layout in Layout:
                for skip_kind in Skip:
                    with self.subTest(shape=shape, layout=layout, skip=skip_kind):
                        self.check(shape, groups, layout, skip_kind, Type.F32)

    def test_types_and_activations(self):
        for types in Type:
            for activation in Activation:
                for skip_kind in Skip:
                    with self.subTest(types=types, activation=activation, skip=skip_kind):
                        self.check((2, 12, 5, 7), 3, Layout.CHANNELS_LAST, skip_kind, types,
                                   activation)

    def test_types_that_differ(self):
        """skip, sum, dx and dskip are of the type of x, not of y."""
        for types in ((Type.BF16, Type.F32, Type.F32), (Type.F16, Type.F32, Type.F16),
                      (Type.F32, Type.BF16, Type.F32), (Type.F32, Type.F16, Type.F32)):
            for skip_kind, skip_shape in ((Skip.TENSOR, (2, 12, 5, 7)), (Skip.CHANNEL, (2, 12))):
                with self.subTest(types=types, skip=skip_kind):
                    data = Data((2, 12, 5, 7), types=types)
                    skip = Data(skip_shape, seed=1, types=types).x
                    plan = Plan((2, 12, 5, 7), 3, types=types, skip=skip_kind)
                    expected = two_steps(plan, data, skip)
                    forward = plan.forward_add(data.x, skip, data.gamma, data.beta, stats=True)
                    dx, dskip, dgamma, dbeta = plan.backward_add(
                        data.dy, *forward[1:], data.gamma, data.beta, dskip=True)
                    for actual, wanted in zip((*forward, dx, dgamma, dbeta), expected):
                        self.assertTrue(same_bits(actual, wanted))
                    self.assertEqual((dskip.dtype, dskip.shape), (types[0].dtype, (2, 12)))

    def setUp(self):
        self.plan = Plan((2, 12, 5, 7), 3)
        self.data = Data((2, 12, 5, 7))
        self.skip = Data((2, 12, 5, 7), seed=1).x
        self.expected = two_steps(self.plan, self.data, self.skip)

    def test_outputs_may_be_inputs(self):
        for out_name, sum_name in (("x", "skip"), ("skip", "x"), (None, "x"), ("skip", None)):
            with self.subTest(out=out_name, sum=sum_name):
                arrays = {"x": self.data.x.copy(), "skip": self.skip.copy()}
                y, total = self.plan.forward_add(
                    **arrays, gamma=self.data.gamma, beta=self.data.beta,
                    out=arrays.get(out_name), sum=arrays.get(sum_name, True),
                )
                self.assertTrue(same_bits(y, self.expected[0]))
                self.assertTrue(same_bits(total, self.expected[1]))

    def test_sum_is_optional(self):
        y, total = self.plan.forward_add(self.data.x, self.skip, self.data.gamma, self.data.beta,
                                         sum=False)
        self.assertIsNone(total)
        self.assertTrue(same_bits(y, self.expected[0]))
        narrow = Plan((2, 12, 5, 7), 3, types=(Type.F32, Type.BF16, Type.F32))
        with self.assertRaisesRegex(groupnorm.UnsupportedError, "sum"):
            narrow.forward_add(self.data.x, self.skip, sum=False)

    def test_each_gradient_is_optional(self):
        _, total, mean, rstd, *gradients = self.expected
        gradients.insert(1, self.plan.backward_add(
            self.data.dy, total, mean, rstd, self.data.gamma, dskip=True)[1])
        for wanted in np.ndindex(2, 2, 2, 2):
            names = dict(zip(("dx", "dskip", "dgamma", "dbeta"), map(bool, wanted)))
            actual = self.plan.backward_add(
                self.data.dy, total, mean, rstd, self.data.gamma, **names)
            for want, gradient, expected in zip(wanted, actual, gradients):
                if want:
                    self.assertTrue(same_bits(gradient, expected))
                else:
                    self.assertIsNone(gradient)

    def test_dx_in_sum(self):
        _, total, mean, rstd, *gradients = self.expected
        dx, _, _, _ = self.plan.backward_add(self.data.dy, total, mean, rstd, self.data.gamma,
                                             dx=total)
        self.assertIs(dx, total)
        self.assertTrue(same_bits(dx, gradients[0]))

    def test_inputs_are_only_read(self):
        for skip_kind, skip in ((Skip.TENSOR, self.skip), (Skip.CHANNEL, self.skip[..., 0, 0])):
            plan = Plan((2, 12, 5, 7), 3, skip=skip_kind)
            arrays = [array.copy() for array in (self.data.x, skip, self.data.gamma,
                                                 self.data.beta, self.data.dy)]
            for array in arrays:
                array.flags.writeable = False
            x, skip, gamma, beta, dy = arrays
            y, total, mean, rstd = plan.forward_add(x, skip, gamma, beta, stats=True)
            for array in (total, mean, rstd):
                array.flags.writeable = False
            copy = total.copy()
            plan.backward_add(dy, total, mean, rstd, gamma, beta, dskip=True)
            plan.normalize(total, mean, rstd, gamma, beta)
            self.assertTrue(same_bits(total, copy))

    def test_read_only_outputs(self):
        read_only = np.zeros((2, 12, 5, 7), np.float32)
        small = np.zeros((2, 12), np.float32)
        for array in (read_only, small):
            array.flags.writeable = False
        _, total, mean, rstd = self.expected[:4]
        for name, array, call in (
            ("out", read_only, lambda **out: self.plan.forward_add(self.data.x, self.skip, **out)),
            ("out", read_only, lambda **out: self.plan.normalize(self.data.x, mean, rstd, **out)),
            ("sum", read_only, lambda **out: self.plan.forward_add(self.data.x, self.skip, **out)),
            ("dx", read_only,
             lambda **out: self.plan.backward_add(self.data.dy, total, mean, rstd, **out)),
            ("dskip", small,
             lambda **out: self.plan.backward_add(self.data.dy, total, mean, rstd, **out)),
        ):
            with self.assertRaisesRegex(ValueError, f"^{name} is read-only"):
                call(**{name: array})

    def test_wrong_arrays(self):
        by_channel = Plan((2, 12, 5, 7), 3, skip=Skip.CHANNEL)
        x, channels = self.data.x, np.zeros((2, 12), np.float32)
        for plan, skip, error, pattern in (
            (self.plan, channels, ValueError, "^skip has shape"),
            (self.plan, x.astype(np.float64), TypeError, "^skip has dtype"),
            (self.plan, x[..., ::-1], ValueError, "^skip has strides .* not the plan's"),
            (self.plan, None, TypeError, "^skip is a NoneType"),
            (by_channel, x, ValueError, "^skip has shape"),
            (by_channel, channels[:, ::-1], ValueError, "^skip has strides"),
        ):
            with self.assertRaisesRegex(error, pattern):
                plan.forward_add(x, skip)
        _, total, mean, rstd = self.expected[:4]
        for name, wrong in (("gamma", channels), ("beta", channels), ("mean", channels),
                            ("rstd", channels)):
            arrays = {"gamma": self.data.gamma, "beta": self.data.beta, "mean": mean, "rstd": rstd,
                      name: wrong}
            with self.assertRaisesRegex(ValueError, f"^{name} has shape"):
                self.plan.backward_add(x, total, **arrays)
            with self.assertRaisesRegex(ValueError, f"^{name} has shape"):
                self.plan.normalize(x, **arrays)
            if name in ("gamma", "beta"):
                with self.assertRaisesRegex(ValueError, f"^{name} has shape"):
                    self.plan.forward_add(x, x, **{name: wrong})
        for name in ("x", "dy", "sum"):
            calls = {
                "x": (lambda x: self.plan.forward_add(x, self.skip),
                      lambda x: self.plan.normalize(x, mean, rstd)),
                "dy": (lambda dy: self.plan.backward_add(dy, total, mean, rstd),),
                "sum": (lambda sum: self.plan.backward_add(x, sum, mean, rstd),),
            }
            for call in calls[name]:
                with self.assertRaisesRegex(ValueError, f"^{name} has shape"):
                    call(channels)
        with self.assertRaisesRegex(ValueError, "^sum has shape"):
            self.plan.forward_add(x, x, sum=channels)
        with self.assertRaisesRegex(ValueError, "^dskip has shape"):
            mean = np.zeros((2, 3), np.float32)
            by_channel.backward_add(x, x, mean, mean, dskip=x)

    def test_strides_of_each(self):
        """All differ, and each is held to its own."""
        x = self.data.x

        def part(pad):
            return np.zeros((2, 12, 5, 7 + pad), np.float32)[..., :7]

        named = {tensor: part(pad) for pad, tensor in enumerate(Tensor, 1)}
        plan = Plan((2, 12, 5, 7), 3,
                    strides={tensor: array.strides for tensor, array in named.items()})
        for tensor, values in ((Tensor.X, x), (Tensor.SKIP, self.skip), (Tensor.DY, self.data.dy)):
            named[tensor][...] = values
        gamma, beta = self.data.gamma, self.data.beta
        y, total, mean, rstd = plan.forward_add(
            named[Tensor.X], named[Tensor.SKIP], gamma, beta, out=named[Tensor.Y],
            sum=named[Tensor.SUM], stats=True)
        dx, _, dgamma, dbeta = plan.backward_add(
            named[Tensor.DY], total, mean, rstd, gamma, beta, dx=named[Tensor.DX])
        for actual, expected in zip((y, total, mean, rstd, dx, dgamma, dbeta), self.expected):
            self.assertTrue(np.array_equal(actual, expected))
        new = *plan.forward_add(named[Tensor.X], named[Tensor.SKIP]), plan.backward_add(
            named[Tensor.DY], total, mean, rstd)[0]
        self.assertEqual([array.strides for array in new],
                         [named[tensor].strides for tensor in (Tensor.Y, Tensor.SUM, Tensor.DX)])

    def test_strides(self):
        wide = np.zeros((2, 20, 5, 9), np.float32)
        part = wide[:, 3:15, :, 1:8]
        part[...] = self.skip
        total = np.zeros((2, 12, 5, 10), np.float32)[..., :7]
        plan = Plan((2, 12, 5, 7), 3,
                    strides={Tensor.SKIP: part.strides, Tensor.SUM: total.strides})
        y, _ = plan.forward_add(self.data.x, part, self.data.gamma, self.data.beta, sum=total)
        self.assertTrue(same_bits(y, self.expected[0]))
        self.assertTrue(np.array_equal(total, self.expected[1]))
        self.assertFalse(total.base[..., 7:].any())


if __name__ == "__main__":
    unittest.main()
