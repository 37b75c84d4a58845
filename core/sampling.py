"""Drawing tokens, for many rows at once and on their device.

    mask → repetition penalty → temperature → top_k → top_p → one draw from a counter-based random stream

What a token weighs is a whole number of parts of 2⁻³⁰ of what the likeliest weighs, so that no order of summation changes a
sum: a row's token depends neither on its company nor on how a device adds up. native/sampler.hpp is held to this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.elementary import exponential
from core.sampling_params import SamplingParams

RECENT_TOKENS = 64
"""How far back the repetition penalty looks."""
UNIT = 2**30
"""What the likeliest token weighs."""
NEVER = -1e30
"""Stands for the logit of what may not be drawn."""
OUTPUTS_PER_COUNT = 4  # Philox4x64 gives four numbers at each count; the first is ours


@dataclass(frozen=True)
class Knobs:
    """The SamplingParams of some rows: each (rows, 1), in float32 as the kernel keeps them."""

    temperature: Tensor
    top_k: Tensor
    """i64"""
    top_p: Tensor
    repetition_penalty: Tensor

    @classmethod
    def of(cls, params: Sequence[SamplingParams]) -> Knobs:
        return cls(
            torch.tensor([[p.temperature] for p in params]),
            torch.tensor([[p.top_k] for p in params]),
            torch.tensor([[p.top_p] for p in params]),
            torch.tensor([[p.repetition_penalty] for p in params]),
        )


def uniforms(seed: int, variation: int, take: int, first_step: int, count: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) for `count` steps on. Philox4x64: Salmon 2011, https://doi.org/10.1145/2063384.2063405."""
    stream = np.random.Philox(key=[seed, (variation << 32) | take], counter=first_step)
    raw = stream.random_raw(count * OUTPUTS_PER_COUNT)[::OUTPUTS_PER_COUNT]
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def uniform(seed: int, variation: int, take: int, step: int) -> float:
    """One of them: a pure function of its arguments."""
    return float(uniforms(seed, variation, take, step, 1)[0])


def seen(recent: Tensor, vocabulary: int) -> Tensor:
    """recent (rows, n) i64, `vocabulary` where there is none → (rows, vocabulary) bool: which tokens are among them."""
    marks = torch.zeros(len(recent), vocabulary + 1, dtype=torch.bool, device=recent.device)
    return marks.scatter_(1, recent, True)[:, :vocabulary]


def weigh(logits: Tensor, allowed: Tensor, seen: Tensor, knobs: Knobs) -> Tensor:
    """What `draw` draws from: logits (rows, vocabulary) f32 → (rows, vocabulary) i64, of a token that may not be drawn 0.

    `allowed` and `seen` (rows, vocabulary) bool. Penalty: Keskar et al. 2019, arXiv:1909.05858; nucleus: Holtzman et al. 2020,
    arXiv:1904.09751.
    """
    penalised = torch.where(logits > 0, logits / knobs.repetition_penalty, logits * knobs.repetition_penalty)
    forbidden = ~allowed
    x = torch.where(seen, penalised, logits).masked_fill_(forbidden, NEVER)
    greedy = knobs.temperature == 0
    below = x - x.amax(dim=1, keepdim=True)
    share = exponential(below / knobs.temperature.masked_fill(greedy, 1.0))
    share = torch.where(greedy, (below == 0).float(), share)
    weights = (share * UNIT).to(torch.int64).masked_fill_(forbidden, 0)
    return _in_nucleus(weights, knobs.top_k.masked_fill(greedy, 1), knobs.top_p)


def _in_nucleus(weights: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """The weights of the top_k likeliest, and of those no more than it takes to reach top_p; of equally likely ones the first."""
    ranked, order = weights.sort(dim=1, descending=True, stable=True)
    rank = torch.arange(weights.shape[1], device=weights.device)
    ranked = ranked.masked_fill_((rank >= top_k) & (top_k > 0), 0)
    likelier = ranked.cumsum(dim=1).sub_(ranked)
    total = likelier[:, -1:] + ranked[:, -1:]
    enough = (top_p.double() * total).to(torch.int64).add_(1)
    return torch.zeros_like(weights).scatter_(1, order, ranked.masked_fill_(likelier >= enough, 0))


def draw(weights: Tensor, uniforms: Tensor) -> Tensor:
    """One token per row by inverting its cumulative distribution: (rows, vocabulary), (rows,) f64 → (rows,) i64.

    −1 where nothing weighs anything.
    """
    cumulative = weights.cumsum(dim=1)
    total = cumulative[:, -1:]
    point = (uniforms[:, None] * total).to(torch.int64)
    return (cumulative <= point).sum(dim=1).masked_fill_(total[:, 0] == 0, -1)
