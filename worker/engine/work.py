"""One claimed job in the engine's hands: its brief, its reader, its seats, and what is finished of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.brief import Brief
from core.generate import PrimeReader
from worker.engine.runner import ModelRunner, Seat
from worker.jobs.artifacts import artifact_name
from worker.jobs.store import Artifact, Claim


@dataclass
class Work:
    """`reader` is None once the prime is read."""

    claim: Claim
    brief: Brief
    runner: ModelRunner
    reader: PrimeReader | None
    seats: list[Seat] = field(default_factory=list)
    untold: list[dict[str, Any]] = field(default_factory=list)
    """Text that the store has not taken yet."""

    @property
    def drawing_done(self) -> bool:
        return self.reader is None and all(seat.finish_reason is not None for seat in self.seats)

    @property
    def progress(self) -> tuple[int, int]:
        """(done, total) over all variations, in bars, words or sentences."""
        total = sum(seat.plan.total for seat in self.seats)
        return sum(min(seat.plan.done, seat.plan.total) for seat in self.seats), total

    def fresh_tokens(self) -> list[dict[str, Any]]:
        """What each variation has made that is still untold, for the event stream."""
        fresh = [{"variation": seat.variation, "text": seat.plan.fresh_text()} for seat in self.seats]
        self.untold += [entry for entry in fresh if entry["text"]]
        return self.untold

    def leave(self) -> None:
        """Free the slots of a job that is given up."""
        for slot, seat in list(self.runner.seats.items()):
            if any(seat is own for own in self.seats):
                self.runner.leave(slot)

    def outcome(self) -> tuple[list[dict[str, Any]], list[Artifact]]:
        """Results and artifacts of the finished job, in the shape that the store keeps."""
        results, artifacts = [], []
        for seat in self.seats:
            rendered = seat.plan.render()
            name = artifact_name(seat.variation, rendered.extension)
            artifacts.append(Artifact(name, seat.variation, rendered.media_type, rendered.data))
            results.append(
                {
                    "variation": seat.variation,
                    "seed": seat.sampling.seed,
                    "finish_reason": seat.finish_reason,
                    "figures": rendered.figures,
                    "attributes": rendered.attributes,
                }
            )
        return results, artifacts
