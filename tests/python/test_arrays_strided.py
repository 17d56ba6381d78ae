# SPDX-License-Identifier: MIT
"""Arrays that are parts of others, or lie in another order: taken where they are."""

import re
import unittest
import unittest.mock

import numpy as np

import groupnorm
from groupnorm import Layout, Plan, Tensor, Type
from reference import Data, run, same_bits

SHAPE, GROUPS = (3, 12, 5, 7), 3


def views(shape, dtype):
    """By name, arrays of the shape, of other strides than C-contiguous ones; all elements 7."""
    def full(*dims):
        return np.full(dims, 7, dtype)

    a, b, c, d = shape
    return {
        "padded rows": full(a, b, c, d + 4)[..., 2:-2],
        "image within another": full(a, b, c + 2, d + 2)[:, :, 1:-1, 1:-1],
        "slice of the second dim": full(a, b + 5, c, d)[:, 3:-2],
        "slice of the last dim": full(a, b, c, d + 1)[..., 1:],
        "every other": full(a, b, c, 2 * d)[..., ::2],
        "every other of the first": full(2 * a, b, c, d)[::2],
        "transposed": full(a, b, d, c).transpose(0, 1, 3, 2),
        "first dim innermost": full(b, c, d, a).transpose(3, 0, 1, 2),
        "second dim innermost": full(a, c, d, b).transpose(0, 3, 1, 2),
    }


def filled(view, array):
    view[...] = array
    return view


def same_values(a, b):
    return same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b))


class ViewTest(unittest.TestCase):
    def cases(self):
        for layout in Layout:
            for of_type in Type:
                plan = Plan(SHAPE, GROUPS, layout=layout, types=of_type)
                data = Data(SHAPE, layout, types=of_type)
                dtype = of_type.dtype
                for name in views(plan.array_shape, dtype):
                    with self.subTest(name, layout=layout, type=of_type):
                        yield plan, data, lambda: views(plan.array_shape, dtype)[name]

    def test_every_tensor(self):
        """All results have the bits of those from dense arrays, and nothing else is written."""
        for dense, data, view in self.cases():
            y, mean, rstd, dx, dgamma, dbeta = run(dense, data)
            x, out, dy, to = filled(view(), data.x), view(), filled(view(), data.dy), view()
            plan = Plan(SHAPE, GROUPS, layout=dense.layout, types=dense.types,
                        strides={Tensor.X: x.strides, Tensor.Y: out.strides,
                                 Tensor.DY: dy.strides, Tensor.DX: to.strides})
            self.assertIs(plan.forward(x, data.gamma, data.beta, out=out), out)
            _, *sums = plan.backward(dy, x, mean, rstd, data.gamma, dx=to)
            self.assertTrue(same_values(out, y))
            self.assertTrue(same_values(to, dx))
            self.assertTrue(all(map(same_bits, sums, (dgamma, dbeta))))
            for array in (out, to):
                array[...] = 7
                self.assertTrue((array.base == 7).all())

    def test_in_place(self):
        for dense, data, view in self.cases():
            x = filled(view(), data.x)
            plan = Plan(SHAPE, GROUPS, layout=dense.layout, types=dense.types,
                        strides={Tensor.X: x.strides, Tensor.Y: x.strides})
            self.assertIs(plan.forward(x, out=x), x)
            self.assertTrue(same_values(x, dense.forward(data.x)))

    def test_new_arrays_have_the_plans_strides(self):
        for dense, data, view in self.cases():
            x = view()
            plan = Plan(SHAPE, GROUPS, layout=dense.layout, types=dense.types,
                        strides={Tensor.Y: x.strides, Tensor.DX: x.strides})
            y, mean, rstd = plan.forward(data.x, stats=True)
            dx, _, _ = plan.backward(data.dy, data.x, mean, rstd)
            self.assertEqual((y.strides, dx.strides), (x.strides, x.strides))
            self.assertTrue(same_values(y, dense.forward(data.x)))

    def test_new_arrays_of_two_in_each_dim(self):
        shape, strides = (2, 2, 2, 2), (192, 96, 24, 8)
        plan = Plan(shape, 1, strides={Tensor.Y: strides, Tensor.SUM: strides})
        x = Data(shape).x
        y, total = plan.forward_add(x, x)
        expected, _ = Plan(shape, 1).forward_add(x, x)
        for array, wanted in ((y, expected), (total, 2 * x)):
            self.assertEqual(array.strides, strides)
            self.assertTrue(same_values(array, wanted))

    def test_without_a_copy(self):
        """What the library is given is the view's address."""
        library = groupnorm._library
        for dense, data, view in self.cases():
            x, out = filled(view(), data.x), view()
            plan = Plan(SHAPE, GROUPS, layout=dense.layout, types=dense.types,
                        strides={Tensor.X: x.strides, Tensor.Y: out.strides})
            with unittest.mock.patch.object(
                library, "gn_forward", side_effect=library.gn_forward
            ) as forward:
                plan.forward(x, out=out)
            addresses = forward.call_args.args
            self.assertEqual((addresses[1], addresses[4]), (x.ctypes.data, out.ctypes.data))

    def test_broadcast_inputs(self):
        shape = (2, 12, 5, 7)
        rng = np.random.default_rng(0)
        for dims in ((1, 12, 5, 7), (2, 1, 5, 7), (2, 12, 1, 7), (2, 12, 1, 1), (1, 1, 1, 1)):
            x = np.broadcast_to(rng.standard_normal(dims, dtype=np.float32), shape)
            plan = Plan(shape, 3, strides={Tensor.X: x.strides, Tensor.DY: x.strides})
            y, mean, rstd = plan.forward(x, stats=True)
            dx, _, _ = plan.backward(x, x, mean, rstd)
            dense = Plan(shape, 3)
            expected = dense.forward(x.copy())
            self.assertTrue(same_bits(y, expected))
            expected, _, _ = dense.backward(x.copy(), x.copy(), mean, rstd)
            self.assertTrue(same_bits(dx, expected))

    def test_function(self):
        for layout in Layout:
            data = Data(SHAPE, layout)
            for view in views(data.x.shape, np.float32).values():
                y = groupnorm.group_norm(filled(view, data.x), GROUPS, layout=layout)
                expected = groupnorm.group_norm(data.x, GROUPS, layout=layout)
                self.assertTrue(y.flags.c_contiguous)
                self.assertTrue(same_bits(y, expected))


class StrideErrorTest(unittest.TestCase):
    def test_arrays_of_other_strides(self):
        """The error names both, also where the plan's are not dense and the array's are."""
        part = views(SHAPE, np.float32)["padded rows"]
        plan = Plan(SHAPE, GROUPS, strides=dict.fromkeys(Tensor, part.strides))
        dense = np.zeros(SHAPE, np.float32)
        mean = np.zeros((3, 3), np.float32)

        def refused(name):
            return self.assertRaisesRegex(ValueError, "^" + re.escape(
                f"{name} has strides {dense.strides}, not the plan's {part.strides}") + "$")

        for name, x in (("x", dense), ("out", part)):
            with refused(name):
                plan.forward(x, out=dense)
        for name, dy, x in (("dy", dense, part), ("x", part, dense), ("dx", part, part)):
            with refused(name):
                plan.backward(dy, x, mean, mean, dx=dense)
        for name, skip in (("skip", dense), ("sum", part)):
            with refused(name):
                plan.forward_add(part, skip, sum=dense)

    def test_dims_of_one_and_empty_arrays_have_any_strides(self):
        Plan((2, 12, 1, 5), 3, strides={Tensor.X: (240, 20, 3, 4)}).forward(
            np.zeros((2, 12, 1, 5), np.float32))
        y = Plan((0, 12, 5), 3, strides=dict.fromkeys(Tensor, (0, 0, 4))).forward(
            np.zeros((0, 12, 5), np.float32))
        self.assertEqual(y.shape, (0, 12, 5))

    def test_parts_of_elements(self):
        for dim in range(3):
            strides = [80, 20, 4]
            strides[dim] += 1
            with self.assertRaisesRegex(ValueError, "^strides of dx = .* of elements of 4 bytes"):
                Plan((2, 4, 2), 2, strides={Tensor.DX: strides})
        fields = np.zeros(SHAPE, np.dtype([("value", "<f4"), ("mark", "u1")]))["value"]
        with self.assertRaisesRegex(ValueError, "^strides of x = .* of elements of 4 bytes"):
            Plan(SHAPE, GROUPS, strides={Tensor.X: fields.strides})

    def test_overlapping_output(self):
        with self.assertRaisesRegex(groupnorm.InvalidArgumentError, "strides of y.*overlap"):
            Plan(SHAPE, GROUPS, strides={Tensor.Y: (0, 140, 28, 4)})

    def test_in_place_with_other_strides(self):
        memory = np.zeros((3, 12, 5, 14), np.float32)
        x, out = memory[..., :7], memory[..., ::2]
        plan = Plan(SHAPE, GROUPS, strides={Tensor.X: x.strides, Tensor.Y: out.strides})
        with self.assertRaises(groupnorm.InvalidArgumentError):
            plan.forward(x, out=out)

    def test_interleaved_tensors_do_not_overlap(self):
        memory = np.zeros((3, 12, 5, 14), np.float32)
        x, out = memory[..., ::2], memory[..., 1::2]
        data = Data(SHAPE)
        x[...] = data.x
        plan = Plan(SHAPE, GROUPS, strides={Tensor.X: x.strides, Tensor.Y: out.strides})
        plan.forward(x, out=out)
        self.assertTrue(same_values(out, Plan(SHAPE, GROUPS).forward(data.x)))
        self.assertTrue(same_values(x, data.x))


if __name__ == "__main__":
    unittest.main()
