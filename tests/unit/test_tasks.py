from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from core.errors import StoreUnavailable
from worker import tasks
from worker.jobs.broker import WAKE_TASK
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import NewJob


class Bell:
    """An engine as the task sees it."""

    def __init__(self, on_wake: Callable[[], object] = lambda: None) -> None:
        self.stopping, self.rung, self._on_wake = False, 0, on_wake

    def wake(self) -> None:
        self.rung += 1
        self._on_wake()


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(Settings())


def wake_task(store: MemoryJobStore, engine: Bell) -> Callable[[str], Any]:
    app = Celery("test", set_as_current=False)
    tasks.register(app, store, engine)  # type: ignore[arg-type]
    task: Callable[[str], Any] = app.tasks[WAKE_TASK]
    return task


def test_a_wake_up_wakes_the_engine_and_ends_when_the_job_is_claimed(store: MemoryJobStore) -> None:
    job_id = store.enqueue(NewJob("local", "music", "{}"))[0].id
    engine = Bell(lambda: store.claim("engine", 1, "test-1"))
    wake_task(store, engine)(job_id)
    assert engine.rung == 1
    assert store.get(job_id).status == "running"


def test_a_wake_up_holds_its_message_while_nobody_has_claimed_the_job(
    store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FIRST_LOOK_SECONDS", 0.001)
    job_id = store.enqueue(NewJob("local", "music", "{}"))[0].id
    task, looked = wake_task(store, Bell()), threading.Event()
    get = store.get

    def seen(asked: str) -> Any:
        looked.set()
        return get(asked)

    monkeypatch.setattr(store, "get", seen)
    holding = threading.Thread(target=task, args=(job_id,))
    holding.start()
    assert looked.wait(10)
    assert holding.is_alive()
    store.cancel(job_id)
    holding.join(10)
    assert not holding.is_alive()


def test_a_wake_up_ends_when_the_worker_stops_or_the_time_is_up(
    store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = store.enqueue(NewJob("local", "music", "{}"))[0].id
    engine = Bell()
    engine.stopping = True
    wake_task(store, engine)(job_id)
    monkeypatch.setattr(tasks, "HOLD_SECONDS", 0.0)
    begun = time.monotonic()
    wake_task(store, Bell())(job_id)
    assert time.monotonic() - begun < 5


def test_a_wake_up_for_a_job_that_is_gone_or_a_store_that_is_away_just_ends(
    store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wake_task(store, Bell())("0" * 32)

    def away(_job_id: str) -> Any:
        raise StoreUnavailable

    monkeypatch.setattr(store, "get", away)
    engine = Bell()
    wake_task(store, engine)("0" * 32)
    assert engine.rung == 1
