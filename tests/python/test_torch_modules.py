# SPDX-License-Identifier: MIT
"""The torch drop-in as a module, its errors, its threads."""

import concurrent.futures
import copy
import inspect
import io
import multiprocessing
import unittest
import unittest.mock

import torch

import groupnorm
import torch_groupnorm
from torch_groupnorm import GroupNorm, group_norm, replace_groupnorm
from torch_pair import TorchTest, channels_last, contiguous, make_pair


class ModuleTest(TorchTest):
    def test_constructor(self):
        ours, theirs = (
            {name: parameter.default
             for name, parameter in inspect.signature(module.__init__).parameters.items()}
            for module in (GroupNorm, torch.nn.GroupNorm)
        )
        self.assertIsNone(ours.pop("activation"))
        self.assertEqual(ours, theirs)
        norm = GroupNorm(3, 6)
        self.assertIsInstance(norm, torch.nn.GroupNorm)
        self.assertEqual(repr(norm), repr(torch.nn.GroupNorm(3, 6)))
        self.assertTrue(torch.equal(norm.weight, torch.ones(6)))
        self.assertTrue(torch.equal(norm.bias, torch.zeros(6)))
        with self.assertRaises(ValueError):
            GroupNorm(4, 6)

    def test_state_dict(self):
        for affine in (False, True):
            ours = GroupNorm(3, 6, affine=affine)
            theirs = torch.nn.GroupNorm(3, 6, affine=affine)
            for source, target in ((ours, theirs), (theirs, ours)):
                for parameter in source.parameters():
                    torch.nn.init.normal_(parameter)
                file = io.BytesIO()
                torch.save(source.state_dict(), file)
                file.seek(0)
                target.load_state_dict(torch.load(file), strict=True)
                for a, b in zip(source.parameters(), target.parameters()):
                    self.assertTrue(torch.equal(a, b))
                self.assertEqual(list(source.state_dict()), list(target.state_dict()))

    def test_copies(self):
        norm, _ = make_pair(3, 6)
        x = torch.randn(2, 6, 5, 4)
        file = io.BytesIO()
        y = norm(x)
        torch.save(norm, file)
        file.seek(0)
        for other in (copy.deepcopy(norm), torch.load(file)):
            self.assertIs(type(other), GroupNorm)
            self.assertTrue(torch.equal(other(x), y))

    def test_activation(self):
        norm = GroupNorm(3, 6, activation="silu")
        self.assertEqual(repr(norm), f"{repr(torch.nn.GroupNorm(3, 6))[:-1]}, activation='silu')")
        x = torch.randn(2, 6, 5)
        y = norm(x)
        norm.activation = None
        self.assertClose(y, torch.nn.functional.silu(norm(x)).double())
        old = torch.nn.GroupNorm(3, 6)
        old.__class__ = GroupNorm  # as one that was saved before there were activations
        self.assertTrue(torch.equal(old(x), norm(x)))

    def test_replace(self):
        class Special(torch.nn.GroupNorm):
            pass

        shared = torch.nn.GroupNorm(2, 4)
        network = torch.nn.ModuleDict({
            "a": torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1), shared),
            "b": torch.nn.ModuleList([shared, torch.nn.GroupNorm(1, 4, eps=0.5, affine=False)]),
            "batch": torch.nn.BatchNorm2d(4),
            "special": Special(2, 4),
            "ours": GroupNorm(2, 4),
        })
        network.eval()
        shared.bias.requires_grad_(False)
        calls = []
        shared.register_forward_hook(lambda *_: calls.append(1))
        before = dict(network.named_parameters())

        self.assertIs(replace_groupnorm(network), network)
        self.assertIs(type(network["a"][1]), GroupNorm)
        self.assertIs(network["a"][1], network["b"][0])
        self.assertIs(type(network["b"][1]), GroupNorm)
        self.assertEqual(network["b"][1].eps, 0.5)
        self.assertIs(type(network["batch"]), torch.nn.BatchNorm2d)
        self.assertIs(type(network["special"]), Special)
        self.assertFalse(network["a"][1].training)
        self.assertFalse(network["a"][1].bias.requires_grad)
        after = dict(network.named_parameters())
        self.assertEqual(list(before), list(after))
        for name in before:
            self.assertIs(before[name], after[name])
        network["a"](torch.randn(2, 4, 3, 3))
        self.assertEqual(calls, [1])

    def test_replace_the_module_itself(self):
        theirs = torch.nn.GroupNorm(2, 4)
        x = torch.randn(2, 4, 3, 3)
        expected = theirs(x)
        ours = replace_groupnorm(theirs)
        self.assertIs(type(ours), GroupNorm)
        self.assertClose(ours(x), expected.double())


class ErrorTest(TorchTest):
    def test_dtypes(self):
        x = torch.zeros(2, 6, 5)
        for dtype in (torch.int32, torch.bool, torch.complex64):
            with self.assertRaisesRegex(TypeError, f"^input is {dtype}, not torch.float32 or"):
                GroupNorm(3, 6)(x.to(dtype))
        with self.assertRaisesRegex(TypeError, "^weight is torch.float64, not torch.float32$"):
            GroupNorm(3, 6, dtype=torch.float64)(x)
        with self.assertRaisesRegex(TypeError, "^bias is torch.float64, not torch.float32$"):
            group_norm(x, 3, bias=torch.zeros(6).double())
        with self.assertRaisesRegex(TypeError, "^weight is torch.float16, not torch.bfloat16 or t"):
            group_norm(x.bfloat16(), 3, torch.zeros(6).half())
        with self.assertRaisesRegex(TypeError, "^bias is torch.float32, not torch.float16$"):
            group_norm(x.half(), 3, torch.zeros(6).half(), torch.zeros(6))
        with self.assertRaisesRegex(TypeError, "^skip is torch.float32, not torch.bfloat16$"):
            group_norm(x.bfloat16(), 3, skip=x)

    def test_activations(self):
        for activation in ("gelu", True, torch.nn.functional.silu):
            with self.assertRaisesRegex(ValueError, "^activation is .*, not None, 'relu' or"):
                group_norm(torch.zeros(2, 6, 5), 3, activation=activation)
            with self.assertRaisesRegex(ValueError, "^activation is"):
                GroupNorm(3, 6, activation=activation)

    def test_skips(self):
        x = torch.zeros(2, 6, 5)
        for skip in (x[:1], x[:, :, :1], x[0], torch.zeros(6), torch.zeros(2, 3)):
            with self.assertRaisesRegex(ValueError, r"^skip has shape .*, not \(2, 6, 5\) or \(2"):
                group_norm(x, 3, skip=skip)
        with self.assertRaisesRegex(TypeError, "^skip is a list"):
            group_norm(x, 3, skip=[0.0])
        with self.assertRaisesRegex(ValueError, "^return_sum is True"):
            group_norm(x, 3, return_sum=True)

    def test_not_a_tensor(self):
        with self.assertRaisesRegex(TypeError, "^input is a NoneType"):
            group_norm(None, 3)
        with self.assertRaisesRegex(TypeError, "^weight is a list"):
            group_norm(torch.zeros(2, 6, 5), 3, [1.0] * 6)

    def test_places(self):
        with self.assertRaisesRegex(ValueError, "^input is .* on meta"):
            GroupNorm(3, 6)(torch.zeros(2, 6, 5, device="meta"))
        with self.assertRaisesRegex(ValueError, "^weight is .* on meta"):
            GroupNorm(3, 6, device="meta")(torch.zeros(2, 6, 5))
        with self.assertRaisesRegex(ValueError, "^input is torch.sparse"):
            GroupNorm(3, 6)(torch.zeros(2, 6, 5).to_sparse())

    def test_shapes(self):
        norm = GroupNorm(3, 6)
        for shape in ((), (6,), (2, 9), (2, 3, 5), (2, 7, 5), (2, 6) + (1,) * 7, (2, 0, 5)):
            with self.subTest(shape), self.assertRaises(ValueError):
                norm(torch.zeros(shape))
        for weight in (torch.zeros(5), torch.zeros(6, 1), torch.zeros(())):
            with self.assertRaisesRegex(ValueError, r"^weight has shape .*, not \(6,\) or \(2, 6\)"):
                group_norm(torch.zeros(2, 6, 5), 3, weight)
            with self.assertRaisesRegex(ValueError, "^bias has shape"):
                group_norm(torch.zeros(2, 6, 5), 3, bias=weight)
        with self.assertRaisesRegex(ValueError, r"^bias has shape \(2, 6\), weight \(6,\)"):
            group_norm(torch.zeros(2, 6, 5), 3, torch.zeros(6), torch.zeros(2, 6))

    def test_groups(self):
        for groups in (4, 0, -3, 7):
            with self.assertRaises(ValueError):
                group_norm(torch.zeros(2, 6, 5), groups)
        with self.assertRaises(TypeError):
            group_norm(torch.zeros(2, 6, 5), 3.0)

    def test_groups_of_another_type_after_the_same_number(self):
        x = torch.zeros(2, 6, 5)
        group_norm(x, 3)
        with self.assertRaises(TypeError):
            group_norm(x, 3.0)

    def test_epsilon(self):
        for eps in (-1.0, float("nan"), float("inf")):
            with self.assertRaises(ValueError):
                GroupNorm(3, 6, eps=eps)(torch.zeros(2, 6, 5))


class ThreadTest(TorchTest):
    def setUp(self):
        self.addCleanup(torch.set_num_threads, torch.get_num_threads())

    def step(self, norm, x, dy):
        """y and the gradients of x, weight and bias."""
        x = x.detach().requires_grad_()
        y = norm(x)
        return (y.detach(), *torch.autograd.grad(y, (x, *norm.parameters()), dy))

    def test_number_of_threads_is_pytorchs(self):
        x = torch.randn(2, 6, 4, 3)
        torch_groupnorm._plan.cache_clear()
        with unittest.mock.patch("groupnorm.Plan", side_effect=groupnorm.Plan) as plan:
            for threads in (1, 3):
                torch.set_num_threads(threads)
                GroupNorm(3, 6)(x)
                self.assertEqual(plan.call_args.kwargs["threads"], threads)

    def test_more_threads_than_a_plan_takes(self):
        x = torch.randn(2, 6, 5)
        with unittest.mock.patch("torch.get_num_threads", return_value=5000):
            self.assertTrue(torch.equal(group_norm(x, 3), group_norm(x.clone(), 3)))

    def test_number_of_threads_does_not_matter(self):
        norm, _ = make_pair(32, 64)
        for order in (contiguous, channels_last):
            x, dy = order(torch.randn(2, 64, 56, 56)), order(torch.randn(2, 64, 56, 56))
            torch.set_num_threads(1)
            expected = self.step(norm, x, dy)
            for threads in (2, 3, 8):
                torch.set_num_threads(threads)
                self.assertTrue(all(map(torch.equal, self.step(norm, x, dy), expected)))

    def test_many_threads_at_once(self):
        norm, _ = make_pair(32, 64)
        torch.set_num_threads(2)
        for order in (contiguous, channels_last):
            data = [(order(torch.randn(2, 64, 28, 28)), order(torch.randn(2, 64, 28, 28)))
                    for _ in range(4)]
            expected = [self.step(norm, *pair) for pair in data]
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                results = list(pool.map(lambda i: self.step(norm, *data[i % 4]), range(64)))
            for i, result in enumerate(results):
                self.assertTrue(all(map(torch.equal, result, expected[i % 4])))

    def test_in_a_forked_process(self):
        norm, _ = make_pair(32, 64)
        torch.set_num_threads(2)
        x, dy = torch.randn(2, 64, 56, 56), torch.randn(2, 64, 56, 56)
        expected = [tensor.numpy() for tensor in self.step(norm, x, dy)]

        def child():
            # PyTorch's own functions may hang here: nothing but ours may use OpenMP.
            results = (tensor.numpy() for tensor in self.step(norm, x, dy))
            sender.send(all((a == b).all() for a, b in zip(results, expected)))

        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        try:
            self.assertTrue(receiver.poll(60), "the child hangs")
            self.assertTrue(receiver.recv())
        finally:
            process.kill()
            process.join()

    def test_plans_are_kept_and_bounded(self):
        cache = torch_groupnorm._plan
        norm = GroupNorm(3, 6)
        cache.cache_clear()
        for _ in range(3):
            norm(torch.randn(2, 6, 5, 4))
        self.assertEqual((cache.cache_info().misses, cache.cache_info().hits), (1, 2))
        kept = torch.randn(2, 6, 5, 4, requires_grad=True)
        y = norm(kept)
        for width in range(1, torch_groupnorm.MAX_PLANS + 10):
            norm(torch.randn(2, 6, width))
        self.assertEqual(cache.cache_info().currsize, torch_groupnorm.MAX_PLANS)
        y.sum().backward()  # with a plan that the cache has dropped


if __name__ == "__main__":
    unittest.main()
