"""One claimed job in the engine's hands: its brief, the stream that reads its prime, its variations, what is finished of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.brief import Brief, Plan
from core.decoding import Decoder, Drawing, Stream
from core.sampling_params import SamplingParams
from worker.jobs.artifacts import artifact_name
from worker.jobs.store import Artifact, Claim, Outcome


@dataclass
class Seat:
    """One variation. `finish_reason` is set when it is over; `stream` is None before the prime is read and after the end."""

    plan: Plan
    sampling: SamplingParams
    variation: int
    take: int = 1
    stream: Stream | None = None
    drawn: int = 0
    finish_reason: str | None = None

    def begin(self, stream: Stream) -> None:
        """Draw from where the stream stands, which is this seat's alone."""
        stream.sample(Drawing(self.sampling, self.variation, self.take, self.plan.wanted))
        self.stream = stream

    def note(self, tokens: list[int]) -> None:
        """What the stream has drawn; what it drew beyond the end is nobody's."""
        assert tokens[0] >= 0, "the grammar allows nothing, and the plan has not ended"
        for token in tokens:
            if token < 0:
                break
            self.drawn += 1
            self.finish_reason = self.plan.take(token)
            if self.finish_reason is None and self.drawn >= self.plan.budget:
                self.finish_reason = "length"
            if self.finish_reason is not None:
                self.stream = None
                break


@dataclass
class Work:
    """`reader` reads what all variations begin with; it is None once that is done."""

    claim: Claim
    brief: Brief
    decoder: Decoder
    seats: list[Seat]
    reader: Stream | None
    untold: list[dict[str, Any]] = field(default_factory=list)
    """Text that the store has not taken yet."""

    @property
    def job_id(self) -> str:
        return self.claim.job_id

    @property
    def streams(self) -> list[Stream]:
        """What has to be advanced for this job."""
        if self.reader is not None:
            return [self.reader]
        return [seat.stream for seat in self.seats if seat.stream is not None]

    def note(self, rows: list[list[int]]) -> None:
        """What `streams` have drawn, row by row: forward with the job."""
        if self.reader is None:
            for seat, tokens in zip([seat for seat in self.seats if seat.stream is not None], rows, strict=True):
                seat.note(tokens)
        self.seat_all_when_read()

    def seat_all_when_read(self) -> None:
        if self.reader is not None and not self.reader.unread:
            for seat in self.seats[1:]:
                seat.begin(self.reader.copy())
            self.seats[0].begin(self.reader)
            self.reader = None

    @property
    def done(self) -> bool:
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

    def outcome(self) -> Outcome:
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
        return Outcome(self.claim, results, artifacts)
