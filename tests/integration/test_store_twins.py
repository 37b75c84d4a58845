"""Whatever happens to jobs, in whatever order: the Redis store and its twin in memory tell the same story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from conftest import Valkey, start_valkey
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from store_contract import MIDI, RESULTS, new_job

from core.errors import IdempotencyConflict, NotReady, QueueFull
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.redis_store import PREFIX, RedisJobStore, connect
from worker.jobs.settings import Settings
from worker.jobs.store import Claim, JobRecord, JobStore, Outcome, Report

pytestmark = pytest.mark.integration

NUMERICS = st.sampled_from(["cpu-1", "cuda-1"])
OWNERS = st.sampled_from("abc")
WEIGHTS = st.sampled_from([None, 0.1, 1 / 3, 2.0, 1e9])
RECENT = 3  # verbs go to one of the last jobs or claims: old ones are mostly over, where nothing happens any more
TIMES = {"created_at": 0.0, "started_at": None, "finished_at": None, "deadline_at": None}


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    yield from start_valkey()


class Twins(RuleBasedStateMachine):
    """Jobs and claims are known by the order in which they came, since each store draws ids of its own."""

    real: ClassVar[RedisJobStore]
    limits: ClassVar[Settings]

    def __init__(self) -> None:
        super().__init__()
        self.real._client.flushall()
        self.memory = MemoryJobStore(self.limits)
        self.stores: tuple[JobStore, JobStore] = (self.real, self.memory)
        self.jobs: list[tuple[str, str]] = []
        self.claims: list[tuple[Claim, Claim]] = []
        self.ended: dict[int, JobRecord] = {}
        self.cancels_answered: set[int] = set()

    def both(self, verb: Callable[[JobStore, int], Any]) -> tuple[Any, Any]:
        answers: list[Any] = []
        for twin, store in enumerate(self.stores):
            try:
                answers.append(verb(store, twin))
            except (QueueFull, IdempotencyConflict, NotReady) as error:
                answers.append(type(error))
        return answers[0], answers[1]

    def number(self, job_id: str, twin: int) -> int:
        return [pair[twin] for pair in self.jobs].index(job_id)

    def story(self, record: JobRecord) -> JobRecord:
        """The record without what may differ."""
        return replace(record, id="", **TIMES)  # type: ignore[arg-type]

    @rule(
        owner=OWNERS, cost=st.integers(1, 3), weight=WEIGHTS,
        key=st.sampled_from([None, "k", "l"]), fingerprint=st.sampled_from("fg"),
    )  # fmt: skip
    def enqueue(self, owner: str, cost: int, weight: float | None, key: str | None, fingerprint: str) -> None:
        job = new_job(owner, cost=cost, weight=weight, idempotency_key=key, fingerprint=fingerprint)
        real, memory = self.both(lambda store, twin: store.enqueue(job))
        if isinstance(real, type) or isinstance(memory, type):
            assert real == memory
            return
        assert self.story(real[0]) == self.story(memory[0])
        assert real[1] == memory[1]
        if real[1]:
            self.jobs.append((real[0].id, memory[0].id))
        else:
            assert self.number(real[0].id, 0) == self.number(memory[0].id, 1)

    @rule(slots=st.integers(1, 4), numerics=NUMERICS, waited_seconds=st.sampled_from([0.0, 0.0, 1800.0]))
    def claim(self, slots: int, numerics: str, waited_seconds: float) -> None:
        real, memory = self.both(lambda store, twin: store.claim("worker-1", slots, numerics, waited_seconds))
        assert [self.number(claim.job_id, 0) for claim in real] == [self.number(claim.job_id, 1) for claim in memory]
        assert [claim.fence for claim in real] == [claim.fence for claim in memory]
        self.claims += zip(real, memory, strict=True)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def one_has_waited_for_an_hour(self, data: st.DataObject) -> None:
        """There is no turning the server's clock, so this is the one rule that reaches behind the verbs."""
        real, memory = data.draw(st.sampled_from(self.jobs))
        self.real._client.hincrbyfloat(f"{PREFIX}job:{real}", "ready_at", -3600)
        self.memory._shelf.jobs[memory].ready_at -= 3600

    def of_some_claim(self, data: st.DataObject, verb: Callable[[JobStore, Claim], Any]) -> None:
        """One of the last claims given out, stale ones too."""
        pair = data.draw(st.sampled_from(self.claims[-RECENT:]))
        real, memory = self.both(lambda store, twin: verb(store, pair[twin]))
        assert real == memory

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), step=st.integers(0, 3))
    def progress(self, data: st.DataObject, step: int) -> None:
        self.of_some_claim(data, lambda store, claim: store.progress(claim, step, 3, [{"variation": 1, "text": str(step)}]))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.of_some_claim(data, lambda store, claim: store.finish(claim, RESULTS, [MIDI]))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), step=st.integers(0, 3))
    def progress_of_several(self, data: st.DataObject, step: int) -> None:
        pairs = data.draw(st.lists(st.sampled_from(self.claims[-RECENT:]), max_size=4))
        token = {"variation": 1, "text": str(step)}
        real, memory = self.both(
            lambda store, twin: store.progress_all(
                [Report(pair[twin], step, 3, [token] * (n % 2)) for n, pair in enumerate(pairs)]
            )
        )
        assert real == memory

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish_several(self, data: st.DataObject) -> None:
        pairs = data.draw(st.lists(st.sampled_from(self.claims[-RECENT:]), max_size=3))
        real, memory = self.both(
            lambda store, twin: store.finish_all([Outcome(pair[twin], RESULTS, [MIDI] * (n % 2)) for n, pair in enumerate(pairs)])
        )
        assert real == memory

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        self.of_some_claim(data, lambda store, claim: store.fail(claim, "internal_error", "no"))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def acknowledge_cancel(self, data: st.DataObject) -> None:
        self.of_some_claim(data, lambda store, claim: store.acknowledge_cancel(claim))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.of_some_claim(data, lambda store, claim: store.release(claim))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        pair = data.draw(st.sampled_from(self.jobs[-RECENT:]))
        real, memory = self.both(lambda store, twin: store.cancel(pair[twin]))
        assert self.story(real) == self.story(memory)
        if real.cancel_requested or real.status == "cancelled":
            self.cancels_answered.add(self.jobs.index(pair))

    @rule()
    def reap(self) -> None:
        real, memory = self.both(lambda store, twin: store.reap())
        assert replace(real, waiting=()) == replace(memory, waiting=())
        assert [self.number(job_id, 0) for job_id in real.waiting] == [self.number(job_id, 1) for job_id in memory.waiting]

    @rule(owner=OWNERS, limit=st.integers(1, 3))
    def page_through_history(self, owner: str, limit: int) -> None:
        def pages(store: JobStore, twin: int) -> list[list[int]]:
            found, cursor = [], None
            while True:
                page, cursor = store.list(owner, cursor, limit)
                found.append([self.number(record.id, twin) for record in page])
                if cursor is None:
                    return found

        real, memory = self.both(pages)
        assert real == memory

    @invariant()
    def every_record_is_the_same(self) -> None:
        for number, pair in enumerate(self.jobs):
            real, memory = (store.get(job_id) for store, job_id in zip(self.stores, pair, strict=True))
            assert self.story(real) == self.story(memory)
            if number in self.ended:
                assert real == self.ended[number]  # terminal states never change
            if real.terminal:
                self.ended[number] = real
            if number in self.cancels_answered:
                assert real.status in ("running", "cancelled")

    @invariant()
    def every_stream_is_the_same(self) -> None:
        for pair in self.jobs:
            real, memory = (store.events(job_id) for store, job_id in zip(self.stores, pair, strict=True))
            assert [(event.name, event.data) for event in real] == [(event.name, event.data) for event in memory]

    @invariant()
    def the_figures_are_the_same(self) -> None:
        real, memory = self.both(lambda store, twin: replace(store.stats(), seconds_per_job=None))
        assert real == memory
        assert real.queued + real.running + len(self.ended) == len(self.jobs)


def test_redis_and_memory_tell_the_same_story(server: Valkey) -> None:
    Twins.limits = Settings(redis_url=server.url, queue_limit=6)
    Twins.real = connect(Twins.limits)
    with Twins.real._client:
        run_state_machine_as_test(
            Twins,
            settings=settings(
                max_examples=60,
                stateful_step_count=50,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
