"""The slow, readable way to generate: one variation after another. The engine gives exactly the same; tests hold it to that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from core.brief import Brief, Rendered
from core.decoding import Decoder, Drawing

READ_STEPS = 64  # tokens of a prime that are read in one call


@dataclass(frozen=True)
class Result:
    """One finished variation. `variation` counts from 1; `finish_reason` as in the API."""

    variation: int
    seed: int
    finish_reason: str
    rendered: Rendered


def generate_variation(
    decoder: Decoder, brief: Brief, variation: int, progress: Callable[[int, int], None] | None = None
) -> Result:
    """One variation, start to end. `brief.sampling.seed` must be set; `variation` counts from 1."""
    seed = brief.sampling.seed
    assert seed is not None
    plan = decoder.author.plan(brief)
    stream = decoder.begin(plan)
    while stream.unread:
        decoder.advance([stream], READ_STEPS)
    stream.sample(Drawing(brief.sampling, variation, 1, plan.wanted))
    reason, drawn = None, 0
    while reason is None:
        token = int(decoder.advance([stream], 1)[0, 0])
        assert token >= 0, "the grammar allows nothing, and the plan has not ended"
        drawn += 1
        reason = plan.take(token)
        if progress:
            progress(plan.done, plan.total)
        if reason is None and drawn >= plan.budget:
            reason = "length"
    return Result(variation, seed, reason, plan.render())


def generate(decoder: Decoder, brief: Brief, progress: Callable[[int, int], None] | None = None) -> list[Result]:
    """All variations of a brief, one after another. `progress(done, total)` over the whole."""

    def part(variation: int) -> Callable[[int, int], None] | None:
        return (lambda done, total: progress((variation - 1) * total + done, brief.variations * total)) if progress else None

    one = replace(brief, variations=1)
    return [generate_variation(decoder, one, variation, part(variation)) for variation in range(1, brief.variations + 1)]
