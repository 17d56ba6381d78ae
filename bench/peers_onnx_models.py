# SPDX-License-Identifier: MIT
"""Group normalization as models of ONNX: of InstanceNormalization, and of GroupNormalization."""

import numpy
import onnx
from onnx import TensorProto, helper

TYPES = {"f32": TensorProto.FLOAT, "bf16": TensorProto.BFLOAT16, "f16": TensorProto.FLOAT16}


def _initializer(name, type_, values):
    """A tensor of the type, with the values and the shape of an array of float."""
    if type_ == TensorProto.FLOAT:
        return onnx.numpy_helper.from_array(numpy.asarray(values, "f4"), name)
    return helper.make_tensor(name, type_, values.shape, values.flatten().tolist())


def _model(contest, opset, nodes, initializers, result):
    """The bytes of a model from x to `result` of the nodes, and to its SiLU if the Kind has it."""
    if contest.kind.activation == "silu":
        nodes = [*nodes, helper.make_node("Sigmoid", [result], ["sigmoid"]),
                 helper.make_node("Mul", [result, "sigmoid"], ["silu"])]
        result = "silu"
    type_ = TYPES[contest.kind.type]
    graph = helper.make_graph(
        nodes, "group_normalization",
        [helper.make_tensor_value_info("x", type_, contest.shape)],
        [helper.make_tensor_value_info(result, type_, contest.shape)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              ir_version=10)
    return model.SerializeToString()


def instance_model(contest, eps):
    """Groups as the channels of InstanceNormalization; gamma and beta by Mul and Add."""
    n, c, _, groups = contest.sizes
    type_ = TYPES[contest.kind.type]
    column = (c, *(1 for _ in contest.shape[2:]))
    initializers = [
        helper.make_tensor("groups", TensorProto.INT64, [3], [n, groups, -1]),
        helper.make_tensor("shape", TensorProto.INT64, [len(contest.shape)], contest.shape),
        _initializer("ones", type_, numpy.ones(groups)),
        _initializer("zeros", type_, numpy.zeros(groups)),
        _initializer("gamma", type_, contest.gamma.float().numpy().reshape(column)),
        _initializer("beta", type_, contest.beta.float().numpy().reshape(column))]
    nodes = [
        helper.make_node("Reshape", ["x", "groups"], ["rows"]),
        helper.make_node("InstanceNormalization", ["rows", "ones", "zeros"], ["normal"],
                         epsilon=eps),
        helper.make_node("Reshape", ["normal", "shape"], ["xhat"]),
        helper.make_node("Mul", ["xhat", "gamma"], ["scaled"]),
        helper.make_node("Add", ["scaled", "beta"], ["y"])]
    # bfloat16 came with version 22.
    return _model(contest, 22 if contest.kind.type == "bf16" else 17, nodes, initializers, "y")


def group_model(contest, eps):
    """GroupNormalization of version 21, whose gamma and beta are per channel."""
    type_ = TYPES[contest.kind.type]
    initializers = [_initializer(name, type_, tensor.float().numpy())
                    for name, tensor in (("gamma", contest.gamma), ("beta", contest.beta))]
    nodes = [helper.make_node("GroupNormalization", ["x", "gamma", "beta"], ["y"], epsilon=eps,
                              num_groups=contest.layer.groups)]
    return _model(contest, 21, nodes, initializers, "y")
