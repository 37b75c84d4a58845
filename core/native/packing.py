"""A network's weights as the kernel reads them: 8-bit integers in packed order (products.hpp), written once at export.

Every row of a matrix has a scale, its largest weight / 127; every activation has one that never changes: 1/127 for what an
LSTM puts out, which lies in (−1, 1), and the largest value seen in calibration / 127 elsewhere (`Ranges`). Where the input is
one token and the tables stay small, the first layer's product with each embedding is taken here, once, in full precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.architecture import Architecture

OUTPUTS, INPUTS, COLUMNS = 64, 4, 64
"""Outputs in a group, inputs whose weights stand together, and what the inputs are rounded up to."""
LANES = OUTPUTS // 4
"""Units whose four gates are a group."""
LARGEST = 127
FOLD_BYTES = 8_000_000
"""Tables of one row a token are folded up to this size."""

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]
Precision = Literal["int8", "bf16", "fp32"]


@dataclass(frozen=True)
class Ranges:
    """The largest magnitudes met in calibration; see core/training/calibration.py."""

    embedded: float
    """Of the summed embeddings."""
    layers: tuple[float, ...]
    """Of what each layer after the first reads, and of what the head reads of the last one."""
    hidden: float = 1.0
    """Of the head's hidden layer."""


def pack(
    weights: Mapping[str, NDArray[Any]], architecture: Architecture, ranges: Ranges, precision: Precision = "int8"
) -> Arrays:
    """Everything the kernel needs, by name. `weights` are a RecurrentModel's, by their names there."""
    return _Packer(weights, architecture, ranges, precision).arrays


class _Packer:
    def __init__(self, weights: Mapping[str, NDArray[Any]], a: Architecture, ranges: Ranges, precision: Precision) -> None:
        self.weights = {name: weight.astype(np.float32) for name, weight in weights.items()}
        self.a, self.precision = a, precision
        self.arrays: Arrays = {"precision": np.array([("int8", "bf16", "fp32").index(precision)], np.int32)}
        self.folded = len(a.features) == 1 and a.vocabulary * 4 * rounded(a.hidden, LANES) * 4 <= FOLD_BYTES
        if not self.folded:
            self.arrays["tables"] = padded(self.weights["tables"], 1, COLUMNS).astype(np.float16)
        scales = [ranges.embedded / LARGEST, *(reach / LARGEST for reach in ranges.layers)]
        self.arrays["scales"] = np.array([*scales, ranges.hidden / LARGEST], np.float32)
        for depth in range(a.layers):
            self._layer(depth, scales[depth])
        self._heads(scales[0], scales[-1], ranges.hidden / LARGEST)
        if a.references:
            self.arrays["relative"] = self.weights["relative"]

    def _layer(self, depth: int, input_scale: float) -> None:
        name = f"lstm.{depth}"
        from_input = in_gate_order(self.weights[f"{name}.weight_ih_l0"])
        bias = in_gate_order(self.weights[f"{name}.bias_ih_l0"] + self.weights[f"{name}.bias_hh_l0"])
        if depth == 0 and self.folded:
            self.arrays["token_gates"] = self._for_each_token(from_input) + bias
        else:
            self._matrix(f"{name}.first", from_input, input_scale)
            self.arrays[f"{name}.bias"] = bias
        self._matrix(f"{name}.second", in_gate_order(self.weights[f"{name}.weight_hh_l0"]), 1 / LARGEST)

    def _heads(self, embedded_scale: float, top_scale: float, hidden_scale: float) -> None:
        reads_top = "head_hidden" if self.a.head else "head"
        weight, bias = self.weights[f"{reads_top}.weight"], padded(self.weights[f"{reads_top}.bias"], 0, OUTPUTS)
        self._matrix(f"{reads_top}.first", weight[:, : self.a.hidden], top_scale)
        if self.folded:
            table = self._for_each_token(padded(weight[:, self.a.hidden :], 0, OUTPUTS))
            self.arrays["token_head"] = table + bias
        else:
            self._matrix(f"{reads_top}.second", weight[:, self.a.hidden :], embedded_scale)
            self.arrays[f"{reads_top}.bias"] = bias
        if self.a.head:
            self._matrix("head.first", self.weights["head.weight"], hidden_scale)
            self.arrays["head.bias"] = padded(self.weights["head.bias"], 0, OUTPUTS)

    def _for_each_token(self, from_input: Floats) -> Floats:
        """(vocabulary, outputs): what each token's embedding gives."""
        product: Floats = (self.weights["tables"].astype(np.float64) @ from_input.T.astype(np.float64)).astype(np.float32)
        return product

    def _matrix(self, name: str, weight: Floats, input_scale: float) -> None:
        """weight (outputs, inputs) in packed order, and what each output's integer sum is worth."""
        weight = padded(padded(weight, 0, OUTPUTS), 1, COLUMNS)
        if self.precision == "int8":
            scale = np.maximum(np.abs(weight).max(axis=1), np.float32(1e-12)) / np.float32(LARGEST)
            whole = np.clip(np.rint(weight / scale[:, None]), -LARGEST, LARGEST).astype(np.int8)
            self.arrays[f"{name}.weights"] = in_groups(whole, INPUTS)
            self.arrays[f"{name}.scale"] = scale * np.float32(input_scale)
        else:
            numbers = weight if self.precision == "fp32" else bfloat16(weight)
            self.arrays[f"{name}.weights"] = in_groups(numbers, 1)
            self.arrays[f"{name}.scale"] = np.ones(len(weight), np.float32)


def rounded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def padded(array: NDArray[Any], axis: int, multiple: int) -> NDArray[Any]:
    """With zeros at the end of the axis, up to a multiple."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, rounded(array.shape[axis], multiple) - array.shape[axis])
    return np.pad(array, widths)


def in_gate_order(rows: NDArray[Any]) -> NDArray[Any]:
    """(4·hidden, …) in PyTorch's order, all input gates first → the four gates of 16 units, then those of the next 16."""
    gates = padded(rows.reshape(4, -1, *rows.shape[1:]), 1, LANES)
    groups = gates.reshape(4, -1, LANES, *rows.shape[1:])
    return groups.swapaxes(0, 1).reshape(-1, *rows.shape[1:])


def out_of_gate_order(rows: NDArray[Any]) -> NDArray[Any]:
    """What `in_gate_order` was given, with its padding: (4·hidden, …), all input gates first."""
    return rows.reshape(-1, 4, LANES, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)


def in_groups(weight: NDArray[Any], inputs: int) -> NDArray[Any]:
    """(outputs, inputs) → [group of 64 outputs][inputs / n][64 outputs][n inputs]."""
    outputs, columns = weight.shape
    groups = weight.reshape(outputs // OUTPUTS, OUTPUTS, columns // inputs, inputs)
    return np.ascontiguousarray(groups.transpose(0, 2, 1, 3))


def out_of_groups(groups: NDArray[Any]) -> NDArray[Any]:
    """What `in_groups` was given: (outputs, inputs)."""
    count, quads, outputs, inputs = groups.shape
    return groups.transpose(0, 2, 1, 3).reshape(count * outputs, quads * inputs)


def bfloat16(numbers: Floats) -> NDArray[np.uint16]:
    """The upper half of each float, rounded to the nearest, to even in the middle."""
    bits = numbers.view(np.uint32)
    upper: NDArray[np.uint16] = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return upper
