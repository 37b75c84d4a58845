"""The network as the native kernel computes it, in PyTorch: the same integers, from the same packed arrays (native/packing.py).

    a sum of embeddings (or one token's row of a table) → LSTM layers, optionally residual
      → a linear or one-hidden-layer head over [top; embeddings] → logits + tables over (pitch − reference)

An activation a stands for a · scale, a weight w for w · (its row's scale), both whole numbers from −127 to 127. Sums of products
are taken over those, and no order of summation changes them; everything else is done element by element, in the kernel's
order (native/network.hpp). So a row gives the same bits in any company and any slot; on a CPU they are the kernel's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.architecture import Architecture
from core.elementary import gelu, sigmoid
from core.native.packing import LANES, LARGEST, OUTPUTS, Arrays, out_of_gate_order, out_of_groups, rounded

State = tuple[Tensor, Tensor]
"""(h, c), each (layers, rows, hidden rounded up): h in whole numbers as the next step reads it, c float32."""

MOST_INPUTS = 1040
"""127² · 1040 < 2²⁴: a float32 holds every partial sum of so many products of whole numbers exactly."""
GPU_ROWS = 17
"""`torch._int_mm` takes no fewer rows: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cuda/Blas.cpp"""


def whole_products(activations: Tensor, weights: Tensor) -> Tensor:
    """(rows, inputs), (outputs, inputs) of whole numbers → (rows, outputs) f32: what their sum in 32-bit integers rounds to."""
    if activations.dtype == torch.int8:
        padded = F.pad(activations, (0, 0, 0, max(0, GPU_ROWS - len(activations))))
        return torch._int_mm(padded, weights.t())[: len(activations)].float()
    if weights.shape[1] <= MOST_INPUTS:
        return F.linear(activations, weights)
    pieces = [slice(first, first + MOST_INPUTS) for first in range(0, weights.shape[1], MOST_INPUTS)]
    return torch.stack([F.linear(activations[:, piece], weights[:, piece]).int() for piece in pieces]).sum(0).float()


class _Dense:
    """What a layer of any kind computes first: a base (its bias, or a row of a table) + its input part + its second part.

    `reads`: for each part the size of what it reads, 0 where the part is folded into the table. `gates`: rows are an LSTM's.
    `like`: a whole number as the network keeps them, where it keeps them.
    """

    def __init__(self, arrays: Arrays, name: str, reads: tuple[int, int], like: Tensor, gates: bool = False) -> None:
        def ordered(rows: NDArray[np.float32]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(out_of_gate_order(rows) if gates else rows)).to(like.device)

        self.parts: list[tuple[Tensor, Tensor]] = []  # weights (outputs, inputs), scale (outputs,)
        for part, size in zip(("first", "second"), reads, strict=True):
            if size:
                weights = out_of_groups(arrays[f"{name}.{part}.weights"])[:, :size]
                self.parts.append((ordered(weights).to(like.dtype).contiguous(), ordered(arrays[f"{name}.{part}.scale"])))
        self.bias = ordered(arrays[f"{name}.bias"]) if f"{name}.bias" in arrays else torch.empty(0)

    def __call__(self, base: Tensor, *inputs: Tensor) -> Tensor:
        """base (outputs,) or (rows, outputs); inputs (rows, …), one for each part there is → (rows, outputs) f32."""
        total = base
        for activations, (weights, scale) in zip(inputs, self.parts, strict=True):
            total = whole_products(activations, weights).mul_(scale).add_(total)
        return total

    def tensors(self) -> Iterable[Tensor]:
        return [self.bias, *(tensor for part in self.parts for tensor in part)]


class QuantisedNetwork:
    """The weights of one model on one device. Needs no gradient, keeps no state.

    `whole`: what whole numbers are kept in, for the device's fastest exact product: float32 on a CPU, int8 on a GPU.
    """

    def __init__(self, architecture: Architecture, arrays: Arrays, device: str = "cpu", whole: torch.dtype | None = None) -> None:
        assert arrays["precision"][0] == 0, "only 8-bit weights have whole numbers"
        self.architecture, self.device = architecture, torch.device(device)
        a, arrays = architecture, dict(arrays)
        self.hidden = rounded(a.hidden, LANES)
        self._whole = whole or (torch.int8 if self.device.type == "cuda" else torch.float32)
        like = torch.empty(0, dtype=self._whole, device=self.device)
        scales = [1 / float(scale) for scale in arrays["scales"]]
        self._input_inverse, self._inverses, self._hidden_inverse = scales[0], scales[1:-1], scales[-1]
        self.tables = self._optional(arrays.get("tables"))
        gates = arrays.get("token_gates")
        self.token_gates = self._optional(None if gates is None else out_of_gate_order(gates.T).T)
        self.token_head = self._optional(arrays.get("token_head"))
        embedding = 0 if self.tables is None else self.tables.shape[1]
        self.layers = [
            _Dense(arrays, f"lstm.{depth}", (self.hidden if depth else embedding, self.hidden), like, gates=True)
            for depth in range(a.layers)
        ]
        reads_top, head = (self.hidden, embedding), rounded(a.head, OUTPUTS)
        self.head_hidden = _Dense(arrays, "head_hidden", reads_top, like) if a.head else None
        self.head = _Dense(arrays, "head", (head, 0) if a.head else reads_top, like)
        self.feature_starts = torch.tensor(a.feature_starts[:-1], device=self.device)
        # with these factors one sigmoid serves all four gates: tanh x = 1 − 2 σ(−2x)
        self._signs = torch.tensor([[1.0], [1.0], [-2.0], [1.0]], device=self.device)
        self.bonus_table = self._bonus_table(arrays["relative"]) if a.references else torch.empty(0)

    @property
    def size_bytes(self) -> int:
        tables = (self.tables, self.token_gates, self.token_head, self.bonus_table)
        tensors = [table for table in tables if table is not None]
        for dense in (*self.layers, self.head_hidden, self.head):
            tensors += dense.tensors() if dense else []
        return sum(tensor.nbytes for tensor in tensors)

    def empty_state(self, rows: int) -> State:
        """The state before anything was read: zeros."""
        shape = (self.architecture.layers, rows, self.hidden)
        return torch.zeros(shape, dtype=self._whole, device=self.device), torch.zeros(shape, device=self.device)

    def step(self, features: Tensor, references: Tensor, state: State) -> tuple[Tensor, State]:
        """One place of many sequences: features (rows, n) i64, references (rows, r) i64 → logits (rows, vocabulary), state."""
        read, state = self.recur(features, state)
        return self.read_out(features, references, read), state

    def recur(self, features: Tensor, state: State) -> tuple[tuple[Tensor, ...], State]:
        """As `step`, but short of the logits: what the head's first layer reads, and the new state."""
        embedded = self._embed(features)
        inputs, stream = embedded, torch.empty(0)
        hidden, cell = [], []
        for depth, layer in enumerate(self.layers):
            base = layer.bias if depth or self.token_gates is None else self.token_gates[features[:, 0]]
            gates = layer(base, *inputs, state[0][depth])
            write, keep, candidate, read = sigmoid(gates.view(-1, 4, self.hidden) * self._signs).unbind(1)
            c = keep * state[1][depth] + write * (1.0 - 2.0 * candidate)
            h = read * (1.0 - 2.0 * sigmoid(-2.0 * c))
            hidden.append(self._encode(h, LARGEST))
            cell.append(c)
            stream = h + stream if self.architecture.residual and depth else h
            inputs = (self._encode(stream, self._inverses[depth]),)
        return (*inputs, *embedded), (torch.stack(hidden), torch.stack(cell))

    def read_out(self, features: Tensor, references: Tensor, read: tuple[Tensor, ...]) -> Tensor:
        """Logits (rows, vocabulary) f32 from what `recur` has left to be read."""
        top = self.head_hidden or self.head
        logits = top(top.bias if self.token_head is None else self.token_head[features[:, 0]], *read)
        if self.head_hidden is not None:
            logits = self.head(self.head.bias, self._encode(gelu(logits), self._hidden_inverse))
        logits = logits[:, : self.architecture.vocabulary]
        first, count = self.architecture.pitch_tokens
        for table, reference in zip(self.bonus_table, references.unbind(1), strict=True):
            logits[:, first : first + count] += table[reference]
        return logits

    def _embed(self, features: Tensor) -> tuple[Tensor, ...]:
        """The summed embeddings in whole numbers; nothing where tables of one row a token hold what they would give."""
        if self.tables is None:
            return ()
        summed = F.embedding_bag(features + self.feature_starts, self.tables, mode="sum")
        return (self._encode(summed, self._input_inverse),)

    def _encode(self, x: Tensor, inverse_scale: float) -> Tensor:
        return (x * inverse_scale).clamp_(-LARGEST, LARGEST).round_().to(self._whole)

    def _optional(self, table: NDArray[np.float32] | None) -> Tensor | None:
        return None if table is None else torch.from_numpy(np.ascontiguousarray(table, np.float32)).to(self.device)

    def _bonus_table(self, relative: NDArray[np.float32]) -> Tensor:
        """(r, pitches + 1, pitches): what a reference adds to each pitch; the last row, of zeros, is for "none"."""
        pitch = np.arange(self.architecture.pitch_tokens[1])
        tables = relative[:, pitch[None, :] - pitch[:, None] + len(pitch) - 1]
        return torch.from_numpy(np.concatenate([tables, np.zeros_like(tables[:, :1])], axis=1)).to(self.device)
