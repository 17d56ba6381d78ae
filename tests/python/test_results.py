# SPDX-License-Identifier: MIT
"""What the numpy binding computes: errors within the bounds of groupnorm.h, the same bits."""

import concurrent.futures
import multiprocessing
import unittest

import numpy as np

import groupnorm
from groupnorm import Isa, Layout, Plan
from reference import CASES, AccuracyTest, Data, run, same_bits, to_logical


class ResultTest(AccuracyTest):
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

    def test_affine_by_sample(self):
        for shape, groups in CASES:
            for layout in Layout:
                with self.subTest(shape=shape, groups=groups, layout=layout):
                    data = Data(shape, layout, param_shape=shape[:2])
                    self.check(shape, groups, layout, data)
                    self.check(shape, groups, layout, data, gamma=False)

    def test_given_statistics(self):
        for shape, groups in CASES:
            for layout in Layout:
                with self.subTest(shape=shape, groups=groups, layout=layout):
                    data = Data(shape, layout)
                    with Plan(shape, groups, layout=layout) as plan:
                        y, mean, rstd = plan.forward(data.x, data.gamma, data.beta, stats=True)
                        again = plan.normalize(data.x, mean, rstd, data.gamma, data.beta)
                        twice = plan.normalize(data.x, mean, 2 * rstd, data.gamma)
                        once = plan.normalize(data.x, mean, rstd, data.gamma, out=data.x)
                    self.assertIs(once, data.x)
                    self.assertTrue(np.array_equal(twice, 2 * once))
                    np.testing.assert_allclose(again, y, rtol=1e-5, atol=1e-5)

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


if __name__ == "__main__":
    unittest.main()
