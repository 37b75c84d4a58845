from __future__ import annotations

from worker.engine.pace import CALL_SECONDS, FEWEST_STEPS, MOST_STEPS, Pace


def test_a_call_takes_about_as_long_as_it_may() -> None:
    pace = Pace()
    pace.note(streams=8, steps=10, seconds=0.02)
    assert pace.steps(8) == int(CALL_SECONDS / 0.002)
    assert pace.steps(16) == int(CALL_SECONDS / 0.004)


def test_there_is_always_a_step_and_never_a_flood() -> None:
    pace = Pace()
    pace.note(streams=1, steps=1, seconds=5.0)
    assert pace.steps(32) == FEWEST_STEPS
    pace.note(streams=32, steps=32, seconds=1e-9)
    assert pace.steps(1) == MOST_STEPS
