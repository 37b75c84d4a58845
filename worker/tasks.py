"""The one Celery task: wake the engine, and hold the message until somebody has claimed the job."""

from __future__ import annotations

import logging
import time

from celery import Celery

from core.errors import NotFound, StoreUnavailable
from worker.engine.engine import Engine
from worker.jobs.broker import WAKE_TASK
from worker.jobs.store import JobStore

logger = logging.getLogger(__name__)

FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 0.05, 0.4  # an engine at work claims between two calls; then less and less often
HOLD_SECONDS = 20.0  # then the reaper's re-sent wake-ups are enough


def register(app: Celery, store: JobStore, engine: Engine) -> None:
    """Bind the wake-up task of this process to its engine."""

    @app.task(name=WAKE_TASK, ignore_result=True, shared=False)  # type: ignore[untyped-decorator]
    def wake(job_id: str) -> None:
        engine.wake()
        give_up, pause = time.monotonic() + HOLD_SECONDS, FIRST_LOOK_SECONDS
        try:
            while not engine.stopping and time.monotonic() < give_up:
                time.sleep(pause)  # first: the engine, which has just been woken, needs the interpreter now
                if store.get(job_id).status != "queued":
                    break
                pause = min(2 * pause, LAST_LOOK_SECONDS)
        except (NotFound, StoreUnavailable) as error:
            logger.info("a wake-up ended early: %s", error, extra={"job_id": job_id})
