# SPDX-License-Identifier: MIT
"""What the numpy binding computes in other types than float32, and with activations."""

import unittest

import numpy as np

import groupnorm
from groupnorm import Activation, Layout, Plan, Type
from reference import CASES, AccuracyTest, Data, run, same_bits, store, value

TYPES = [
    (Type.F64,) * 3,
    (Type.F64, Type.F64, Type.F32),
    (Type.BF16,) * 3,
    (Type.BF16, Type.BF16, Type.F32),
    (Type.BF16, Type.F32, Type.F32),
    (Type.F32, Type.BF16, Type.F32),
    (Type.F16,) * 3,
    (Type.F16, Type.F16, Type.F32),
    (Type.F16, Type.F32, Type.F16),
    (Type.F32, Type.F16, Type.F32),
]


class TypeTest(AccuracyTest):
    def test_types(self):
        for types in TYPES:
            for shape, groups in CASES:
                for layout in Layout:
                    with self.subTest(types=types, shape=shape, groups=groups, layout=layout):
                        self.check(shape, groups, layout, Data(shape, layout, types=types))

    def test_activations(self):
        for activation in Activation:
            for types in ((Type.F32,) * 3, *TYPES):
                for layout in Layout:
                    with self.subTest(activation=activation, types=types, layout=layout):
                        shape, groups = (2, 12, 5, 7), 3
                        self.check(shape, groups, layout, Data(shape, layout, types=types),
                                   activation=activation)
                        by_sample = Data(shape, layout, types=types, param_shape=shape[:2])
                        self.check(shape, groups, layout, by_sample, activation=activation)
                        self.check(shape, groups, layout, by_sample, activation=activation,
                                   gamma=False)
                        self.check(shape, groups, layout, by_sample, activation=activation,
                                   beta=False)

    def test_what_stores_bfloat16(self):
        values = np.float32([1, -2.5, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-8 + 2.0**-20, 0])
        expected = np.float32([1, -2.5, 1, 1 + 2.0**-6, 1 + 2.0**-7, 0])
        self.assertTrue(same_bits(value(store(values, Type.BF16), Type.BF16), expected))

    def test_statistics_of_doubles(self):
        data = Data((2, 6, 5, 4), types=Type.F64, mean=1e10)
        y, mean, rstd = Plan((2, 6, 5, 4), 3, types=Type.F64).forward(data.x, stats=True)
        self.assertEqual((y.dtype, mean.dtype, rstd.dtype), (np.float64,) * 3)
        again = Plan((2, 6, 5, 4), 3, types=Type.F64).normalize(data.x, mean, rstd)
        np.testing.assert_allclose(again, y, rtol=0, atol=1e-4)

    def test_function(self):
        for types in TYPES:
            data = Data((2, 6, 5, 4), types=types)
            plan = Plan((2, 6, 5, 4), 3, types=types, activation=Activation.SILU)
            arguments = data.x, 3, data.gamma, data.beta
            y = groupnorm.group_norm(*arguments, activation=Activation.SILU, types=types)
            self.assertTrue(same_bits(y, plan.forward(data.x, data.gamma, data.beta)))
            if Type.BF16 not in types and types[0] is types[1]:
                again = groupnorm.group_norm(*arguments, activation=Activation.SILU)
                self.assertTrue(same_bits(again, y))

    def test_function_with_beta_alone_of_another_type(self):
        data = Data((2, 6, 5, 4), types=(Type.F16, Type.F16, Type.F32))
        y = groupnorm.group_norm(data.x, 3, beta=data.beta)
        self.assertTrue(same_bits(y, Plan((2, 6, 5, 4), 3, types=data.types).forward(
            data.x, beta=data.beta)))

    def test_what_describes(self):
        plan = Plan((2, 6, 5), 3, types=(Type.BF16, Type.F32, Type.F32), activation=Activation.RELU)
        description = plan.describe()
        self.assertEqual(description["types"], {"x": "bf16", "y": "f32", "param": "f32"})
        self.assertEqual(description["activation"], "relu")
        self.assertEqual(plan.types, (Type.BF16, Type.F32, Type.F32))
        self.assertIs(plan.activation, Activation.RELU)


class TypeErrorTest(unittest.TestCase):
    """Arrays of another type than the plan's."""

    def test_arrays(self):
        shape = (2, 12, 5, 7)
        for types in TYPES:
            plan, data = Plan(shape, 3, types=types), Data(shape, types=types)
            y, mean, rstd, dx, dgamma, dbeta = run(plan, data)
            arrays = {
                "dy": data.dy, "x": data.x, "mean": mean, "rstd": rstd, "gamma": data.gamma,
                "beta": data.beta, "dx": dx, "dgamma": dgamma, "dbeta": dbeta,
            }
            for name, array in arrays.items():
                wrong = next(kind for kind in Type if kind.dtype != array.dtype)
                sentence = f"^{name} has dtype {wrong.dtype}, not {array.dtype}, as the plan's Type"
                with self.subTest(types=types, name=name):
                    with self.assertRaisesRegex(TypeError, sentence):
                        plan.backward(**{**arrays, name: array.astype(wrong.dtype)})
            with self.assertRaisesRegex(TypeError, "^out has dtype int16"):
                plan.forward(data.x, out=np.empty(shape, np.int16))

    def test_overlap_of_other_types(self):
        """y may be x, but not where their elements differ."""
        plan = Plan((2, 6, 5), 3, types=(Type.F32, Type.F16, Type.F32))
        memory = np.zeros((2, 6, 5), np.float32)
        out = memory.reshape(-1).view(np.float16)[:60].reshape(2, 6, 5)
        with self.assertRaises(groupnorm.InvalidArgumentError):
            plan.forward(memory, out=out)


if __name__ == "__main__":
    unittest.main()
