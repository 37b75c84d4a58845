"""The job store's contract: records, claims, events, and the verbs that change them.

The record in Redis is the truth; the Celery message is only a wake-up. Two stores keep this contract: `RedisJobStore`
(redis_store.py, every change one Lua script on the server's clock) and `MemoryJobStore` (memory_store.py, for tests).

    queued ─claim▶ running ─finish▶ succeeded          terminal states never change:
      │  ▲           │ ├──fail────▶ failed             succeeded, failed, cancelled, expired
      │  └─release───┘ └──cancel──▶ cancelled
      ├─cancel▶ cancelled        a lost lease goes back to queued; the third loss is failed: worker_lost
      └─deadline▶ expired

What is queued stands in one line, the ready set, in the order of start-time fair queueing between owners (Goyal, Vin and
Cheng, SIGCOMM 1996, doi:10.1145/248156.248171), so that a hundred jobs of one owner do not keep another's one waiting:

    enqueue   start = max(virtual time, the finish of the owner's last job); finish = start + weight
    order     by start, then by arrival; fixed for life, so a job that comes back stands where it stood
    claim     virtual time = the start of the job that is taken, or for which slots are being kept free
    cancel    of the owner's last job, while it waits: the owner's finish is that job's start again
    nobody waits   virtual time = the latest finish of all: an empty line forgets who had how much

What an owner had is forgotten too when the deadlines of its jobs have passed. An owner's jobs keep the order in which
they came, and where there is one owner the line is first come, first served.
"""

from __future__ import annotations

import builtins
import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Status = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired"})
MAX_ATTEMPTS = 3
MAX_WEIGHT = 1e9  # finish tags add up for ever; doubles count single units of work up to 2**53, nine million such jobs away
EVENT_ID = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")
CURSOR = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class NewJob:
    """What `enqueue` takes. `request` and `prime` are JSON; `cost` is the number of slots the job needs (its variations)."""

    owner: str
    kind: str
    request: str
    """The admitted GenerationRequest, its prime replaced by null when `prime` is set."""
    prime: str | None = None
    """The prime as a Piece in JSON (core.music.codec.piece_to_json)."""
    cost: int = 1
    deadline_seconds: float = 600.0
    idempotency_key: str | None = None
    fingerprint: str = ""
    """A hash of the request as it came; the same key with another fingerprint is an IdempotencyConflict."""
    weight: float | None = None
    """An estimate of the work (say variations x tokens), which moves its owner's next job back; None: `cost`."""

    def __post_init__(self) -> None:
        assert 0 < self.work <= MAX_WEIGHT, f"a job's weight is {self.work}"

    @property
    def work(self) -> float:
        """The weight, told or not."""
        return float(self.cost if self.weight is None else self.weight)


@dataclass(frozen=True)
class ArtifactInfo:
    name: str
    variation: int
    media_type: str
    bytes: int


@dataclass(frozen=True)
class Artifact:
    name: str
    variation: int
    media_type: str
    data: bytes


@dataclass(frozen=True)
class JobRecord:
    """One job as the store knows it. Times are Unix seconds on the server's clock."""

    id: str
    owner: str
    kind: str
    status: Status
    request: str
    has_prime: bool
    position: int | None
    """0 is next; None unless queued. Another owner's later job may come to stand before this one."""
    step: int
    total: int
    attempt: int
    """0 before the first claim, then 1 to MAX_ATTEMPTS: one more for each lease that was lost."""
    numerics: str | None
    results: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[ArtifactInfo] = field(default_factory=list)
    error: dict[str, str] | None = None
    """{"code", "message"} of a failed job."""
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    deadline_at: float | None = None
    expires_at: float | None = None
    """When the record and its artifacts go, where a retention is set; None: kept until the byte quota is reached."""
    cancel_requested: bool = False
    """A running job that was told to stop: it can only end cancelled."""

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class Claim:
    """A running job in the hands of one engine. `fence` grows with every claim of the job: a stale holder is refused."""

    job_id: str
    fence: int
    request: str
    prime: str | None
    deadline_at: float


@dataclass(frozen=True)
class Event:
    """One entry of a job's event stream; `id` is the Redis stream id, resumable."""

    id: str
    name: str
    """queued, started, progress, token, artifact, done, failed, cancelled, expired, or reset."""
    data: dict[str, Any]


Verdict = Literal["go_on", "cancelled", "lost"]
"""What `progress` answers: go on, or stop because the job was cancelled, or because another holds it now."""


@dataclass(frozen=True)
class Report:
    """How far a claimed job is; `tokens` holds {"variation", "text"} for each piece of text that is new."""

    claim: Claim
    step: int
    total: int
    tokens: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a claimed job came to."""

    claim: Claim
    results: list[dict[str, Any]]
    artifacts: list[Artifact]


@dataclass(frozen=True)
class ReapReport:
    requeued: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0
    removed: int = 0
    """Finished jobs past their retention."""
    waiting: tuple[str, ...] = ()
    """Jobs queued for so long that their wake-up is surely lost; the caller sends it again."""


@dataclass(frozen=True)
class StoreStats:
    queued: int
    running: int
    workers: int
    """Engines that sent a heartbeat in the last 15 seconds."""
    artifact_bytes: int
    """What all jobs hold against the quota: requests, primes, results, renderings, events, and 2 kB for each record."""
    counters: dict[str, int] = field(default_factory=dict)
    """Since the store began: jobs_submitted, jobs_succeeded, jobs_failed, jobs_cancelled, jobs_expired, jobs_requeued, tokens."""
    seconds_per_job: float | None = None
    """Running mean of a job's time from claim to finish; the page's estimate of the wait is made from it."""
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each of those workers told in its heartbeat, by worker."""


def tokens_in(results: list[dict[str, Any]]) -> int:
    """How many tokens these results took, for the counter."""
    return sum(int(result.get("figures", {}).get("tokens", 0)) for result in results)


def retry_after_seconds(seconds_per_job: float | None) -> int:
    """When to ask again after QueueFull: one more job will have ended by then, as far as we know."""
    return 5 if seconds_per_job is None else min(120, max(1, math.ceil(seconds_per_job)))


class JobStore(Protocol):
    """All verbs raise StoreUnavailable when the server does not answer."""

    def enqueue(self, job: NewJob) -> tuple[JobRecord, bool]:
        """Store the job, queued. False beside it: it was there already, under the same idempotency key.

        Raises QueueFull, IdempotencyConflict.
        """

    def get(self, job_id: str) -> JobRecord:
        """Raises NotFound."""

    def prime(self, job_id: str) -> str | None:
        """The prime as NewJob held it; None where there was none. Raises NotFound."""

    def cancel(self, job_id: str) -> JobRecord:
        """Queued: cancelled at once. Running: flagged, and the engine's next `progress` hears of it. Terminal: no change.

        Once a running job is flagged it can only end cancelled, whatever its engine reports. Raises NotFound.
        """

    def claim(self, worker: str, slots: int, numerics: str, waited_seconds: float = 0.0) -> list[Claim]:
        """Take jobs from the front of the ready set while their cost fits `slots`. A lease of `lease_seconds` starts.

        A job once claimed keeps its numerics id: a worker with another one passes it by. One too wide for the free slots
        is not passed by, and from then on no new job can come to stand before it: a wide job does not starve.

        With `waited_seconds`, only jobs that have been queued for so long (since they came back, if they did) are taken.
        The first that has not ends the claim, for a job behind it must not have its turn; it will do so for no longer
        than `waited_seconds`.
        """

    def progress(self, claim: Claim, step: int, total: int, tokens: list[dict[str, Any]] | None = None) -> Verdict:
        """`progress_all` of one Report."""

    def progress_all(self, reports: list[Report]) -> list[Verdict]:
        """Renew the leases, note how far the jobs are, and publish `progress` (and `token`) events; a verdict for each.

        A `progress` event is published when `step` or `total` has changed; a job flagged for cancelling keeps its old
        lease, so it ends even if nobody acknowledges. One round trip, however many there are.
        """

    def finish(self, claim: Claim, results: list[dict[str, Any]], artifacts: list[Artifact]) -> bool:
        """`finish_all` of one Outcome."""

    def finish_all(self, outcomes: list[Outcome]) -> list[bool]:
        """Store everything and succeed, in one script. False where the claim is stale (or the job was cancelled).

        Like every verb it may be sent again after StoreUnavailable: if the first one did arrive, the answers are the same.
        """

    def fail(self, claim: Claim, code: str, message: str) -> bool:
        """End the job as failed. False when the claim is stale or the job was cancelled."""

    def acknowledge_cancel(self, claim: Claim) -> bool:
        """The engine has stopped a job that was flagged: cancelled. False when it was not flagged, or the claim is stale."""

    def release(self, claim: Claim) -> bool:
        """Hand the job back to where it stood in the queue without charging an attempt (a clean shutdown).

        A job that was flagged becomes cancelled instead. False when the claim is stale.
        """

    def reap(self) -> ReapReport:
        """Re-queue what lost its lease (or fail it, the third time), expire what waited past its deadline, remove what is old.

        When nobody has reaped for longer than a lease (the server was away, the machine slept), nobody could renew one
        either: running jobs then get a fresh lease instead of losing theirs.
        """

    def events(self, job_id: str, after: str = "0", block_seconds: float = 0.0) -> list[Event]:
        """Events after the id; waits up to `block_seconds` for the first. An id that is none means from the start.

        A `reset` first when `after` lies outside what the capped stream still holds: get the record, and go on from there.
        A `reset` also stands where a job went back to the queue: what it told so far begins anew. Raises NotFound.
        """

    def artifact(self, job_id: str, name: str) -> Artifact:
        """A stored result or cached rendering. Raises NotFound, or NotReady before success."""

    def cache_rendering(self, job_id: str, artifact: Artifact) -> None:
        """Keep something rendered from a result (MusicXML, ABC, a picture) as long as the job lives.

        A cache: nothing is kept when the job is gone or the store is full. Not listed among the record's artifacts.
        """

    def heartbeat(self, worker: str, info: dict[str, Any]) -> None:
        """Say that this worker lives. `info` is shown to operators in `stats`."""

    def stats(self) -> StoreStats: ...

    def ping(self) -> None:
        """Raises StoreUnavailable."""

    def list(self, owner: str, cursor: str | None = None, limit: int = 20) -> tuple[builtins.list[JobRecord], str | None]:
        """The owner's jobs, newest first, and the cursor of the next page (None at the end)."""
