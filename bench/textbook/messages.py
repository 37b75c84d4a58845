"""The textbook design's Celery application: messages and results in the same Redis."""

from __future__ import annotations

from celery import Celery

from worker.jobs.broker import broker_url

GENERATE = "textbook.generate"


def make_app(redis_url: str) -> Celery:
    """Of the web, of the worker, and of a bench that sends by itself."""
    app = Celery("textbook", broker=broker_url(redis_url), backend=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        worker_prefetch_multiplier=1,  # as is usual for long tasks: a child reserves no job that another one could begin
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )
    return app
