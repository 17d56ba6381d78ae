# SPDX-License-Identifier: MIT
"""Plans of the numpy binding."""

import os
import pickle
import types
import unittest
import unittest.mock

import numpy as np

import groupnorm
from groupnorm import Affine, Isa, Layout, Plan, Tensor, Type
from reference import CASES, Data, same_bits


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
            {"strides": {Tensor.X: (80, -20, 4)}},
            {"strides": {Tensor.Y: (0, 20, 4)}},
            {"strides": {Tensor.DY: (2**62, 20, 4)}},
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
            ("threads", 2**31),
            ("groups", 2**63),
        ):
            with self.subTest(name=name, value=value):
                with self.assertRaisesRegex(ValueError, f"^{name}.*does not fit"):
                    Plan(**{"shape": (2, 4, 5), "groups": 2, name: value})

    def test_integers_at_the_bounds(self):
        """They fit, and the library refuses them."""
        for arguments in ({"groups": 2**63 - 1}, {"groups": -(2**63)}, {"threads": 2**31 - 1},
                          {"threads": -(2**31)}):
            with self.assertRaises(groupnorm.InvalidArgumentError):
                Plan(**{"shape": (2, 4, 5), "groups": 2, **arguments})

    def test_errors_that_are_rare(self):
        library = groupnorm._library
        for status, kind in ((3, groupnorm.OutOfMemoryError), (77, groupnorm.GroupNormError)):
            with self.assertRaises(kind) as caught:
                library.gn_desc_create.errcheck(groupnorm._Status(status), None, ())
            self.assertIs(type(caught.exception), kind)
            self.assertEqual(caught.exception.status, status)

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
            ("types", np.float32),
            ("types", (Type.F32, Type.F32, 0)),
            ("activation", "silu"),
            ("skip", 1),
            ("strides", {"x": (80, 20, 4)}),
            ("strides", {Tensor.X: (80.0, 20, 4)}),
            ("strides", {Tensor.X: None}),
        ):
            with self.subTest(name=name, value=value):
                with self.assertRaises(TypeError):
                    Plan(**{"shape": (2, 4, 5), "groups": 2, name: value})

    def test_strides_of_other_dims_or_elements(self):
        for strides, sentence in (
            ((20, 4), r"strides of x = \(20, 4\) are not 3"),
            ((80, 20, 6), r"strides of x = \(80, 20, 6\) are not of elements of 4 bytes"),
            ((80, 20, 2**63), "strides of x = .*does not fit"),
        ):
            with self.assertRaisesRegex(ValueError, sentence):
                Plan((2, 4, 5), 2, strides={Tensor.X: strides})

    def test_unsupported_types(self):
        for types in ((Type.F64, Type.F32, Type.F32), (Type.BF16, Type.F16, Type.F32),
                      (Type.F32, Type.F32, Type.BF16)):
            with self.assertRaisesRegex(groupnorm.UnsupportedError, "types? .*supported are"):
                Plan((2, 4, 5), 2, types=types)
        with self.assertRaisesRegex(ValueError, "types are 2"):
            Plan((2, 4, 5), 2, types=(Type.F32, Type.F32))

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

    def test_settings_reach_the_library(self):
        """Those that no result shows."""
        for isa in (Isa.AUTO, Isa.GENERIC):
            with unittest.mock.patch.object(groupnorm._library, "gn_desc_set_isa") as set_isa:
                Plan((2, 4, 5), 2, isa=isa)
            self.assertEqual(set_isa.call_args.args[1:], (isa,))
        with unittest.mock.patch.object(groupnorm._library, "gn_desc_set_threads") as set_threads:
            Plan((2, 4, 5), 2, threads=7)
        self.assertEqual(set_threads.call_args.args[1:], (7,))

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
            repr(plan),
            "Plan((2, 4, 3, 5), groups=2, layout=Layout.CHANNELS_LAST, eps=0.001, "
            "types=(Type.F32, Type.F32, Type.F32), affine=Affine.CHANNEL, "
            "activation=Activation.IDENTITY, skip=Skip.TENSOR)",
        )
        self.assertEqual(plan.strides, dict.fromkeys(Tensor, (240, 80, 16, 4)))
        by_sample = Plan((2, 4, 3), 2, affine=Affine.SAMPLE)
        self.assertIs(by_sample.affine, Affine.SAMPLE)
        self.assertEqual(by_sample.param_shape, (2, 4))
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
        for dtype in (np.int32, np.uint16):
            with self.assertRaisesRegex(TypeError, f"^x has dtype {dtype.__name__}"):
                groupnorm.group_norm(x.astype(dtype), 2)
        with self.assertRaisesRegex(TypeError, "^gamma has dtype uint16"):
            groupnorm.group_norm(x, 2, np.zeros(4, np.uint16))
        with self.assertRaisesRegex(TypeError, "^beta has dtype float64"):
            groupnorm.group_norm(x, 2, np.zeros(4, np.float32), np.zeros(4))
        with self.assertRaises(TypeError):
            groupnorm.group_norm(x, 2, layout="channels_last")
        for array in (x[0, 0], x[0, 0, 0]):
            for layout in Layout:
                with self.assertRaisesRegex(ValueError, "^x has shape .*: no batch and channels$"):
                    groupnorm.group_norm(np.asarray(array), 2, layout=layout)
        with self.assertRaisesRegex(ValueError, "strides of x.* is negative"):
            groupnorm.group_norm(x[:, ::-1], 2)
        with self.assertRaises(ValueError):
            groupnorm.group_norm(x, 3)


if __name__ == "__main__":
    unittest.main()
