"""The worker's Celery application, its settings from the environment; `celery -A worker.celery_app` finds it here."""

from __future__ import annotations

from worker.jobs.broker import make_celery
from worker.jobs.settings import Settings

settings = Settings()
app = make_celery(settings)
