"""The network: one closed set of operations for training and decoding.

    a sum of embeddings (the token and the features known at that place)
      → LSTM layers, optionally residual
      → a linear or one-hidden-layer head over [h; input]
      → logits, plus tables over (pitch − reference)

This is the network that training and evaluation run, over whole sequences; what decodes are `core.native` and
`core.quantised`. State is a value, never kept in the model: a model holds weights alone.

Sources: LSTM, Hochreiter & Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; dropout as in AWD-LSTM,
Merity et al. 2018, arXiv:1708.02182 (locked masks, DropConnect on the recurrent matrix, whole embedding rows).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from core.architecture import Architecture

State = tuple[Tensor, Tensor]
"""(h, c), each (layers, rows, hidden) float32."""


@dataclass(frozen=True)
class Dropout:
    """Rates of each kind, used in training only."""

    rows: float = 0.0
    """Whole rows of the embedding tables."""
    input: float = 0.0
    between: float = 0.0
    output: float = 0.0
    head: float = 0.0
    recurrent: float = 0.0
    """DropConnect on the hidden-to-hidden matrices."""


def locked_dropout(x: Tensor, rate: float) -> Tensor:
    """Drop the same units at every time step of a row. x (time, rows, units); Gal & Ghahramani 2016, arXiv:1512.05287."""
    if rate == 0.0:
        return x
    keep = torch.empty(1, *x.shape[1:], dtype=x.dtype).bernoulli_(1 - rate).to(x.device)
    return x * (keep / (1 - rate))


@dataclass(eq=False)
class RecurrentModel(nn.Module):
    """The LSTM of an Architecture. `dropout` matters only in training mode."""

    architecture: Architecture
    dropout: Dropout = field(default_factory=Dropout)

    def __post_init__(self) -> None:
        super().__init__()
        a = self.architecture
        self.feature_starts: Tensor
        self.register_buffer("feature_starts", torch.tensor(a.feature_starts[:-1]), persistent=False)
        self.tables = nn.Parameter(torch.randn(sum(a.features), a.embedding) * 0.1)
        widths = [a.embedding] + [a.hidden] * (a.layers - 1)
        self.lstm = cast(Sequence[nn.LSTM], nn.ModuleList(nn.LSTM(width, a.hidden) for width in widths))
        top = a.hidden + a.embedding
        self.head_hidden = nn.Linear(top, a.head) if a.head else None
        self.head = nn.Linear(a.head or top, a.vocabulary)
        pitches = a.pitch_tokens[1]
        self.relative = nn.Parameter(torch.zeros(a.references, max(0, 2 * pitches - 1)))
        pitch = torch.arange(pitches)
        self.distances: Tensor  # (pitches, pitches): where a table holds the bonus of each pitch (columns), by reference (rows)
        self.register_buffer("distances", pitch[None, :] - pitch[:, None] + pitches - 1, persistent=False)
        for layer in self.lstm:
            _, _, input_bias, hidden_bias = layer.all_weights[0]
            with torch.no_grad():  # an open forget gate at the start: Jozefowicz et al. 2015
                input_bias[a.hidden : 2 * a.hidden] = 1.0
                hidden_bias.zero_()

    def empty_state(self, rows: int) -> State:
        """The state before anything was read: zeros."""
        shape = (self.architecture.layers, rows, self.architecture.hidden)
        device = self.tables.device
        return torch.zeros(shape, device=device), torch.zeros(shape, device=device)

    def forward(self, features: Tensor, references: Tensor, state: State) -> tuple[Tensor, State]:
        """features (time, rows, n) i64, references (time, rows, r) i64 → logits (time, rows, vocabulary) and the new state.

        A reference is a pitch index, or the number of pitches for "none".
        """
        drop = self.dropout if self.training else Dropout()
        inputs = locked_dropout(self._embed(features, drop.rows), drop.input)
        x, hidden, cell = inputs, [], []
        for depth, layer in enumerate(self.lstm):
            y, (h, c) = self._run_layer(layer, x, (state[0][depth : depth + 1], state[1][depth : depth + 1]), drop.recurrent)
            hidden.append(h)
            cell.append(c)
            residual = self.architecture.residual and depth > 0
            x = locked_dropout(y + x if residual else y, drop.output if depth == len(self.lstm) - 1 else drop.between)
        logits = self._read_out(torch.cat([x, inputs], dim=-1), references, drop.head)
        return logits, (torch.cat(hidden), torch.cat(cell))

    def _embed(self, features: Tensor, rate: float) -> Tensor:
        tables: Tensor = self.tables
        if rate:
            keep = torch.empty(tables.shape[0], 1).bernoulli_(1 - rate).to(tables.device)
            tables = tables * (keep / (1 - rate))
        index = features + self.feature_starts
        return F.embedding_bag(index.view(-1, index.shape[-1]), tables, mode="sum").view(*index.shape[:-1], -1)

    def _run_layer(self, layer: nn.LSTM, x: Tensor, state: State, rate: float) -> tuple[Tensor, State]:
        weights: dict[str, Tensor] = {}
        if rate:
            _, hidden_weight, _, _ = layer.all_weights[0]
            weights["weight_hh_l0"] = F.dropout(hidden_weight, rate)
        result: tuple[Tensor, State] = functional_call(layer, weights, (x, state)) if rate else layer(x, state)
        return result

    def _read_out(self, x: Tensor, references: Tensor, rate: float) -> Tensor:
        if self.head_hidden is not None:
            x = F.dropout(F.gelu(self.head_hidden(x)), rate, training=rate > 0)
        logits: Tensor = self.head(x).float()
        first, count = self.architecture.pitch_tokens
        if self.architecture.references:
            pitches = logits[..., first : first + count] + self._bonuses(references)
            logits = torch.cat([logits[..., :first], pitches, logits[..., first + count :]], dim=-1)
        return logits

    def _bonuses(self, references: Tensor) -> Tensor:
        """What the tables add to each pitch: references (..., r) → (..., pitches). The reference "none" adds nothing."""
        starts = torch.arange(references.shape[-1], device=references.device) * (self.distances.shape[0] + 1)
        index = (references + starts).view(-1, references.shape[-1])
        return F.embedding_bag(index, self._bonus_table(), mode="sum").view(*references.shape[:-1], -1)

    def _bonus_table(self) -> Tensor:
        """(r · (pitches + 1), pitches): a row for each reference pitch, and one of zeros for "none"."""
        tables = self.relative[:, self.distances]  # (r, pitches, pitches)
        return torch.cat([tables, torch.zeros_like(tables[:, :1])], dim=1).flatten(0, 1)
