"""`python -m worker.main`: one process, one engine thread, one reaper thread, and Celery's threads pool for the wake-ups."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable

from celery.signals import worker_ready, worker_shutting_down

from core.catalog import CHECKPOINTS, Catalog
from core.decoders import choose_decoders
from core.errors import KernelUnavailable, StoreUnavailable
from worker.celery_app import app, settings
from worker.engine.engine import Engine
from worker.jobs.broker import send_wake
from worker.jobs.redis_store import connect
from worker.jobs.store import JobStore
from worker.tasks import register

logger = logging.getLogger(__name__)

ENGINE_STOP_SECONDS = 15.0


def reap_for_ever(store: JobStore, engine: Engine, seconds: float, stopped: threading.Event) -> None:
    """Every `seconds`: put lost jobs back, expire late ones, send lost wake-ups again."""
    while not stopped.wait(seconds):
        try:
            report = store.reap()
            for job_id in report.waiting:
                send_wake(app, job_id)
            if report.requeued or report.waiting:
                engine.wake()
        except StoreUnavailable as error:
            logger.warning("the reaper waits for the job store: %s", error)


def or_end_the_process(work: Callable[[], None]) -> Callable[[], None]:
    """A thread that dies of the unforeseen takes the process with it: who runs the worker restarts it, and its leases run out."""

    def run() -> None:
        try:
            work()
        except BaseException:
            logger.critical("the %s thread died, and the worker with it", threading.current_thread().name, exc_info=True)
            logging.shutdown()
            os._exit(1)

    return run


def main() -> None:
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        decoders = choose_decoders(settings.device, settings.threads)
    except KernelUnavailable as error:
        raise SystemExit(error.message) from error
    store = connect(settings)
    name = f"{socket.gethostname()}-{os.getpid()}"
    catalog = Catalog(settings.checkpoints or CHECKPOINTS)
    engine = Engine(store, catalog, name, settings.slots, decoders, settings.model_bytes)
    register(app, store, engine)
    stopped = threading.Event()

    def reap() -> None:
        reap_for_ever(store, engine, settings.reap_seconds, stopped)

    engine_thread = threading.Thread(target=or_end_the_process(engine.run), name="engine", daemon=True)
    reaper_thread = threading.Thread(target=or_end_the_process(reap), name="reaper", daemon=True)

    @worker_ready.connect(weak=False)  # type: ignore[untyped-decorator]
    def begin(**_: object) -> None:
        """Only now: before it is ready Celery does not hear SIGTERM, and what was claimed could not be handed back."""
        engine_thread.start()
        reaper_thread.start()

    @worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
    def hand_back(**_: object) -> None:
        stopped.set()
        engine.stop()

    try:
        celery_worker = app.Worker(
            hostname=name,
            loglevel=settings.log_level,
            quiet=True,  # no banner
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        celery_worker.start()
    finally:
        hand_back()
        if engine_thread.is_alive():
            engine_thread.join(ENGINE_STOP_SECONDS)


if __name__ == "__main__":
    main()
