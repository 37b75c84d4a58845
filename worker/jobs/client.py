"""What web and command line do with jobs: submit, look, list, cancel; each for one owner."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from celery import Celery

from core.catalog import Catalog
from core.errors import NotFound
from core.music.codec import piece_to_json
from worker.jobs.admission import admit
from worker.jobs.broker import send_wake
from worker.jobs.effort import tokens_asked_for
from worker.jobs.request import GenerationRequest
from worker.jobs.settings import Settings
from worker.jobs.store import Artifact, JobRecord, JobStore, NewJob

NO_SUCH_JOB = "There is no such job, or it has expired."
MOST_OWNERS_KEPT = 10_000


class Submission(NamedTuple):
    """`created` is false when the idempotency key had made the job before."""

    record: JobRecord
    created: bool
    prime: str | None
    """As the store has it: a Piece in JSON."""


class JobClient:
    """Raises StoreUnavailable when the store does not answer; nothing is half done then."""

    def __init__(self, store: JobStore, catalog: Catalog, celery_app: Celery, settings: Settings) -> None:
        self.store = store
        self.catalog = catalog
        self._celery_app = celery_app
        self._settings = settings
        self._owners: dict[str, str] = {}  # by job, of late ones: a job's owner never changes

    def submit(self, request: GenerationRequest, owner: str, idempotency_key: str | None = None) -> Submission:
        """Accept the job. Raises RequestError; among them QueueFull.

        The record is stored before the wake-up is sent; one that does not get through is sent again by the reaper.

        Only the first in the line sends one. It would gain the others nothing: the wake-up of the job in front makes an
        engine claim whatever its slots hold; an engine at work looks at the line whenever slots are free; an idle one
        looks every half second by itself, whoever's wake-up went to another worker, was lost, or was never sent by a web
        process that died just then; and the reaper sends one for each of the first ten that wait for seconds.
        """
        admitted = admit(request, self.catalog)
        prime = None if admitted.prime is None else piece_to_json(admitted.prime)
        job = NewJob(
            owner=owner,
            kind=request.kind,
            request=admitted.request.model_dump_json(),
            prime=prime,
            cost=request.variations,
            deadline_seconds=self._settings.deadline_seconds,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint(request),
            weight=tokens_asked_for(admitted),
        )
        record, created = self.store.enqueue(job)
        self._note(record)
        if created and record.position == 0:
            send_wake(self._celery_app, record.id)
        return Submission(record, created, prime)

    def get(self, job_id: str, owner: str) -> JobRecord:
        """Raises NotFound, for another owner's job too: nobody learns that it exists."""
        record = self.store.get(job_id)
        self._note(record)
        if record.owner != owner:
            raise NotFound(NO_SUCH_JOB)
        return record

    def result(self, job_id: str, owner: str, name: str) -> Artifact:
        """A stored file of the job. Raises NotFound, for another owner's job too, and NotReady before it has succeeded."""
        if job_id not in self._owners:
            self.get(job_id, owner)
        elif self._owners[job_id] != owner:
            raise NotFound(NO_SUCH_JOB)
        return self.store.artifact(job_id, name)

    def cancel(self, job_id: str, owner: str) -> JobRecord:
        """Queued: cancelled at once. Running: within a second. Ended: no change. Raises NotFound."""
        self.get(job_id, owner)
        return self.store.cancel(job_id)

    def list(self, owner: str, cursor: str | None = None, limit: int = 20) -> tuple[list[JobRecord], str | None]:
        """The owner's jobs, newest first, and the cursor of the next page (None at the end)."""
        return self.store.list(owner, cursor, limit)

    def _note(self, record: JobRecord) -> None:
        if len(self._owners) >= MOST_OWNERS_KEPT:
            self._owners.clear()
        self._owners[record.id] = record.owner


def fingerprint(request: GenerationRequest) -> str:
    """A hash of the request as it came, before a seed is drawn: equal requests have equal fingerprints."""
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()
