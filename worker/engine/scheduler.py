"""Which job reads next, and how many slots are left: pure bookkeeping, no torch, no Redis."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable


class SlotBudget:
    """Slots promised to claimed jobs. A job keeps its slots from the claim to its end, whether it reads or draws."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._promised: dict[Hashable, int] = {}

    @property
    def free(self) -> int:
        return self.slots - sum(self._promised.values())

    def promise(self, job: Hashable, slots: int) -> None:
        assert slots <= self.free, "more was claimed than there is room for"
        self._promised[job] = slots

    def give_back(self, job: Hashable) -> None:
        self._promised.pop(job, None)


class Turns:
    """Round robin: each call of `next` names the one that has waited longest. Long primes thus share the reading time."""

    def __init__(self) -> None:
        self._waiting: deque[Hashable] = deque()

    def add(self, job: Hashable) -> None:
        self._waiting.append(job)

    def remove(self, job: Hashable) -> None:
        if job in self._waiting:
            self._waiting.remove(job)

    def next(self) -> Hashable | None:
        if not self._waiting:
            return None
        job = self._waiting.popleft()
        self._waiting.append(job)
        return job
