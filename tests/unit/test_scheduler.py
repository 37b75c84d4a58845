from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.scheduler import SlotBudget, Turns


def test_slots_are_promised_and_given_back() -> None:
    budget = SlotBudget(8)
    budget.promise("a", 3)
    budget.promise("b", 5)
    assert budget.free == 0
    budget.give_back("a")
    budget.give_back("a")  # a second time changes nothing
    budget.give_back("never heard of")
    assert budget.free == 3


def test_more_than_there_is_cannot_be_promised() -> None:
    budget = SlotBudget(2)
    with pytest.raises(AssertionError):
        budget.promise("a", 3)


@given(st.integers(1, 6), st.integers(1, 40))
def test_everybody_has_a_turn_before_anybody_has_a_second(jobs: int, calls: int) -> None:
    turns = Turns()
    for job in range(jobs):
        turns.add(job)
    taken = [turns.next() for _ in range(calls)]
    assert taken == [call % jobs for call in range(calls)]


def test_who_leaves_has_no_turn_and_who_comes_waits_behind() -> None:
    turns = Turns()
    for job in "abc":
        turns.add(job)
    assert turns.next() == "a"
    turns.remove("b")
    turns.remove("b")
    turns.add("d")
    assert [turns.next() for _ in range(4)] == ["c", "a", "d", "c"]
    for job in "acd":
        turns.remove(job)
    assert turns.next() is None
