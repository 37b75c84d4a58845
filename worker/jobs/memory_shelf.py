"""What MemoryJobStore keeps: jobs by id, their events, and who goes when room is needed."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import IdempotencyConflict, NotFound
from worker.jobs.settings import Settings
from worker.jobs.store import TERMINAL, Artifact, Event, JobRecord, NewJob, Status

MAX_EVENTS = 1000
EVENT_BYTES, RECORD_BYTES = 128, 2048  # as in lua/shared.lua
EVENT_OF: dict[str, str] = {"succeeded": "done", "failed": "failed", "cancelled": "cancelled", "expired": "expired"}


@dataclass
class ShelvedJob:
    """A record and what only the store needs."""

    record: JobRecord
    new: NewJob
    seq: int
    start: float
    """The start tag of fair queueing (store.py)."""
    size: int
    woken_at: float
    ready_at: float
    fence: int = 0
    losses: int = 0
    lease_until: float = 0.0
    events: list[Event] = field(default_factory=list)
    told: int = 0
    """Events published so far; more than `events` holds once the oldest are dropped."""
    blobs: dict[str, Artifact] = field(default_factory=dict)


class Shelf:
    """Its caller holds `changed`, which is notified of every event."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.changed = threading.Condition(threading.RLock())
        self.jobs: dict[str, ShelvedJob] = {}  # in order of arrival
        self.counters: dict[str, int] = {}
        self._finished: dict[str, None] = {}  # in order of ending
        self._idem: dict[tuple[str, str], str] = {}
        self._seq = 0
        self.virtual_time = 0.0
        self._top = 0.0  # the latest finish tag of all
        self._tags: dict[str, tuple[float, float]] = {}  # owner → the last job's finish tag, and when it is forgotten

    def job(self, job_id: str) -> ShelvedJob:
        """Raises NotFound."""
        job = self.jobs.get(job_id)
        if job is None or self.gone(job):
            raise NotFound("There is no such job, or it has expired.")
        return job

    def gone(self, job: ShelvedJob) -> bool:
        return job.record.expires_at is not None and job.record.expires_at <= self.clock()

    def known(self, job: NewJob) -> JobRecord | None:
        """The job that was made under this key before. Raises IdempotencyConflict."""
        held = self.jobs.get(self._idem.get((job.owner, job.idempotency_key or ""), ""))
        if held is None or self.gone(held):
            return None
        if held.new.fingerprint != job.fingerprint:
            raise IdempotencyConflict
        return self.view(held)

    def queued(self) -> list[ShelvedJob]:
        """The waiting jobs, the next one first; one that comes back keeps its place."""
        waiting = [job for job in self.jobs.values() if job.record.status == "queued"]
        return sorted(waiting, key=lambda job: (job.start, job.seq))

    def bytes_held(self) -> int:
        return sum(job.size for job in self.jobs.values())

    def view(self, job: ShelvedJob) -> JobRecord:
        position = self.queued().index(job) if job.record.status == "queued" else None
        return replace(job.record, position=position)

    def add(self, job_id: str, job: NewJob, size: int) -> ShelvedJob:
        now = self.clock()
        record = JobRecord(
            job_id, job.owner, job.kind, "queued", job.request, job.prime is not None, None, 0, 0, 0, None,
            created_at=now, deadline_at=now + job.deadline_seconds,
        )  # fmt: skip
        self._seq += 1
        start = self._start_tag(job)
        self.jobs[job_id] = ShelvedJob(record, job, self._seq, start, size, woken_at=now, ready_at=now)
        if job.idempotency_key:
            self._idem[job.owner, job.idempotency_key] = job_id
        self.count("jobs_submitted")
        self.tell(self.jobs[job_id], "queued", {"position": self.queued().index(self.jobs[job_id])})
        return self.jobs[job_id]

    def _start_tag(self, job: NewJob) -> float:
        """As `draw_tags` in lua/enqueue.lua."""
        now = self.clock()
        if not self.queued():
            self.virtual_time = self._top
        self._tags = {owner: tag for owner, tag in self._tags.items() if tag[1] > now}
        finish, needed_until = self._tags.get(job.owner, (0.0, 0.0))
        start = max(self.virtual_time, finish)
        self._tags[job.owner] = start + job.work, max(needed_until, now + job.deadline_seconds)
        self._top = max(self._top, start + job.work)
        return start

    def take_back_tag(self, job: ShelvedJob) -> None:
        """As lua/cancel.lua: the owner's next job does not stand back for this one."""
        finish, needed_until = self._tags.get(job.record.owner, (None, 0.0))
        if finish == job.start + job.new.work:
            self._tags[job.record.owner] = job.start, needed_until

    def settle(self, job: ShelvedJob, status: Status, data: dict[str, Any] | None = None) -> None:
        """The one way into a terminal state; `data` is its event's."""
        assert status in TERMINAL
        now, keep = self.clock(), self.settings.retention_seconds
        job.record = replace(job.record, status=status, finished_at=now, expires_at=now + keep if keep else None)
        self._finished[job.record.id] = None
        self.count(f"jobs_{status}")
        self.tell(job, EVENT_OF[status], data or {"status": status})
        job.size += EVENT_BYTES * len(job.events)

    def settle_failed(self, job: ShelvedJob, code: str, message: str) -> None:
        job.record = replace(job.record, error={"code": code, "message": message})
        self.settle(job, "failed", job.record.error)

    def requeue(self, job: ShelvedJob, reason: str) -> None:
        """Back to where it stood. Its wake-up is due at once."""
        job.record = replace(job.record, status="queued", step=0, total=0)
        job.woken_at, job.ready_at = -math.inf, self.clock()
        self.count("jobs_requeued")
        self.tell(job, "reset", {"reason": reason})
        self.tell(job, "queued", {"position": self.queued().index(job)})

    def tell(self, job: ShelvedJob, name: str, data: dict[str, Any]) -> None:
        job.told += 1
        job.events = [*job.events[1 - MAX_EVENTS :], Event(f"{job.told}-0", name, data)]
        self.changed.notify_all()

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] = self.counters.get(name, 0) + by

    def make_room(self, limit: int, keep: str = "") -> bool:
        """Remove the oldest finished jobs until all hold no more than `limit` bytes. False: they still do."""
        for job_id in [job_id for job_id in self._finished if job_id != keep]:
            if self.bytes_held() <= limit:
                return True
            self.remove(self.jobs[job_id])
        return self.bytes_held() <= limit

    def remove(self, job: ShelvedJob) -> None:
        del self.jobs[job.record.id]
        self._finished.pop(job.record.id, None)
        key = (job.record.owner, job.new.idempotency_key or "")
        if self._idem.get(key) == job.record.id:
            del self._idem[key]
