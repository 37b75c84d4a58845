"""Which jobs are in step and which are parked: pure bookkeeping, no decoder, no Redis.

A job in step holds as many slots as it has variations. When others wait and no slot is free, those that have had their
quantum of tokens yield: their streams are a few kB each, they wait where they are and go on exactly. So a short job never
waits for the end of a long one. Newcomers and those who have been parked for longer than their patience get what is yielded
by turns (engine.py), so neither keeps the other out.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

QUANTUM_TOKENS = 256  # of each variation, before a job yields to one that waits
PATIENCE_SECONDS = 1.0  # how long a parked job lets newcomers go first
HELD_FACTOR = 64  # jobs in step and parked hold at most so many times the slots: more than ever wait, and some 20 kB each


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

    def resume(self, now: float, patient_only: bool = False) -> None:
        """Seat parked jobs where slots are free, who has waited longest first; or only those whose patience is over."""
        for job in self._parked():
            if self._jobs[job].cost <= self.free and (not patient_only or self._overdue(job, now)):
                self._seat_again(job)

    def rotate(self, now: float) -> bool:
        """Seat parked jobs whose patience is over in the place of others that have had their quantum. Whether any was."""
        rotated = False
        for job in self._parked():
            cost = self._jobs[job].cost
            if self._overdue(job, now) and cost <= self.free + sum(self._jobs[other].cost for other in self._tired()):
                self._make_room(cost, now)
                self._seat_again(job)
                rotated = True
        return rotated

    def _seat_again(self, job: Hashable) -> None:
        self._jobs[job].parked_at, self._jobs[job].tokens = None, 0

    def _overdue(self, job: Hashable, now: float) -> bool:
        return now - self._waiting_since(job) >= self.patience_seconds

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
        """Who has waited longest first."""
        parked = [job for job, standing in self._jobs.items() if standing.parked_at is not None]
        return sorted(parked, key=self._waiting_since)

    def _waiting_since(self, job: Hashable) -> float:
        since = self._jobs[job].parked_at
        assert since is not None
        return since
