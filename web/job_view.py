"""A job record as the API tells it: with links, an estimate of the wait, and times that people can read."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

from flask import url_for

from web.renderings import PRIME, available, file_sha256, prime_sha256
from web.schemas import ArtifactLink, Job, JobError, JobRequest, PrimeLink, Progress, Result, Timings
from worker.jobs.request import GenerationRequest
from worker.jobs.store import JobRecord, JobStore, StoreStats

STATS_MAX_AGE_SECONDS = 0.5


class Forecast:
    """The figures from which waits are estimated; at most so old, since a burst of jobs need not ask for them each time."""

    def __init__(self, store: JobStore, max_age_seconds: float = STATS_MAX_AGE_SECONDS) -> None:
        self._store, self._max_age_seconds = store, max_age_seconds
        self._asked, self._stats = -math.inf, StoreStats(0, 0, 0, 0)

    def eta_seconds(self, record: JobRecord) -> float | None:
        if record.terminal:
            return None
        now = time.monotonic()
        if now - self._asked > self._max_age_seconds:
            self._asked, self._stats = now, self._store.stats()
        return eta_seconds(record, self._stats)


def job_view(record: JobRecord, store: JobStore, forecast: Forecast, prime: str | None = None) -> Job:
    """`prime` as the store has it, where it is at hand. Needs an application context, for the links."""
    return Job(
        id=record.id,
        status=record.status,
        kind=record.kind,
        request=_request(record, store, prime),
        position=record.position,
        eta_seconds=forecast.eta_seconds(record),
        progress=Progress(step=record.step, total=record.total),
        results=[Result.model_validate(result) for result in record.results],
        artifacts=[ArtifactLink(**vars(offer), url=artifact_url(record.id, offer.name)) for offer in available(record, store)],
        cancel_requested=record.cancel_requested,
        numerics=record.numerics,
        error=JobError(**record.error) if record.error else None,
        timings=Timings(
            queued_seconds=_between(record.created_at, record.started_at),
            running_seconds=_between(record.started_at, record.finished_at),
        ),
        created_at=datetime.fromtimestamp(record.created_at, UTC),
        expires_at=None if record.expires_at is None else datetime.fromtimestamp(record.expires_at, UTC),
    )


def eta_seconds(record: JobRecord, stats: StoreStats) -> float | None:
    """Time until the job ends, from the mean time of a job; None when it has ended, or nothing is known, or nobody works.

    The jobs running now tell how many the engines do together.
    """
    mean = stats.seconds_per_job
    if record.terminal or mean is None or stats.workers == 0:
        return None
    if record.position is None:
        done = record.step / record.total if record.total else 0.0
        return round(mean * (1.0 - min(done, 1.0)), 1)
    return round(mean * (1.0 + record.position / max(1, stats.running)), 1)


def artifact_url(job_id: str, name: str) -> str:
    return url_for("api.get_artifact", job_id=job_id, name=name)


def _request(record: JobRecord, store: JobStore, prime: str | None) -> JobRequest:
    asked = GenerationRequest.model_validate_json(record.request)
    link = None
    if record.has_prime:
        sha256 = prime_sha256(store, record.id) if prime is None else file_sha256(prime)
        link = PrimeLink(sha256=sha256, url=artifact_url(record.id, PRIME))
    return JobRequest.model_construct(**{**dict(asked), "prime": link})


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 3)
