from __future__ import annotations

import threading
from typing import Any

import pytest

from core.errors import StoreUnavailable
from worker import main
from worker.jobs.store import ReapReport


class Store:
    """Answers `reap` with what is given, then has the reaper stop."""

    def __init__(self, *answers: ReapReport | Exception) -> None:
        self.answers, self.stopped = list(answers), threading.Event()

    def reap(self) -> ReapReport:
        answer = self.answers.pop(0)
        if not self.answers:
            self.stopped.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answer", "sent", "woken"),
    [
        (ReapReport(), [], 0),
        (ReapReport(requeued=1), [], 1),
        (ReapReport(waiting=("a", "b")), ["a", "b"], 1),
        (StoreUnavailable(), [], 0),
    ],
)
def test_the_reaper_sends_lost_wake_ups_again_and_wakes_its_own_engine(
    answer: ReapReport | Exception, sent: list[str], woken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    rung: list[int] = []
    monkeypatch.setattr(main, "send_wake", lambda _app, job_id: told.append(job_id))
    engine: Any = type("Bell", (), {"wake": lambda _self: rung.append(1)})()
    store: Any = Store(answer, ReapReport())  # an outage does not end it
    main.reap_for_ever(store, engine, 0.0, store.stopped)
    assert told == sent
    assert len(rung) == woken
