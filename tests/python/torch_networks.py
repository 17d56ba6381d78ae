# SPDX-License-Identifier: MIT
"""Modules with the torch drop-in's norms beside the same with PyTorch's own, for its tests."""

import copy

import torch

from torch_groupnorm import GroupNorm, replace_groupnorm

SHAPE, GROUPS = (3, 6, 3, 2), 3
ACTIVATIONS = (None, "relu", "silu")


class Fused(torch.nn.Module):
    """A convolution, then a norm of the sum of its result and the input, and an activation."""

    def __init__(self, activation):
        super().__init__()
        self.conv = torch.nn.Conv2d(6, 6, 3, padding=1)
        self.norm = GroupNorm(GROUPS, 6, activation=activation)

    def forward(self, x):
        return self.norm(self.conv(x), x)


class InSteps(torch.nn.Module):
    """The same by PyTorch's modules."""

    def __init__(self, activation):
        super().__init__()
        self.conv = torch.nn.Conv2d(6, 6, 3, padding=1)
        self.norm = torch.nn.GroupNorm(GROUPS, 6)
        self.activation = activation

    def forward(self, x):
        return self.activation(self.norm(self.conv(x) + x))


def networks(dtype=torch.float32):
    """By name, pairs of modules of the same weights: with our norms, and with PyTorch's own."""
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(6, 6, 3, padding=1), torch.nn.GroupNorm(GROUPS, 6), torch.nn.ReLU(),
        torch.nn.GroupNorm(2, 6, eps=0.1, affine=False), torch.nn.Conv2d(6, 6, 1))
    pairs = {"replaced": (replace_groupnorm(copy.deepcopy(theirs)), theirs)}
    for activation in ACTIVATIONS:
        then = {None: torch.nn.Identity, "relu": torch.nn.ReLU, "silu": torch.nn.SiLU}[activation]()
        norm = torch.nn.GroupNorm(GROUPS, 6)
        pairs[f"activation {activation}"] = (GroupNorm(GROUPS, 6, activation=activation),
                                             torch.nn.Sequential(norm, then))
        pairs[f"skip, {activation}"] = Fused(activation), InSteps(then)
    for ours, theirs in pairs.values():
        for a, b in zip(ours.to(dtype).parameters(), theirs.to(dtype).parameters()):
            torch.nn.init.normal_(a)
            b.data.copy_(a)
    return pairs
