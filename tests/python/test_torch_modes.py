# SPDX-License-Identifier: MIT
"""The torch drop-in under PyTorch's modes, on its kinds of tensors, and copied."""

import contextlib
import copy
import io
import pickle
import unittest

import torch
import torch.utils.checkpoint
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from torch_groupnorm import group_norm
from torch_networks import GROUPS, SHAPE, networks
from torch_pair import TorchTest


class ModeTest(TorchTest):
    def test_dispatch_modes_see_the_operation(self):
        class Log(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, arguments=(), others=None):
                seen.append(str(function))
                return function(*arguments, **(others or {}))

        x = torch.randn(SHAPE, requires_grad=True)
        y = group_norm(x, GROUPS)
        for compute in (lambda: group_norm(x, GROUPS),
                        lambda: torch.autograd.grad(y, x, torch.ones(SHAPE), retain_graph=True)):
            seen = []
            with Log():
                result = compute()
            self.assertNotIn("aten.empty_like.default", seen)
            self.assertGreater(len(seen), 0)
            del result

    def test_fake_tensors(self):
        x = torch.randn(SHAPE)
        with FakeTensorMode() as mode:
            y = group_norm(mode.from_tensor(x), GROUPS)
            self.assertEqual((y.shape, y.dtype), (x.shape, x.dtype))
        with self.assertRaisesRegex(RuntimeError, "tensor subclasses|[Ff]ake"):
            group_norm(mode.from_tensor(x), GROUPS)

    def test_subclasses(self):
        class Marked(torch.Tensor):
            pass

        x = torch.randn(SHAPE)
        y = group_norm(x.as_subclass(Marked), GROUPS)
        self.assertIs(type(y), Marked)
        self.assertTrue(torch.equal(y.as_subclass(torch.Tensor), group_norm(x, GROUPS)))

    def test_torch_function_modes(self):
        class Double(torch.overrides.TorchFunctionMode):
            def __torch_function__(self, function, types, arguments=(), others=None):
                result = function(*arguments, **(others or {}))
                return 2 * result if function is group_norm else result

        x = torch.randn(SHAPE)
        with Double():
            y = group_norm(x, GROUPS)
        self.assertTrue(torch.equal(y, 2 * group_norm(x, GROUPS)))

    def test_checkpoints_and_saved_tensors(self):
        weight, skip = torch.randn(6), torch.randn(SHAPE)
        gradients = []
        for saved in (contextlib.nullcontext, lambda: torch.autograd.graph.saved_tensors_hooks(
                lambda tensor: tensor.detach().numpy().copy(), torch.from_numpy)):
            for checkpoint in (lambda function, x: function(x),
                               lambda function, x: torch.utils.checkpoint.checkpoint(
                                   function, x, use_reentrant=False)):
                x = torch.linspace(-1, 3, skip.numel()).sin().reshape(SHAPE).requires_grad_()
                with saved():
                    y = checkpoint(lambda x: group_norm(x, GROUPS, weight, skip=skip), x)
                gradients.append(torch.autograd.grad(y.pow(2).sum(), x)[0])
        for gradient in gradients[1:]:
            self.assertTrue(torch.equal(gradient, gradients[0]))

    def test_autocast(self):
        """Of a convolution in bfloat16, with float32 parameters, which PyTorch's own refuses."""
        ours, theirs = networks()["replaced"]
        x = torch.randn(SHAPE)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = ours(x)
        self.assertClose(y, theirs(x).double(), dtype=torch.bfloat16, roundings=8)

    def test_copies(self):
        for name, (ours, _) in networks().items():
            x = torch.randn(SHAPE)
            y = ours(x)
            file = io.BytesIO()
            torch.save(ours, file)
            file.seek(0)
            for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), torch.load(file)):
                self.assertTrue(torch.equal(other(x), y), name)
            values = {key: 2 * value for key, value in ours.named_parameters()}
            stateless = torch.nn.utils.stateless.functional_call(ours, values, x)
            for parameter in ours.parameters():
                parameter.data.mul_(2)
            self.assertTrue(torch.equal(stateless, ours(x)), name)


if __name__ == "__main__":
    unittest.main()
