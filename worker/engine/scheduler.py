"""Which jobs are in step and which are parked: pure bookkeeping, no decoder, no Redis.

A job in step holds as many slots as it has variations. When others wait and no slot is free, one that has had its quantum
of tokens yields: its streams are a few kB each, they wait where they are and go on exactly. So a short job never waits
for the end of a long one, and a long one is never put off for longer than its patience.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

QUANTUM_TOKENS = 256  # of each variation, before a job yields to one that waits
PATIENCE_SECONDS = 1.0  # how long a parked job lets newcomers go first
HELD_FACTOR = 4  # jobs in step and parked together hold at most so many times the slots


@dataclass
class _Standing:
    cost: int
    tokens: int = 0
    """Of each variation, since it was last seated."""
    parked_at: float | None = None


class Roster:
    """The jobs that an engine holds. Times are seconds of any clock that goes forward."""

    def __init__(self, slots: int, quantum_tokens: int = QUANTUM_TOKENS, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.slots, self.quantum_tokens, self.patience_seconds = slots, quantum_tokens, patience_seconds
        self._jobs: dict[Hashable, _Standing] = {}

    @property
    def free(self) -> int:
        return self.slots - sum(job.cost for job in self._jobs.values() if job.parked_at is None)

    @property
    def yieldable(self) -> int:
        """Slots that newcomers may have of those who have had their quantum, as far as the engine may hold so many jobs."""
        held = sum(job.cost for job in self._jobs.values())
        return min(sum(self._jobs[job].cost for job in self._tired()), HELD_FACTOR * self.slots - held)

    def in_step(self, job: Hashable) -> bool:
        return self._jobs[job].parked_at is None

    def seat(self, job: Hashable, cost: int, now: float) -> None:
        """A newcomer; those who have had their quantum are parked until it fits."""
        self._make_room(cost, now)
        self._jobs[job] = _Standing(cost)

    def leave(self, job: Hashable) -> None:
        self._jobs.pop(job, None)

    def serve(self, job: Hashable, tokens: int) -> None:
        """Each of the job's variations has had so many more."""
        self._jobs[job].tokens += tokens

    def resume(self, now: float) -> None:
        """Seat parked jobs, who has waited longest first: where slots are free, and in others' place when patience is over."""
        for job in sorted(self._parked(), key=self._waiting_since):
            standing = self._jobs[job]
            overdue = now - self._waiting_since(job) >= self.patience_seconds
            tired = sum(self._jobs[other].cost for other in self._tired())
            if standing.cost <= self.free or (overdue and standing.cost <= self.free + tired):
                self._make_room(standing.cost, now)
                standing.parked_at, standing.tokens = None, 0

    def _make_room(self, cost: int, now: float) -> None:
        for job in self._tired():
            if cost <= self.free:
                break
            self._jobs[job].parked_at = now
        assert cost <= self.free, "more was claimed than there is room for"

    def _tired(self) -> list[Hashable]:
        """In step and past their quantum, who has had most first."""
        in_step = [(job, standing.tokens) for job, standing in self._jobs.items() if standing.parked_at is None]
        tired = [(tokens, job) for job, tokens in in_step if tokens >= self.quantum_tokens]
        return [job for _, job in sorted(tired, key=lambda entry: -entry[0])]

    def _parked(self) -> list[Hashable]:
        return [job for job, standing in self._jobs.items() if standing.parked_at is not None]

    def _waiting_since(self, job: Hashable) -> float:
        since = self._jobs[job].parked_at
        assert since is not None
        return since
