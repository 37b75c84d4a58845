"""The slow, readable way to generate: one variation after another. The engine gives exactly the same; tests hold it to that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from core.brief import Bools, Brief, Context, Ints, Plan, Rendered
from core.checkpoint import LoadedModel
from core.model import RecurrentModel, State
from core.sampling import RECENT_TOKENS, draw, probabilities, uniform

READ_CHUNK = 256
"""Tokens of a prime that are read in one go. Fixed: where the chunks end is part of the numerics."""


@dataclass(frozen=True)
class Result:
    """One finished variation. `variation` counts from 1; `finish_reason` as in the API."""

    variation: int
    seed: int
    finish_reason: str
    rendered: Rendered


class PrimeReader:
    """Reads a plan's prefix chunk by chunk into a one-row context and a state, so that a long prime can be interrupted."""

    def __init__(self, loaded: LoadedModel, plan: Plan) -> None:
        self.model, self.plan = loaded.model, plan
        self.context: Context = loaded.author.context(1)
        self.context.reset(0, plan.bars_total, plan.bar_ticks)
        self.state: State = loaded.model.empty_state(1)
        self.read = 1  # the first token is what reset has read

    @property
    def finished(self) -> bool:
        return self.read >= len(self.plan.prefix)

    def read_chunk(self) -> None:
        """Read up to READ_CHUNK tokens."""
        features, references = [], []
        for token in self.plan.prefix[self.read : self.read + READ_CHUNK]:
            here_features, here_references, _ = self.context.inputs()
            features.append(here_features)
            references.append(here_references)
            self.context.advance(np.array([token]))
        self.read += len(features)
        self.state = read(self.model, np.stack(features), np.stack(references), self.state)


@torch.inference_mode()
def read(model: RecurrentModel, features: Ints, references: Ints, state: State) -> State:
    """The state after features (time, rows, n), references (time, rows, r)."""
    device = model.tables.device
    _, state = model(torch.from_numpy(features).to(device), torch.from_numpy(references).to(device), state)
    return state


@torch.inference_mode()
def step(model: RecurrentModel, features: Ints, references: Ints, state: State) -> tuple[NDArray[np.float32], State]:
    """Logits (rows, vocabulary) f32 on the host, and the new state."""
    device = model.tables.device
    logits, state = model.step(torch.from_numpy(features).to(device), torch.from_numpy(references).to(device), state)
    return logits.cpu().numpy(), state


def seen_tokens(recent: list[int], vocabulary: int) -> Bools:
    """(vocabulary,) bool: what was among the last tokens."""
    seen = np.zeros(vocabulary, bool)
    seen[recent[-RECENT_TOKENS:]] = True
    return seen


def generate_variation(
    loaded: LoadedModel, brief: Brief, variation: int, progress: Callable[[int, int], None] | None = None
) -> Result:
    """One variation, start to end. `brief.sampling.seed` must be set; `variation` counts from 1."""
    seed = brief.sampling.seed
    assert seed is not None
    plan = loaded.author.plan(brief)
    reader = PrimeReader(loaded, plan)
    while not reader.finished:
        reader.read_chunk()
    context, state = reader.context, reader.state
    drawn: list[int] = []
    reason = None
    while reason is None:
        features, references, allowed = context.inputs()
        logits, state = step(loaded.model, features, references, state)
        choices = plan.narrow(allowed[0])[None, :]
        seen = seen_tokens(drawn, logits.shape[1])[None, :]
        distribution = probabilities(logits, choices, [brief.sampling], seen)
        token = draw(distribution, [uniform(seed, variation, 1, len(drawn))])
        drawn.append(int(token[0]))
        context.advance(token)
        reason = plan.take(int(token[0]))
        if progress:
            progress(plan.done, plan.total)
        if reason is None and len(drawn) >= plan.budget:
            reason = "length"
    return Result(variation, seed, reason, plan.render())


def generate(loaded: LoadedModel, brief: Brief, progress: Callable[[int, int], None] | None = None) -> list[Result]:
    """All variations of a brief, one after another. `progress(done, total)` over the whole."""

    def part(variation: int) -> Callable[[int, int], None] | None:
        return (lambda done, total: progress((variation - 1) * total + done, brief.variations * total)) if progress else None

    one = replace(brief, variations=1)
    return [generate_variation(loaded, one, variation, part(variation)) for variation in range(1, brief.variations + 1)]
