from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.scheduler import HELD_FACTOR, Roster


def roster(slots: int = 8) -> Roster:
    return Roster(slots, quantum_tokens=10, patience_seconds=1.0)


def test_a_job_in_step_holds_its_slots_until_it_leaves() -> None:
    jobs = roster()
    jobs.seat("a", 3, 0.0)
    jobs.seat("b", 5, 0.0)
    assert jobs.free == 0
    jobs.leave("a")
    jobs.leave("a")  # a second time changes nothing
    jobs.leave("never heard of")
    assert jobs.free == 3


def test_nobody_yields_before_the_quantum() -> None:
    jobs = roster()
    jobs.seat("a", 8, 0.0)
    jobs.serve("a", 9)
    assert jobs.yieldable == 0
    with pytest.raises(AssertionError):
        jobs.seat("b", 1, 0.0)


def test_who_had_most_yields_first_and_only_as_many_as_needed() -> None:
    jobs = roster()
    for name, tokens in (("a", 20), ("b", 30)):
        jobs.seat(name, 4, 0.0)
        jobs.serve(name, tokens)
    assert jobs.yieldable == 8
    jobs.seat("short", 1, 0.0)
    assert (jobs.in_step("a"), jobs.in_step("b"), jobs.in_step("short")) == (True, False, True)


def test_a_parked_job_comes_back_when_there_is_room() -> None:
    jobs = roster()
    jobs.seat("long", 8, 0.0)
    jobs.serve("long", 10)
    jobs.seat("short", 1, 0.0)
    jobs.resume(0.5)
    assert not jobs.in_step("long")
    jobs.leave("short")
    jobs.resume(0.6)
    assert jobs.in_step("long")
    assert jobs.yieldable == 0  # with a new quantum


def test_patience_ends_and_the_parked_takes_the_place_of_one_that_had_its_quantum() -> None:
    jobs = roster()
    jobs.seat("long", 8, 0.0)
    jobs.serve("long", 10)
    jobs.seat("other", 8, 0.0)
    jobs.serve("other", 10)
    jobs.resume(5.0)
    assert not jobs.rotate(0.9)
    assert not jobs.in_step("long")
    assert jobs.rotate(1.0)
    assert jobs.in_step("long")
    assert not jobs.in_step("other")


def test_only_the_patient_go_before_newcomers() -> None:
    jobs = roster()
    jobs.seat("long", 8, 0.0)
    jobs.serve("long", 10)
    jobs.seat("short", 8, 0.5)
    jobs.leave("short")
    jobs.resume(1.0, patient_only=True)
    assert not jobs.in_step("long")
    jobs.resume(1.5, patient_only=True)
    assert jobs.in_step("long")


@given(st.lists(st.tuples(st.sampled_from(["come", "serve", "leave", "resume", "rotate"]), st.integers(0, 9), st.integers(1, 8))))
def test_there_are_never_more_in_step_than_slots_nor_more_held_than_the_bound(acts: list[tuple[str, int, int]]) -> None:
    jobs, costs, now = roster(), dict[int, int](), 0.0
    for act, job, number in acts:
        now += 0.3
        if act == "come" and job not in costs and number <= max(jobs.free, jobs.yieldable):
            jobs.seat(job, number, now)
            costs[job] = number
        elif act == "serve":
            for other in costs:
                if jobs.in_step(other):
                    jobs.serve(other, number)
        elif act == "leave":
            jobs.leave(job)
            costs.pop(job, None)
        elif act == "resume":
            jobs.resume(now)
        elif act == "rotate":
            jobs.rotate(now)
        in_step = sum(cost for other, cost in costs.items() if jobs.in_step(other))
        assert in_step <= 8
        assert jobs.free == 8 - in_step
        assert sum(costs.values()) <= HELD_FACTOR * 8


@given(st.integers(2, 12))
def test_everybody_is_served_in_the_end(count: int) -> None:
    jobs, now = roster(), 0.0
    had = dict.fromkeys(range(count), 0)
    jobs.seat(0, 8, now)
    held = {0}
    for _ in range(20 * count):
        now += 0.4
        for job in held:
            if jobs.in_step(job):
                jobs.serve(job, 10)
                had[job] += 10
        newcomer = len(held)
        if not jobs.rotate(now) and newcomer < count and jobs.yieldable >= 8:
            jobs.seat(newcomer, 8, now)
            held.add(newcomer)
    assert min(had[job] for job in held) > 0
