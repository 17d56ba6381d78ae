# SPDX-License-Identifier: MIT
"""Tests of torch_groupnorm.py: python3 -m unittest discover -s DIRECTORY, or run this file.

The environment's GN_LIBRARY names the library to test. The tests are skipped where there is no
PyTorch.
"""

import concurrent.futures
import copy
import inspect
import io
import multiprocessing
import unittest
import unittest.mock

try:
    import torch
except ImportError:
    torch = None
else:
    import groupnorm
    import torch_groupnorm
    from torch_groupnorm import GroupNorm, group_norm, replace_groupnorm


def setUpModule():
    if torch is None:
        raise unittest.SkipTest("torch is not installed")


def contiguous(x):
    return x.contiguous()


def channels_last(x):
    """x, of any rank, with its channels last in memory."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def make_pair(groups, channels, seed=0, **arguments):
    """Our GroupNorm in float32 and PyTorch's in float64, with the same random parameters."""
    torch.manual_seed(seed)
    ours = GroupNorm(groups, channels, **arguments)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter)
    theirs = torch.nn.GroupNorm(groups, channels, **arguments).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


class TorchTest(unittest.TestCase):
    def assertClose(self, actual, exact, message=None):
        """`actual` is float32 and within 1e-5 of `exact`'s largest element.

        The bounds that the library promises are tested in test_groupnorm.py; this is about what
        is computed.
        """
        self.assertEqual(actual.dtype, torch.float32, message)
        self.assertEqual(actual.shape, exact.shape, message)
        if exact.numel():
            error = (actual - exact).abs().max().item()
            self.assertLessEqual(error, 1e-5 * exact.abs().max().item() + 1e-30, message)

    def check(self, ours, theirs, x, dy):
        """Compares y and all gradients for x and dy, float32; returns ours: x, y."""
        x = x.detach().requires_grad_()
        x_exact = x.detach().double().contiguous().requires_grad_()
        y, y_exact = ours(x), theirs(x_exact)
        ours.zero_grad()
        theirs.zero_grad()
        y.backward(dy)
        y_exact.backward(dy.double())
        self.assertClose(y, y_exact, "y")
        self.assertClose(x.grad, x_exact.grad, "dx")
        for (name, ours_param), theirs_param in zip(ours.named_parameters(), theirs.parameters()):
            self.assertClose(ours_param.grad, theirs_param.grad, name)
        return x, y


class ResultTest(TorchTest):
    # Groups of a few values are not here: their dx nearly vanishes, and with it the tolerance.
    SHAPES = [
        ((5, 24), 3),
        ((2, 6, 50), 2),
        ((3, 12, 7, 5), 4),
        ((2, 32, 17, 16), 32),
        ((2, 8, 3, 5, 4), 1),
        ((1, 4, 2, 3, 2, 5), 2),
    ]

    def test_values(self):
        for shape, groups in self.SHAPES:
            ours, theirs = make_pair(groups, shape[1])
            for order in (contiguous, channels_last):
                for dy_order in (contiguous, channels_last):
                    with self.subTest(shape=shape, order=order, dy_order=dy_order):
                        x = order(0.5 + 2 * torch.randn(shape))
                        dy = dy_order(torch.randn(shape))
                        self.check(ours, theirs, x, dy)

    def test_strides_are_kept(self):
        for shape, groups in self.SHAPES:
            ours, theirs = make_pair(groups, shape[1])
            for order in (contiguous, channels_last):
                with self.subTest(shape=shape, order=order):
                    x, y = self.check(ours, theirs, order(torch.randn(shape)), torch.randn(shape))
                    self.assertEqual(y.stride(), x.stride())
                    self.assertEqual(x.grad.stride(), x.stride())

    def test_memory_formats_without_a_copy(self):
        for shape, memory_format in (
            ((2, 6, 5, 4), torch.channels_last),
            ((2, 6, 3, 5, 4), torch.channels_last_3d),
            ((2, 6, 5, 4), torch.contiguous_format),
        ):
            x = torch.randn(shape).contiguous(memory_format=memory_format).requires_grad_()
            y = GroupNorm(3, 6)(x)
            self.assertTrue(y.is_contiguous(memory_format=memory_format))
            self.assertEqual(y.grad_fn.saved_tensors[0].data_ptr(), x.data_ptr())
            expected = (
                groupnorm.Layout.CHANNELS_FIRST
                if memory_format is torch.contiguous_format
                else groupnorm.Layout.CHANNELS_LAST
            )
            self.assertIs(y.grad_fn.plan.layout, expected)
            dx, = torch.autograd.grad(y, x, torch.randn(shape))
            self.assertTrue(dx.is_contiguous(memory_format=memory_format))

    def test_shapes_of_both_formats(self):
        for shape, groups in (((2, 1, 5, 4), 1), ((3, 24, 1, 1), 3), ((1, 1, 1, 8), 1)):
            ours, theirs = make_pair(groups, shape[1])
            for memory_format in (torch.contiguous_format, torch.channels_last):
                with self.subTest(shape=shape, memory_format=memory_format):
                    x = torch.randn(shape).contiguous(memory_format=memory_format)
                    x, y = self.check(ours, theirs, x, torch.randn(shape))
                    self.assertEqual(y.stride(), x.stride())

    def test_strange_strides_of_dims_of_one(self):
        ours, theirs = make_pair(32, 384)
        x = torch.randn(2048, 384).as_strided((2048, 384, 1, 1), (384, 1, 786432, 1))
        self.check(ours, theirs, x, torch.randn(x.shape))

    def test_inputs_that_are_not_dense(self):
        ours, theirs = make_pair(3, 6)
        base = torch.randn(4, 12, 10, 8)
        last = base.contiguous(memory_format=torch.channels_last)
        views = {
            "channels": base[:, 3:9],
            "channels of channels last": last[:, 3:9],
            "every other row": base[:, :6, ::2],
            "every other column of channels last": last[:, ::2, :, ::2],
            "transposed": base[:, :6].transpose(2, 3),
            "batch last": torch.randn(6, 10, 8, 4).movedim(-1, 0),
            "expanded batch": base[:1, :6].expand(4, 6, 10, 8),
            "expanded channels": base[:, :1].expand(4, 6, 10, 8),
            "expanded columns": base[:, :6, :, :1].expand(4, 6, 10, 8),
        }
        for name, x in views.items():
            with self.subTest(name):
                self.check(ours, theirs, x, torch.randn(x.shape))

    def test_transposed_matrix(self):
        ours, theirs = make_pair(3, 24)
        self.check(ours, theirs, torch.randn(24, 5).t(), torch.randn(24, 5).t())

    def test_slice_of_channels_last_stays_so(self):
        x = torch.randn(2, 12, 5, 4).contiguous(memory_format=torch.channels_last)[:, 3:9]
        self.assertTrue(GroupNorm(3, 6)(x).is_contiguous(memory_format=torch.channels_last))

    def test_gradients_that_are_not_dense(self):
        ours, theirs = make_pair(3, 6)
        for order in (contiguous, channels_last):
            x = order(torch.randn(2, 6, 5, 4))
            for name, dy in (
                ("one number", torch.tensor(2.0).expand(x.shape)),
                ("per channel", torch.randn(6, 1, 1).expand(x.shape)),
                ("per position", torch.randn(2, 1, 5, 4).expand(x.shape)),
                ("every other", torch.randn(2, 6, 5, 8)[..., ::2]),
                ("transposed", torch.randn(2, 6, 4, 5).transpose(2, 3)),
            ):
                with self.subTest(name, order=order):
                    self.check(ours, theirs, x, dy)

    def test_gradient_of_a_sum_and_a_mean(self):
        ours, theirs = make_pair(3, 6)
        x = torch.randn(2, 6, 5, 4, requires_grad=True)
        x_exact = x.detach().double().requires_grad_()
        for reduce in (lambda y: (3 * y).sum(), lambda y: (y.relu() ** 2).mean()):
            dx, = torch.autograd.grad(reduce(ours(x)), x)
            dx_exact, = torch.autograd.grad(reduce(theirs(x_exact)), x_exact)
            self.assertLess((dx - dx_exact).abs().max().item(), 1e-5)

    def test_epsilon(self):
        ours, theirs = make_pair(3, 6, eps=0.5)
        self.check(ours, theirs, torch.randn(2, 6, 5, 4), torch.randn(2, 6, 5, 4))

    def test_without_affine(self):
        ours, theirs = make_pair(3, 6, affine=False)
        self.assertIsNone(ours.weight)
        self.check(ours, theirs, torch.randn(2, 6, 5, 4), torch.randn(2, 6, 5, 4))

    def test_function(self):
        x = torch.randn(2, 6, 5, 4)
        weight, bias = torch.randn(6), torch.randn(12)[::2]
        for arguments in ({}, {"weight": weight}, {"bias": bias}, {"weight": weight, "bias": bias}):
            exact = torch.nn.functional.group_norm(
                x.double(), 3, eps=0.1, **{key: value.double() for key, value in arguments.items()}
            )
            self.assertClose(group_norm(x, 3, eps=0.1, **arguments), exact)

    def test_a_group_of_one_value_gives_the_bias(self):
        norm, _ = make_pair(6, 6)
        self.assertTrue(torch.equal(norm(torch.randn(1, 6)), norm.bias.detach()[None]))

    def test_empty_batch(self):
        for order in (contiguous, channels_last):
            norm = GroupNorm(3, 6)
            x = order(torch.randn(0, 6, 5, 4)).requires_grad_()
            y = norm(x)
            self.assertEqual(y.shape, x.shape)
            y.sum().backward()
            self.assertEqual(x.grad.shape, x.shape)
            self.assertTrue(torch.equal(norm.weight.grad, torch.zeros(6)))
            self.assertTrue(torch.equal(norm.bias.grad, torch.zeros(6)))

    def test_empty_image(self):
        norm = GroupNorm(3, 6)
        x = torch.randn(2, 6, 0, 4, requires_grad=True)
        norm(x).sum().backward()
        self.assertEqual(x.grad.shape, x.shape)
        self.assertTrue(torch.equal(norm.bias.grad, torch.zeros(6)))


class AutogradTest(TorchTest):
    def test_only_what_is_needed(self):
        for wanted in ((True, False, False), (False, True, False), (False, False, True),
                       (True, False, True), (False, True, True), (True, True, True)):
            with self.subTest(wanted):
                norm, exact = make_pair(3, 6)
                for module in (norm, exact):
                    module.weight.requires_grad_(wanted[1])
                    module.bias.requires_grad_(wanted[2])
                x = torch.randn(2, 6, 5, 4).requires_grad_(wanted[0])
                x_exact = x.detach().double().requires_grad_(wanted[0])
                dy = torch.randn(x.shape)
                exact(x_exact).backward(dy.double())
                original = groupnorm.Plan.backward
                with unittest.mock.patch.object(
                    groupnorm.Plan, "backward", autospec=True, side_effect=original
                ) as backward:
                    norm(x).backward(dy)
                arguments = backward.call_args.kwargs
                asked = [arguments[name] is not False for name in ("dx", "dgamma", "dbeta")]
                self.assertEqual(asked, list(wanted))
                for want, ours, theirs in zip(wanted, (x, norm.weight, norm.bias),
                                              (x_exact, exact.weight, exact.bias)):
                    if want:
                        self.assertClose(ours.grad, theirs.grad)
                    else:
                        self.assertIsNone(ours.grad)

    def test_nothing_needed(self):
        norm = GroupNorm(3, 6)
        x = torch.randn(2, 6, 5, 4)
        expected = norm(x).detach()
        with torch.no_grad():
            y = norm(x)
            self.assertFalse(y.requires_grad)
            self.assertTrue(torch.equal(y, expected))
        with torch.inference_mode():
            self.assertTrue(torch.equal(norm(x), expected))
        self.assertFalse(norm.requires_grad_(False)(x).requires_grad)

    def test_backward_twice(self):
        norm = GroupNorm(3, 6)
        x = torch.randn(2, 6, 5, 4, requires_grad=True)
        y = norm(x)
        dy = torch.randn(x.shape)
        first = torch.autograd.grad(y, (x, *norm.parameters()), dy, retain_graph=True)
        second = torch.autograd.grad(y, (x, *norm.parameters()), dy)
        self.assertTrue(all(map(torch.equal, first, second)))
        with self.assertRaises(RuntimeError):
            torch.autograd.grad(y, x, dy)

    def test_second_derivative_is_refused(self):
        x = torch.randn(2, 6, 5, 4, requires_grad=True)
        dx, = torch.autograd.grad(GroupNorm(3, 6)(x).pow(2).sum(), x, create_graph=True)
        with self.assertRaisesRegex(RuntimeError, "once_differentiable"):
            dx.sum().backward()

    def test_changed_input_is_noticed(self):
        norm = GroupNorm(3, 6)
        for changed in ("x", "weight"):
            x = torch.randn(2, 6, 5, 4, requires_grad=True) * 1
            y = norm(x)
            with torch.no_grad():
                (x if changed == "x" else norm.weight).mul_(2)
            with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
                y.sum().backward()

    def test_shared_input_and_parameters(self):
        ours, theirs = make_pair(3, 6)
        x = torch.randn(2, 6, 5, 4)
        self.check(lambda_module(lambda norm, x: norm(norm(x)) + x * norm(x), ours),
                   lambda_module(lambda norm, x: norm(norm(x)) + x * norm(x), theirs),
                   x, torch.randn(x.shape))

    def test_training(self):
        torch.manual_seed(0)
        theirs = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.GroupNorm(4, 8), torch.nn.ReLU(),
            torch.nn.Flatten(), torch.nn.Linear(8 * 36, 5),
        )
        ours = replace_groupnorm(copy.deepcopy(theirs))
        images, labels = torch.randn(16, 3, 8, 8), torch.arange(16) % 5
        losses = []
        for network in (ours, theirs):
            optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
            losses.append([])
            for _ in range(10):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(network(images), labels)
                loss.backward()
                optimizer.step()
                losses[-1].append(loss.item())
        self.assertLess(losses[0][-1], 0.5 * losses[0][0])
        for ours_loss, theirs_loss in zip(*losses):
            self.assertAlmostEqual(ours_loss, theirs_loss, delta=1e-3)


def lambda_module(function, norm):
    """A module that computes function(norm, x) and has norm's parameters."""

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = norm

        def forward(self, x):
            return function(self.norm, x)

    return Module()


class ModuleTest(TorchTest):
    def test_constructor(self):
        self.assertEqual(
            inspect.signature(GroupNorm.__init__), inspect.signature(torch.nn.GroupNorm.__init__)
        )
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
        for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int32):
            with self.assertRaisesRegex(TypeError, f"^input is {dtype}"):
                GroupNorm(3, 6)(torch.zeros(2, 6, 5, dtype=dtype))
        with self.assertRaisesRegex(TypeError, "^weight is torch.float64"):
            GroupNorm(3, 6, dtype=torch.float64)(torch.zeros(2, 6, 5))
        with self.assertRaisesRegex(TypeError, "^bias is torch.float64"):
            group_norm(torch.zeros(2, 6, 5), 3, bias=torch.zeros(6).double())

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
            with self.assertRaisesRegex(ValueError, "^gamma has shape"):
                group_norm(torch.zeros(2, 6, 5), 3, weight)

    def test_groups(self):
        for groups in (4, 0, -3, 7):
            with self.assertRaises(ValueError):
                group_norm(torch.zeros(2, 6, 5), groups)
        with self.assertRaises(TypeError):
            group_norm(torch.zeros(2, 6, 5), 3.0)

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
