"""A job record as the API tells it: with links, an estimate of the wait, and times that people can read."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import url_for

from web.renderings import PRIME, available, prime_sha256
from web.schemas import ArtifactLink, Job, JobError, JobRequest, PrimeLink, Progress, Result, Timings
from worker.jobs.request import GenerationRequest
from worker.jobs.store import JobRecord, JobStore, StoreStats


def job_view(record: JobRecord, store: JobStore, stats: StoreStats) -> Job:
    """Needs an application context, for the links."""
    return Job(
        id=record.id,
        status=record.status,
        kind=record.kind,
        request=_request(record, store),
        position=record.position,
        eta_seconds=eta_seconds(record, stats),
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


def _request(record: JobRecord, store: JobStore) -> JobRequest:
    asked = GenerationRequest.model_validate_json(record.request)
    prime = None
    if record.has_prime:
        prime = PrimeLink(sha256=prime_sha256(store, record.id), url=artifact_url(record.id, PRIME))
    return JobRequest.model_construct(**{**dict(asked), "prime": prime})


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 3)
