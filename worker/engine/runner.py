"""One model and its slots: everything that runs on it takes each step together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from core.brief import Plan
from core.checkpoint import LoadedModel
from core.generate import PrimeReader, seen_tokens, step
from core.sampling import draw, probabilities, uniform
from core.sampling_params import SamplingParams


@dataclass
class Seat:
    """One variation in its slot. `drawn` are its tokens so far; `finish_reason` is set when it is over."""

    plan: Plan
    sampling: SamplingParams
    variation: int
    take: int = 1
    drawn: list[int] = field(default_factory=list)
    finish_reason: str | None = None


class ModelRunner:
    """Slots 0 … width−1 of one loaded model. Joins and leaves happen between two steps."""

    def __init__(self, loaded: LoadedModel, width: int) -> None:
        self.loaded, self.width = loaded, width
        self.context = loaded.author.context(width)
        self.hidden, self.cell = loaded.model.empty_state(width)
        self.seats: dict[int, Seat] = {}

    @property
    def free(self) -> int:
        return self.width - len(self.seats)

    def join(self, seat: Seat, reader: PrimeReader) -> int:
        """Seat a variation with what its prime has left behind; several variations may share one reader. Returns the slot."""
        slot = next(slot for slot in range(self.width) if slot not in self.seats)
        self.context.copy_row(slot, reader.context, 0)
        self.hidden[:, slot], self.cell[:, slot] = reader.state[0][:, 0], reader.state[1][:, 0]
        self.seats[slot] = seat
        return slot

    def leave(self, slot: int) -> None:
        self.seats.pop(slot, None)
        self.context.rest(slot)

    def step(self) -> list[Seat]:
        """Draw one token for every seat; the seats that are over by it leave, and are returned."""
        if not self.seats:
            return []
        slots = sorted(self.seats)
        seats = [self.seats[slot] for slot in slots]
        features, references, allowed = self.context.inputs()
        index = torch.tensor(slots)
        state = (self.hidden[:, index], self.cell[:, index])
        logits, (hidden, cell) = step(self.loaded.model, features[slots], references[slots], state)
        self.hidden[:, index], self.cell[:, index] = hidden, cell
        choices = np.stack([seat.plan.narrow(row) for seat, row in zip(seats, allowed[slots], strict=True)])
        seen = np.stack([seen_tokens(seat.drawn, logits.shape[1]) for seat in seats])
        distribution = probabilities(logits, choices, [seat.sampling for seat in seats], seen)
        uniforms = [uniform(seat.sampling.seed or 0, seat.variation, seat.take, len(seat.drawn)) for seat in seats]
        drawn = draw(distribution, uniforms)
        tokens = np.zeros(self.width, np.int64)
        tokens[slots] = drawn
        self.context.advance(tokens)
        return self._note(slots, seats, drawn.tolist())

    def _note(self, slots: list[int], seats: list[Seat], drawn: list[int]) -> list[Seat]:
        over = []
        for slot, seat, token in zip(slots, seats, drawn, strict=True):
            seat.drawn.append(token)
            reason = seat.plan.take(token)
            if reason is None and len(seat.drawn) >= seat.plan.budget:
                reason = "length"
            if reason is not None:
                seat.finish_reason = reason
                self.leave(slot)
                over.append(seat)
        return over
