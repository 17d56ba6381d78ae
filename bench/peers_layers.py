# SPDX-License-Identifier: MIT
"""The layers to measure, read from a table or from text, and the kinds of their tensors."""

import dataclasses
import math
import re


@dataclasses.dataclass(frozen=True)
class Kind:
    """The type of all tensors, which is a key of SIZES, and one of ACTIVATIONS."""

    SIZES = {"f32": 4, "bf16": 2, "f16": 2}
    ACTIVATIONS = ("identity", "silu")

    type: str = "f32"
    activation: str = "identity"

    @property
    def name(self):
        """What differs from the default, such as "bf16, silu"; "" for the default."""
        return ", ".join(value for value in (self.type, self.activation)
                         if value not in ("f32", "identity"))

    @property
    def size(self):
        """The size of an element in bytes."""
        return self.SIZES[self.type]


@dataclasses.dataclass(frozen=True)
class Layer:
    """The logical shape [N, C, spatial...], the number of groups, and the source of the layer."""

    dims: tuple
    groups: int
    source: str = ""

    @property
    def name(self):
        """The layer as parse_layer reads it: 8x512x7x7/32."""
        return f"{'x'.join(map(str, self.dims))}/{self.groups}"

    @property
    def spatial(self):
        return math.prod(self.dims[2:])

    @property
    def elements(self):
        return math.prod(self.dims)

    def bytes(self, size):
        """The bytes of a tensor whose elements have `size` bytes."""
        return size * self.elements

    def moved(self, channels_last, direction, l2_bytes, size=4):
        """How many tensors must move to or from an L2 cache of l2_bytes: see NOTES.md."""
        blocks = self.dims[0] * (1 if channels_last else self.groups)
        inputs = 2 if direction == "backward" else 1
        stays = inputs * self.bytes(size) // blocks <= l2_bytes
        return inputs * (1 if stays else 2) + 1


def parse_layer(text, source=""):
    """The Layer that NxCxSPATIAL.../GROUPS describes. Raises ValueError for any other text."""
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,7}/[1-9]\d*", text, re.ASCII):
        raise ValueError(f"shape {text} is not NxCxSPATIAL.../GROUPS of rank 2 to 8")
    dims, groups = text.split("/")
    layer = Layer(tuple(map(int, dims.split("x"))), int(groups), source)
    if layer.dims[1] % layer.groups:
        raise ValueError(f"shape {text}: the groups do not divide the channels")
    return layer


def read_layers(path):
    """The Layers of a table with the tab-separated columns N, C, spatial, G, source."""
    layers = []
    with open(path, encoding="utf-8") as table:
        for number, line in enumerate(table, 1):
            columns = line.rstrip("\n").split("\t")
            if columns == [""] or line.startswith("#"):
                continue
            if len(columns) < 4:
                raise ValueError(f"{path}, line {number}: fewer than 4 columns")
            n, c, spatial, groups, *source = columns
            try:
                layers.append(parse_layer(f"{n}x{c}x{spatial}/{groups}", *source[:1]))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    if not layers:
        raise ValueError(f"there are no shapes in {path}")
    return layers
