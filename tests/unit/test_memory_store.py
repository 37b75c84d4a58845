from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from store_contract import StoreContract, contract_settings

from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.store import JobStore


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class TestMemoryJobStore(StoreContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def wait(self, clock: Clock) -> Callable[[float], None]:
        return clock.wait

    @pytest.fixture
    def make_store(self, clock: Clock) -> Callable[..., JobStore]:
        def make(**changes: Any) -> JobStore:
            return MemoryJobStore(contract_settings(**changes), clock)

        return make
