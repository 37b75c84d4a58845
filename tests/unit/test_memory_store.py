from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_contract import StoreContract, contract_settings, new_job

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


ARRIVALS = st.tuples(st.sampled_from("abc"), st.integers(1, 20))


@settings(deadline=None)
@given(st.lists(ARRIVALS | st.none(), min_size=10, max_size=120))
def test_owners_who_wait_together_are_served_alike(arrivals_and_claims: list[tuple[str, int] | None]) -> None:
    """While two owners wait, what they get differs by no more than one job of each (Goyal 1996, theorem 1).

    None is a claim.
    """
    store = MemoryJobStore(contract_settings(queue_limit=1000), Clock())
    weights: dict[str, int] = {}
    waiting: dict[str, set[str]] = {owner: set() for owner in "abc"}
    served: dict[tuple[str, str], int] = {}  # of a pair that waits together: how much more the first has had
    for arrival in arrivals_and_claims:
        if arrival is not None:
            owner, weight = arrival
            job_id = store.enqueue(new_job(owner, weight=weight))[0].id
            weights[job_id] = weight
            waiting[owner].add(job_id)
        else:
            for claim in store.claim("worker-1", 1, "test-1"):
                owner = store.get(claim.job_id).owner
                waiting[owner].remove(claim.job_id)
                for pair in served:
                    served[pair] += weights[claim.job_id] * ((owner == pair[0]) - (owner == pair[1]))
        for pair in ("a", "b"), ("b", "c"), ("a", "c"):
            if waiting[pair[0]] and waiting[pair[1]]:
                assert abs(served.setdefault(pair, 0)) <= 40
            else:
                served.pop(pair, None)
