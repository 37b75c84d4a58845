"""The job store in one process' memory, for tests: the state machine of lua/*.lua once more, in Python."""

from __future__ import annotations

import builtins
import json
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.errors import AppError, DeadlineExceeded, InvalidField, NotFound, NotReady, QueueFull, WorkerLost
from worker.jobs.memory_shelf import RECORD_BYTES, Shelf, ShelvedJob
from worker.jobs.settings import Settings
from worker.jobs.store import (
    CURSOR,
    EVENT_ID,
    MAX_ATTEMPTS,
    Artifact,
    ArtifactInfo,
    Claim,
    Event,
    JobRecord,
    NewJob,
    Outcome,
    ReapReport,
    Report,
    StoreStats,
    Verdict,
    retry_after_seconds,
    tokens_in,
)

WAKE_AFTER_SECONDS, WAKE_AT_MOST = 5.0, 10  # as in lua/reap.lua


class MemoryJobStore:
    """Keeps the contract of `worker.jobs.store.JobStore`, on the clock it is given (Unix seconds). Threads may share it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._shelf = Shelf(settings, clock)
        self._changed = self._shelf.changed
        self._engines: dict[str, tuple[float, dict[str, Any]]] = {}
        self._reaped_at = 0.0
        self._seconds_per_job: float | None = None

    def enqueue(self, job: NewJob) -> tuple[JobRecord, bool]:
        with self._changed:
            known = self._shelf.known(job)
            if known is not None:
                return known, False
            retry_after = retry_after_seconds(self._seconds_per_job)
            if len(self._shelf.queued()) >= self._settings.queue_limit:
                raise QueueFull(retry_after_seconds=retry_after)
            size = RECORD_BYTES + len(job.request.encode()) + len((job.prime or "").encode())
            if not self._shelf.make_room(self._settings.store_bytes - size):
                message = "The waiting jobs fill the store. Please try again in a moment."
                raise QueueFull(message, retry_after_seconds=retry_after)
            return self._shelf.view(self._shelf.add(secrets.token_hex(16), job, size)), True

    def get(self, job_id: str) -> JobRecord:
        with self._changed:
            return self._shelf.view(self._shelf.job(job_id))

    def prime(self, job_id: str) -> str | None:
        with self._changed:
            return self._shelf.job(job_id).new.prime

    def cancel(self, job_id: str) -> JobRecord:
        with self._changed:
            job = self._shelf.job(job_id)
            if job.record.status == "queued":
                self._shelf.take_back_tag(job)
                self._shelf.settle(job, "cancelled")
            elif job.record.status == "running":
                job.record = replace(job.record, cancel_requested=True)
            return self._shelf.view(job)

    def claim(self, worker: str, slots: int, numerics: str, waited_seconds: float = 0.0) -> list[Claim]:
        with self._changed:
            now, claims = self._clock(), []
            for job in self._shelf.queued():
                if slots <= 0:
                    break
                if _reached(job.record.deadline_at, now):
                    self._shelf.settle(job, "expired")
                elif job.record.numerics not in (None, numerics):
                    continue
                elif waited_seconds > 0 and job.ready_at + waited_seconds > now:
                    break
                else:
                    self._shelf.virtual_time = max(self._shelf.virtual_time, job.start)
                    if job.new.cost > slots:
                        break  # no overtaking: a wide job would starve
                    slots -= job.new.cost
                    claims.append(self._take(job, now, numerics))
            return claims

    def progress(self, claim: Claim, step: int, total: int, tokens: list[dict[str, Any]] | None = None) -> Verdict:
        return self.progress_all([Report(claim, step, total, tokens or [])])[0]

    def progress_all(self, reports: list[Report]) -> list[Verdict]:
        with self._changed:
            return [self._progress(report) for report in reports]

    def _progress(self, report: Report) -> Verdict:
        state, job = self._standing(report.claim)
        if state in ("cancel", "cancelled"):
            return "cancelled"
        if state != "held" or job is None:
            return "lost"
        job.lease_until = self._clock() + self._settings.lease_seconds
        if (job.record.step, job.record.total) != (report.step, report.total):
            job.record = replace(job.record, step=report.step, total=report.total)
            self._shelf.tell(job, "progress", {"step": report.step, "total": report.total})
        for token in report.tokens:
            self._shelf.tell(job, "token", token)
        return "go_on"

    def finish(self, claim: Claim, results: list[dict[str, Any]], artifacts: list[Artifact]) -> bool:
        return self.finish_all([Outcome(claim, results, artifacts)])[0]

    def finish_all(self, outcomes: list[Outcome]) -> list[bool]:
        with self._changed:
            return [self._finish(outcome) for outcome in outcomes]

    def _finish(self, outcome: Outcome) -> bool:
        state, job = self._standing(outcome.claim)
        if state == "cancel" and job is not None:
            self._shelf.settle(job, "cancelled")
        if state != "held" or job is None:
            return state == "succeeded"
        listed = [ArtifactInfo(a.name, a.variation, a.media_type, len(a.data)) for a in outcome.artifacts]
        listed.sort(key=lambda info: (info.variation, info.name))
        job.blobs = {artifact.name: artifact for artifact in outcome.artifacts}
        job.record = replace(job.record, results=outcome.results, artifacts=listed)
        for info in listed:
            self._shelf.tell(job, "artifact", vars(info))
        took = self._clock() - (job.record.started_at or 0.0)
        mean = took if self._seconds_per_job is None else self._seconds_per_job
        self._seconds_per_job = mean + (took - mean) / 5
        self._shelf.count("tokens", tokens_in(outcome.results))
        job.size += len(json.dumps(outcome.results)) + sum(info.bytes for info in listed)
        self._shelf.settle(job, "succeeded")
        self._shelf.make_room(self._settings.store_bytes, keep=job.record.id)
        return True

    def fail(self, claim: Claim, code: str, message: str) -> bool:
        with self._changed:
            state, job = self._standing(claim)
            if state == "held" and job is not None:
                self._shelf.settle_failed(job, code, message)
            elif state == "cancel" and job is not None:
                self._shelf.settle(job, "cancelled")
            return state in ("held", "failed")

    def acknowledge_cancel(self, claim: Claim) -> bool:
        with self._changed:
            state, job = self._standing(claim)
            if state == "cancel" and job is not None:
                self._shelf.settle(job, "cancelled")
            return state in ("cancel", "cancelled")

    def release(self, claim: Claim) -> bool:
        with self._changed:
            state, job = self._standing(claim)
            if state == "held" and job is not None:
                self._shelf.requeue(job, "released")
            elif state == "cancel" and job is not None:
                self._shelf.settle(job, "cancelled")
            return state in ("held", "cancel", "queued", "cancelled")

    def reap(self) -> ReapReport:
        with self._changed:
            now, lease = self._clock(), self._settings.lease_seconds
            blind, self._reaped_at = now - self._reaped_at > lease, now
            ends: dict[str, int] = {"requeued": 0, "failed": 0, "expired": 0, "cancelled": 0}
            for job in [job for job in self._shelf.jobs.values() if not job.record.terminal]:
                lapsed = job.record.status == "running" and job.lease_until <= now
                if lapsed and blind:  # nobody reaped for longer than a lease, so nobody could renew either
                    job.lease_until, lapsed = now + lease, False
                end = self._reap_one(job, now, lapsed)
                if end is not None:
                    ends[end] += 1
            old = [job for job in self._shelf.jobs.values() if self._shelf.gone(job)]
            for job in old:
                self._shelf.remove(job)
            waiting = [job for job in self._shelf.queued()[:WAKE_AT_MOST] if job.woken_at + WAKE_AFTER_SECONDS <= now]
            for job in waiting:
                job.woken_at = now
            return ReapReport(**ends, removed=len(old), waiting=tuple(job.record.id for job in waiting))

    def _reap_one(self, job: ShelvedJob, now: float, lapsed: bool) -> str | None:
        """What became of this job: a field of ReapReport, or None."""
        overdue = _reached(job.record.deadline_at, now)
        if job.record.status == "queued":
            if overdue:
                self._shelf.settle(job, "expired")
                return "expired"
            return None
        # The engine fails an overdue job itself; the reaper does it when the engine has not for another lease.
        given_up = overdue and _reached(job.record.deadline_at, now - self._settings.lease_seconds)
        if not lapsed and not given_up:
            return None
        if job.record.cancel_requested:
            self._shelf.settle(job, "cancelled")
            return "cancelled"
        job.losses += 1
        if overdue or job.losses >= MAX_ATTEMPTS:
            error: AppError = DeadlineExceeded() if overdue else WorkerLost()
            self._shelf.settle_failed(job, error.code, error.message)
            return "failed"
        self._shelf.requeue(job, "lease_lost")
        return "requeued"

    def events(self, job_id: str, after: str = "0", block_seconds: float = 0.0) -> list[Event]:
        give_up = time.monotonic() + block_seconds
        with self._changed:
            job = self._shelf.job(job_id)
            seen = int(after.split("-")[0]) if EVENT_ID.fullmatch(after) else 0
            found: list[Event] = []
            if seen > job.told:
                seen, found = 0, [Event("0", "reset", {"reason": "unknown_event"})]
            elif seen < job.told - len(job.events):
                found = [Event(after, "reset", {"reason": "events_dropped"})]
            while True:
                found += [event for event in job.events if int(event.id.split("-")[0]) > seen]
                left = give_up - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def artifact(self, job_id: str, name: str) -> Artifact:
        with self._changed:
            job = self._shelf.job(job_id)
            if job.record.status != "succeeded":
                raise NotReady
            if name not in job.blobs:
                raise NotFound(f"The job has no artifact named {name!r}.")
            return job.blobs[name]

    def cache_rendering(self, job_id: str, artifact: Artifact) -> None:
        with self._changed:
            job = self._shelf.jobs.get(job_id)
            if job is None or job.record.status != "succeeded" or artifact.name in job.blobs:
                return
            if self._shelf.make_room(self._settings.store_bytes - len(artifact.data), keep=job_id):
                job.blobs[artifact.name] = artifact
                job.size += len(artifact.data)

    def heartbeat(self, worker: str, info: dict[str, Any]) -> None:
        with self._changed:
            self._engines[worker] = self._clock(), info

    def stats(self) -> StoreStats:
        with self._changed:
            alive = {worker: info for worker, (at, info) in self._engines.items() if at >= self._clock() - 15}
            running = sum(job.record.status == "running" for job in self._shelf.jobs.values())
            held = self._shelf.bytes_held()
            return StoreStats(
                len(self._shelf.queued()), running, len(alive), held, dict(self._shelf.counters), self._seconds_per_job, alive
            )

    def list(self, owner: str, cursor: str | None = None, limit: int = 20) -> tuple[builtins.list[JobRecord], str | None]:
        if cursor is not None and not CURSOR.fullmatch(cursor):
            raise InvalidField("The cursor must be one that a list gave out.", field="cursor")
        with self._changed:
            below = math.inf if cursor is None else int(cursor)
            page = [
                job for job in reversed(self._shelf.jobs.values())
                if job.record.owner == owner and job.seq < below and not self._shelf.gone(job)
            ][: limit + 1]  # fmt: skip
            return [self._shelf.view(job) for job in page[:limit]], str(page[limit - 1].seq) if len(page) > limit else None

    def ping(self) -> None:
        return None

    def _take(self, job: ShelvedJob, now: float, numerics: str) -> Claim:
        job.fence += 1
        job.lease_until = now + self._settings.lease_seconds
        attempt = job.losses + 1
        job.record = replace(job.record, status="running", numerics=numerics, attempt=attempt, started_at=now)
        self._shelf.tell(job, "started", {"attempt": attempt})
        return Claim(job.record.id, job.fence, job.record.request, job.new.prime, job.record.deadline_at or math.inf)

    def _standing(self, claim: Claim) -> tuple[str, ShelvedJob | None]:
        """As `standing` in lua/shared.lua: held, cancel, the status that this claim brought about, or stale."""
        job = self._shelf.jobs.get(claim.job_id)
        if job is None or job.fence != claim.fence:
            return "stale", None
        if job.record.status != "running":
            return job.record.status, job
        return ("cancel" if job.record.cancel_requested else "held"), job


def _reached(time: float | None, now: float) -> bool:
    return time is not None and time <= now
