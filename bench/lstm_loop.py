"""The usual way, for comparison: nn.LSTM called with sequences of length 1, a sorted nucleus, torch.multinomial.

The weights, the features and the grammar are the same as the engine's; one job comes after another in one process, with
no queue, no web and no company. This is what a script around a trained network does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.brief import Brief
from core.checkpoint import LoadedModel


@dataclass(frozen=True)
class Looped:
    """One job, from the brief to the bytes of the file."""

    seconds: float
    tokens: int
    data: bytes


def nucleus_sample(logits: Tensor, temperature: float, top_p: float) -> int:
    """logits (vocabulary,), −inf where nothing may be drawn."""
    ranked, tokens = torch.sort(torch.softmax(logits / temperature, dim=-1), descending=True)
    ranked[torch.cumsum(ranked, dim=-1) - ranked >= top_p] = 0.0
    return int(tokens[torch.multinomial(ranked, 1)])


@torch.inference_mode()
def generate_in_loop(loaded: LoadedModel, brief: Brief) -> Looped:
    """`brief.sampling` must have a temperature above 0; its top_k and penalty are left out, as its defaults leave them out."""
    start = time.perf_counter()
    torch.manual_seed(brief.sampling.seed or 0)
    plan, context = loaded.author.plan(brief), loaded.author.context(1)
    context.reset(0, plan.bars_total, plan.bar_ticks)
    state = loaded.model.empty_state(1)
    features, references = [], []
    for token in plan.prefix[1:]:
        here_features, here_references, _ = context.inputs()
        features.append(here_features)
        references.append(here_references)
        context.advance(np.array([token]))
    if features:  # the prime in one call, as one does
        _, state = loaded.model(torch.from_numpy(np.stack(features)), torch.from_numpy(np.stack(references)), state)
    tokens, reason = 0, None
    while reason is None and tokens < plan.budget:
        here_features, here_references, allowed = context.inputs()
        logits, state = loaded.model(torch.from_numpy(here_features)[None], torch.from_numpy(here_references)[None], state)
        wanted = plan.wanted[min(tokens, len(plan.wanted) - 1)]
        forbidden = torch.from_numpy(~(allowed[0] & wanted))
        choices = logits[0, 0].masked_fill(forbidden, float("-inf"))
        token = nucleus_sample(choices, brief.sampling.temperature, brief.sampling.top_p)
        context.advance(np.array([token]))
        reason = plan.take(token)
        tokens += 1
    return Looped(time.perf_counter() - start, tokens, plan.render().data)
