"""Drawing tokens: mask → repetition penalty → temperature → top_k → top_p → one draw from a counter-based stream.

All in float64 with numpy, row by row independent: a row's token does not depend on its company.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.sampling_params import SamplingParams

RECENT_TOKENS = 64  # how far back the repetition penalty looks

Floats = NDArray[np.float64]


def uniform(seed: int, variation: int, take: int, step: int) -> float:
    """One number in [0, 1): a pure function of its arguments. Philox4x64: Salmon 2011, https://doi.org/10.1145/2063384.2063405."""
    stream = np.random.Philox(key=[seed, (variation << 32) | take], counter=step)
    return float(stream.random_raw() >> 11) * 2.0**-53


def probabilities(
    logits: NDArray[np.float32], allowed: NDArray[np.bool_], params: Sequence[SamplingParams], seen: NDArray[np.bool_]
) -> Floats:
    """What `draw` draws from: (rows, vocabulary), each row summing to 1. `seen` marks each row's recent tokens.

    A row must allow something. Nucleus: Holtzman et al. 2020, arXiv:1904.09751; penalty: Keskar et al. 2019, arXiv:1909.05858.
    """
    x = logits.astype(np.float64)
    penalty = np.array([p.repetition_penalty for p in params])[:, None]
    x = np.where(seen, np.where(x > 0, x / penalty, x * penalty), x)
    x = np.where(allowed, x, -np.inf)
    temperature = np.array([p.temperature for p in params])[:, None]
    greedy = temperature == 0
    shifted = (x - x.max(axis=1, keepdims=True)) / np.where(greedy, 1.0, temperature)
    order = np.argsort(-shifted, axis=1, kind="stable")
    ranked = np.exp(np.take_along_axis(shifted, order, axis=1))
    vocabulary = x.shape[1]
    top_k = np.array([1 if p.temperature == 0 else p.top_k or vocabulary for p in params])[:, None]
    ranked = np.where(np.arange(vocabulary)[None, :] < top_k, ranked, 0.0)
    ranked /= ranked.sum(axis=1, keepdims=True)
    before = np.cumsum(ranked, axis=1) - ranked  # the mass of what is likelier
    ranked = np.where(before < np.array([p.top_p for p in params])[:, None], ranked, 0.0)
    ranked /= ranked.sum(axis=1, keepdims=True)
    result = np.zeros_like(ranked)
    np.put_along_axis(result, order, ranked, axis=1)
    return result


def draw(distribution: Floats, uniforms: Sequence[float]) -> NDArray[np.int64]:
    """One token per row by inverting its cumulative distribution: (rows, vocabulary), (rows,) → (rows,)."""
    cumulative = np.cumsum(distribution, axis=1)
    target = np.array(uniforms)[:, None] * cumulative[:, -1:]
    token = (cumulative <= target).sum(axis=1)
    last_possible = distribution.shape[1] - 1 - np.argmax(distribution[:, ::-1] > 0, axis=1)
    tokens: NDArray[np.int64] = np.minimum(token, last_possible)
    return tokens
