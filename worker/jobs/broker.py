"""Celery, as we use it: JSON wake-ups over Redis, no results. The job record is the truth, so a lost message costs seconds."""

from __future__ import annotations

import logging

from celery import Celery
from kombu.exceptions import OperationalError

from worker.jobs.settings import Settings

WAKE_TASK = "ritornello.wake"
QUEUE = "ritornello"

logger = logging.getLogger(__name__)


def make_celery(settings: Settings) -> Celery:
    """The Celery application of the web server (which only sends) and of the worker."""
    app = Celery("ritornello", broker=broker_url(settings.redis_url), set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_queue=QUEUE,
        task_acks_late=True,  # with a prefetch of one: a worker reserves what it handles, nothing more
        worker_prefetch_multiplier=1,
        task_reject_on_worker_lost=False,  # the reaper re-sends, and it counts attempts on our own job ids
        worker_pool="threads",
        worker_concurrency=4,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # the lease decides, not the connection
        worker_hijack_root_logger=False,
        worker_send_task_events=False,  # the threads pool loses events; our figures come from the store
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its server for ever
        broker_pool_acquire_timeout=2.0,
        task_publish_retry=False,  # a web request does not wait for a server that is away
        broker_connection_timeout=2.0,
        broker_transport_options={
            "visibility_timeout": 3600,  # only tidies up: a wake-up may come twice, or never
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 2.0,
            "socket_timeout": 5.0,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "global_keyprefix": "ritornello:celery:",
            "max_retries": 1,
            "interval_start": 0.0,
            "interval_step": 0.1,
            "interval_max": 0.1,
        },
    )
    return app


def broker_url(redis_url: str) -> str:
    """What Celery calls the same server: `unix:///path` is `redis+socket:///path`."""
    if redis_url.startswith("unix:"):
        address, _, query = redis_url.removeprefix("unix:").partition("?")
        options = "&".join(f"virtual_host={part[3:]}" if part.startswith("db=") else part for part in query.split("&"))
        return f"redis+socket:{address}" + (f"?{options}" if query else "")
    return redis_url


def send_wake(app: Celery, job_id: str) -> bool:
    """Tell the workers that this job waits. False when the broker does not take it: the reaper will send it again."""
    try:
        app.send_task(WAKE_TASK, args=[job_id], queue=QUEUE, ignore_result=True)
    except (OperationalError, OSError) as error:
        logger.warning("the wake-up was not sent: %s", error, extra={"job_id": job_id})
        return False
    return True
