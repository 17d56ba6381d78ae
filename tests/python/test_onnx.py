# SPDX-License-Identifier: MIT
"""What torch.onnx.export makes of the torch drop-in: what it makes of PyTorch's own GroupNorm."""

import io
import unittest
import warnings

import onnx
import onnx.numpy_helper
import torch

from torch_groupnorm import GroupNorm, group_norm
from torch_networks import SHAPE, networks


def export(module, *inputs, **arguments):
    """The onnx.ModelProto, checked."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, inputs, file, **arguments)
    model = onnx.load_from_string(file.getvalue())
    onnx.checker.check_model(model, full_check=True)
    return model


def content(graph):
    """All that a graph computes, whatever its values are called: nodes, constants, results."""
    numbers = {}

    def number(name):
        return numbers.setdefault(name, len(numbers))

    def attribute(each):
        value = onnx.helper.get_attribute_value(each)
        if isinstance(value, onnx.TensorProto):
            value = onnx.numpy_helper.to_array(value).tolist()
        return each.name, content(value) if isinstance(value, onnx.GraphProto) else value

    inputs = [number(value.name) for value in graph.input]
    nodes = [(node.op_type, [number(name) for name in node.input],
              [number(name) for name in node.output], sorted(map(attribute, node.attribute)))
             for node in graph.node]
    constants = {number(tensor.name): onnx.numpy_helper.to_array(tensor).tolist()
                 for tensor in graph.initializer}
    return inputs, nodes, constants, [number(value.name) for value in graph.output]


class ExportTest(unittest.TestCase):
    maxDiff = None

    def test_graphs(self):
        """Also of a module that is compiled before."""
        x = torch.randn(SHAPE)
        ways = {"as it is": lambda module: module, "script": torch.jit.script,
                "trace": lambda module: torch.jit.trace(module, x)}
        for way, compile in ways.items():
            for name, (ours, theirs) in networks().items():
                for arguments in ({}, {"opset_version": 11},
                                  {"input_names": ["x"], "dynamic_axes": {"x": [0, 2, 3]}}):
                    with self.subTest(name, way=way, **arguments):
                        # In a Sequential, as PyTorch exports no script that takes None.
                        actual, expected = (
                            export(compile(torch.nn.Sequential(module)), x, **arguments)
                            for module in (ours, theirs))
                        self.assertEqual(content(actual.graph), content(expected.graph))

    def test_sums(self):
        class Ours(torch.nn.Module):
            def forward(self, x, skip, weight, bias):
                return group_norm(x, 3, weight, bias, activation="silu", skip=skip,
                                  return_sum=True)

        class Theirs(torch.nn.Module):
            def forward(self, x, skip, weight, bias):
                total = x + skip
                y = torch.nn.functional.group_norm(total, 3, weight, bias)
                return torch.nn.functional.silu(y), total

        inputs = torch.randn(SHAPE), torch.randn(SHAPE), *torch.randn(2, 6)
        actual, expected = (export(module(), *inputs) for module in (Ours, Theirs))
        self.assertEqual(content(actual.graph), content(expected.graph))

    def test_nothing_is_lost(self):
        """The layers before a norm, and the norm, are there."""
        model = torch.nn.Sequential(torch.nn.Conv2d(6, 6, 1), GroupNorm(3, 6, activation="relu"))
        operations = [node.op_type for node in export(model, torch.randn(SHAPE)).graph.node]
        for name in ("Conv", "InstanceNormalization", "Mul", "Add", "Relu"):
            self.assertEqual(operations.count(name), 1)


if __name__ == "__main__":
    unittest.main()
