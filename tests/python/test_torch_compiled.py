# SPDX-License-Identifier: MIT
"""The torch drop-in in torch.jit and torch.fx, beside PyTorch's own GroupNorm."""

import copy
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
import warnings

import torch

from torch_groupnorm import GroupNorm, group_norm
from torch_networks import GROUPS, SHAPE, networks
from torch_pair import TOLERANCE, TorchTest, channels_last, contiguous


class CompiledTest(TorchTest):
    def setUp(self):
        torch.manual_seed(0)

    def check(self, compile, name, ours, theirs, dtype=torch.float32):
        compiled = compile(ours)
        for shape in (SHAPE, (2, 6, 5, 7)):
            for order in (contiguous, channels_last):
                x = order(torch.randn(shape, dtype=dtype)).requires_grad_()
                exact = x.detach().double().requires_grad_()
                y, y_exact = compiled(x), copy.deepcopy(theirs).double()(exact)
                self.assertClose(y, y_exact, name, dtype)
                dy = torch.randn(y.shape, dtype=dtype)
                dx, = torch.autograd.grad(y, x, dy)
                dx_exact, = torch.autograd.grad(y_exact, exact, dy.double())
                # Convolutions are summed in float.
                self.assertClose(dx, dx_exact, name, dtype, roundings=4)
        return compiled

    def test_script_and_trace(self):
        x = torch.randn(SHAPE)
        for dtype in (torch.float32, torch.float64):
            for name, (ours, theirs) in networks(dtype).items():
                for compile in (torch.jit.script, lambda ours: torch.jit.trace(ours, x.to(dtype))):
                    with self.subTest(name, dtype=dtype), warnings.catch_warnings():
                        warnings.simplefilter("error", torch.jit.TracerWarning)
                        compiled = self.check(compile, name, ours, theirs, dtype)
                        graph = str(compiled.inlined_graph)
                        self.assertEqual(graph.count("aten::group_norm"),
                                         2 if name == "replaced" else 1)
                        self.assertNotIn("PythonOp", graph)

    def test_compiled_modules_need_nothing_of_ours(self):
        """They are saved, and load where there is no torch_groupnorm."""
        x = torch.randn(SHAPE)
        code = ("import sys, torch; x, y = torch.load(sys.argv[2]); "
                "print((torch.jit.load(sys.argv[1])(x) - y).abs().max().item())")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        ours, _ = networks()["skip, silu"]
        for compiled in (torch.jit.script(ours), torch.jit.trace(ours, x)):
            with tempfile.TemporaryDirectory() as directory:
                module, tensors = (os.path.join(directory, name) for name in "ab")
                compiled.save(module)
                torch.save((x, ours(x).detach()), tensors)
                output = subprocess.run([sys.executable, "-c", code, module, tensors], timeout=120,
                                        env=environment, check=True, stdout=subprocess.PIPE)
            self.assertLess(float(output.stdout), 1e-5)

    def test_scripted_function(self):
        @torch.jit.script
        def function(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor,
                     skip: torch.Tensor):
            return group_norm(x, 3, weight, bias, 1e-3, "silu", skip)

        def check(dtype, param_dtype, param_shape, skip_shape):
            x, skip = (torch.randint(-8, 9, shape).to(dtype) for shape in (SHAPE, skip_shape))
            weight, bias = torch.randn(2, *param_shape).to(param_dtype)
            total = x + skip.reshape(skip_shape + (1,) * (len(SHAPE) - len(skip_shape)))
            exact = group_norm(total.double(), 3, weight.double(), bias.double(), 1e-3, "silu")
            # PyTorch's own rounds the mean, rstd and z too.
            roundings = 8 if dtype == param_dtype == torch.bfloat16 else 1
            self.assertClose(function(x, weight, bias, skip), exact, None, dtype, roundings)
            traced = torch.jit.trace(
                lambda x, skip: group_norm(x, 3, weight, bias, 1e-3, "silu", skip, True), (x, skip),
                check_trace=False)  # it allows for no difference of bfloat16
            y, actual_total = traced(x, skip)
            self.assertClose(y, exact, None, dtype, roundings)
            self.assertTrue(torch.equal(actual_total, total))
            for name, param in (("weight", weight), ("bias", bias)):
                alone = torch.jit.trace(lambda x: group_norm(x, 3, **{name: param}), x,
                                        check_trace=False)
                self.assertClose(alone(x), group_norm(x.double(), 3, **{name: param.double()}),
                                 name, dtype, roundings)

        for dtype in TOLERANCE:
            for param_dtype in {torch.float32, dtype}:
                for param_shape in (SHAPE[1:2], SHAPE[:2]):
                    for skip_shape in (SHAPE[:2], SHAPE):
                        with self.subTest(dtype=dtype, params=(param_dtype, param_shape),
                                          skip=skip_shape):
                            check(dtype, param_dtype, param_shape, skip_shape)

    def test_errors_in_a_trace(self):
        x = torch.randn(SHAPE)
        for error, sentence, arguments in (
            (TypeError, "weight is torch.float64", {"weight": torch.ones(6).double()}),
            (ValueError, "bias has shape", {"bias": torch.ones(5)}),
            (TypeError, "skip is torch.float64", {"skip": x.double()}),
            (ValueError, "skip has shape", {"skip": x[:1]}),
            (ValueError, "return_sum is True", {"return_sum": True}),
            (ValueError, "activation is 'gelu'", {"activation": "gelu"}),
        ):
            with self.assertRaisesRegex(error, f"^{sentence}"):
                torch.jit.trace(lambda x: group_norm(x, 3, **arguments), x)

    def test_what_a_script_cannot_do(self):
        scripted = torch.jit.script(GroupNorm(GROUPS, 6))
        x = torch.randn(SHAPE)
        with self.assertRaisesRegex(Exception, "return_sum is True, which torch.jit.script"):
            scripted(x, x, True)
        for skip in (x[:1], x[:, :, :1], x[0], x[:, :3, 0, 0]):
            with self.assertRaisesRegex(Exception, "skip has neither the shape of input nor"):
                scripted(x, skip)
        norm = GroupNorm(GROUPS, 6)
        norm.activation = "gelu"
        with self.assertRaisesRegex(Exception, "activation is not None, 'relu' or 'silu'"):
            torch.jit.script(norm)(x)

    def test_fx(self):
        for name, (ours, theirs) in networks().items():
            with self.subTest(name):
                traced = self.check(torch.fx.symbolic_trace, name, ours, theirs)
                calls = [node for node in traced.graph.nodes if node.target is group_norm]
                self.assertEqual(len(calls), 2 if name == "replaced" else 1)
                x = torch.randn(SHAPE)
                for other in (traced, copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
                    self.assertTrue(torch.equal(other(x), ours(x)))
                self.check(torch.jit.script, name, traced, theirs)

    def test_fx_of_all_arguments(self):
        class Module(torch.nn.Module):
            def forward(self, x, weight, bias, skip):
                results = group_norm(x, 3, weight, bias, 0.1, "silu", skip, True)
                return results[0], results[1]

        inputs = torch.randn(SHAPE), *torch.randn(2, 6), torch.randn(SHAPE)
        for actual, expected in zip(torch.fx.symbolic_trace(Module())(*inputs), Module()(*inputs)):
            self.assertTrue(torch.equal(actual, expected))


if __name__ == "__main__":
    unittest.main()
