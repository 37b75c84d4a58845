"""The job store over Redis or Valkey: every verb is one Lua script on the server's clock (lua/*.lua)."""

from __future__ import annotations

import builtins
import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError, TimeoutError
from redis.retry import Retry

from core.errors import (
    DeadlineExceeded,
    IdempotencyConflict,
    InvalidField,
    NotFound,
    NotReady,
    QueueFull,
    StoreUnavailable,
    WorkerLost,
)
from worker.jobs.redis_answers import artifact_info, event_order, fields_of, pairs, read_event, read_record
from worker.jobs.settings import Settings
from worker.jobs.store import (
    CURSOR,
    EVENT_ID,
    MAX_ATTEMPTS,
    Artifact,
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

PREFIX = "ritornello:"
LUA = Path(__file__).parent / "lua"
AOF_BUFFERED = re.compile(rb"^aof_buffer_length:[1-9]", re.MULTILINE)
JOB_ID = re.compile(r"[0-9a-f]{32}")
NO_SUCH_JOB = "There is no such job, or it has expired."
BLOCK_SECONDS = 2.0  # one blocking read; several make a long wait, and each stays well below the socket's timeout
WRITTEN_SECONDS = 2.5  # the server writes after two, sync or no sync; under a flood of writes the buffer may never look empty
NOT_SERVING = ("MISCONF", "BUSY", "LOADING", "MASTERDOWN", "NOREPLICAS", "UNKILLABLE")  # error replies that pass with time


def connect(settings: Settings) -> RedisJobStore:
    """A store on the server of `settings.redis_url`. Does not talk to it yet."""
    client = redis.Redis.from_url(
        settings.redis_url,
        socket_connect_timeout=2.0,
        socket_timeout=5.0,
        health_check_interval=15,
        client_name="ritornello",
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),  # every verb may be sent twice
    )
    return RedisJobStore(client, settings)


class RedisJobStore:
    """Keeps the contract of `worker.jobs.store.JobStore`. Threads may share it."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._client = client
        self._ask: Any = client.execute_command
        limits = {
            "prefix": PREFIX,
            "lease_seconds": settings.lease_seconds,
            "queue_limit": settings.queue_limit,
            "store_bytes": settings.store_bytes,
            "retention_seconds": settings.retention_seconds,
        }
        self._limits = json.dumps(limits)
        self._scripts = load_scripts()
        self._unanswered: dict[str, str] = {}  # worker → the call id of a claim whose answer was lost

    def enqueue(self, job: NewJob) -> tuple[JobRecord, bool]:
        idem = hashlib.sha256(f"{job.owner}\0{job.idempotency_key}".encode()).hexdigest() if job.idempotency_key else ""
        job_id = secrets.token_hex(16)  # 128 bits: knowing an id is having been told it
        try:
            outcome, answer = self._run(
                "enqueue", job_id, job.owner, job.kind, job.request, job.prime or "", job.cost,
                job.deadline_seconds, idem, job.fingerprint, job.work,
            )  # fmt: skip
        except OutOfMemoryError as error:
            raise QueueFull("The server's memory is full. Please try again later.", retry_after_seconds=30) from error
        if outcome == b"conflict":
            raise IdempotencyConflict
        if outcome in (b"full", b"no_room"):
            message = "The waiting jobs fill the store. Please try again in a moment." if outcome == b"no_room" else None
            raise QueueFull(message, retry_after_seconds=retry_after_seconds(None if answer is None else float(answer)))
        self._await_written()
        return read_record(answer), outcome == b"created"

    def get(self, job_id: str) -> JobRecord:
        return read_record(self._about(job_id, "get"))

    def prime(self, job_id: str) -> str | None:
        (prime,) = self._about(job_id, "prime")
        return None if prime is None else prime.decode()

    def cancel(self, job_id: str) -> JobRecord:
        answer = self._about(job_id, "cancel")
        self._await_written()
        return read_record(answer)

    def claim(self, worker: str, slots: int, numerics: str, waited_seconds: float = 0.0) -> list[Claim]:
        call = self._unanswered.setdefault(worker, secrets.token_hex(8))
        answer = self._run("claim", worker, slots, numerics, call, waited_seconds)
        del self._unanswered[worker]
        return [
            Claim(job_id.decode(), int(fence), request.decode(), None if prime is None else prime.decode(), float(deadline))
            for job_id, fence, request, prime, deadline in answer
        ]

    def progress(self, claim: Claim, step: int, total: int, tokens: list[dict[str, Any]] | None = None) -> Verdict:
        return self.progress_all([Report(claim, step, total, tokens or [])])[0]

    def progress_all(self, reports: list[Report]) -> list[Verdict]:
        parts: list[str | bytes | float] = []
        for report in reports:
            parts += [report.claim.job_id, report.claim.fence, report.step, report.total]
            parts += [len(report.tokens), *(json.dumps(token) for token in report.tokens)]
        return [verdict.decode() for verdict in self._run("progress", *parts)] if reports else []

    def finish(self, claim: Claim, results: list[dict[str, Any]], artifacts: list[Artifact]) -> bool:
        return self.finish_all([Outcome(claim, results, artifacts)])[0]

    def finish_all(self, outcomes: list[Outcome]) -> list[bool]:
        parts: list[str | bytes | float] = []
        for outcome in outcomes:
            parts += [outcome.claim.job_id, outcome.claim.fence, json.dumps(outcome.results), tokens_in(outcome.results)]
            parts.append(len(outcome.artifacts))
            for artifact in outcome.artifacts:
                parts += [artifact.name, artifact_info(artifact), artifact.data]
        return [bool(stored) for stored in self._run("finish", *parts)] if outcomes else []

    def fail(self, claim: Claim, code: str, message: str) -> bool:
        return bool(self._run("fail", claim.job_id, claim.fence, json.dumps({"code": code, "message": message})))

    def acknowledge_cancel(self, claim: Claim) -> bool:
        return bool(self._run("acknowledge_cancel", claim.job_id, claim.fence))

    def release(self, claim: Claim) -> bool:
        return bool(self._run("release", claim.job_id, claim.fence))

    def reap(self) -> ReapReport:
        problems = (json.dumps({"code": error.code, "message": error.message}) for error in (WorkerLost(), DeadlineExceeded()))
        requeued, failed, expired, cancelled, removed, waiting = self._run("reap", MAX_ATTEMPTS, *problems)
        return ReapReport(requeued, failed, expired, cancelled, removed, tuple(job_id.decode() for job_id in waiting))

    def events(self, job_id: str, after: str = "0", block_seconds: float = 0.0) -> list[Event]:
        if not JOB_ID.fullmatch(job_id):
            raise NotFound(NO_SUCH_JOB)
        key = f"{PREFIX}job:{job_id}:events"
        give_up = time.monotonic() + block_seconds
        start, found = self._events_position(key, after)
        while True:
            left = 0.0 if found else give_up - time.monotonic()
            block = max(1, round(1000 * min(left, BLOCK_SECONDS))) if left > 0 else None
            with _translated():
                entries: Any = self._client.xread({key: start}, block=block)
            for _, page in entries or ():
                found += [read_event(entry_id, fields) for entry_id, fields in page]
            if found or block is None:
                return found

    def _events_position(self, key: str, after: str) -> tuple[str, list[Event]]:
        """Where to read on, and a reset when what the reader saw last is not what the stream still holds."""
        with _translated():
            try:
                stream = self._client.xinfo_stream(key)
            except ResponseError as error:
                if "no such key" in str(error):
                    raise NotFound(NO_SUCH_JOB) from error
                raise
        start = after if EVENT_ID.fullmatch(after) else "0"
        trimmed = stream["entries-added"] > stream["length"]
        if trimmed and event_order(start) < event_order(stream["first-entry"][0].decode()):
            return start, [Event(start, "reset", {"reason": "events_dropped"})]
        if event_order(start) > event_order(stream["last-generated-id"].decode()):
            return "0", [Event("0", "reset", {"reason": "unknown_event"})]
        return start, []

    def artifact(self, job_id: str, name: str) -> Artifact:
        status, info, data = self._about(job_id, "artifact", name)
        if status != b"succeeded":
            raise NotReady
        if info is None or data is None:
            raise NotFound(f"The job has no artifact named {name!r}.")
        about = json.loads(info)
        return Artifact(about["name"], about["variation"], about["media_type"], data)

    def cache_rendering(self, job_id: str, artifact: Artifact) -> None:
        if not JOB_ID.fullmatch(job_id):
            return
        try:
            self._run("cache_rendering", job_id, artifact.name, artifact_info(artifact, rendered=True), artifact.data)
        except OutOfMemoryError:
            return  # a cache may be refused

    def heartbeat(self, worker: str, info: dict[str, Any]) -> None:
        self._run("heartbeat", worker, json.dumps(info))

    def stats(self) -> StoreStats:
        queued, running, held, seconds, counters, engines = self._run("stats")
        told = {worker.decode(): json.loads(info) for worker, info in pairs(engines)}
        counted = {name.decode(): int(count) for name, count in pairs(counters)}
        return StoreStats(queued, running, len(told), held, counted, None if seconds is None else float(seconds), told)

    def ping(self) -> None:
        with _translated():
            version = str(self._client.info("server")["redis_version"])
        if int(version.split(".")[0]) < 7:
            raise StoreUnavailable(f"Redis 7 or newer, or Valkey, is needed; the server at REDIS_URL is {version}.")

    def list(self, owner: str, cursor: str | None = None, limit: int = 20) -> tuple[builtins.list[JobRecord], str | None]:
        if cursor is not None and not CURSOR.fullmatch(cursor):
            raise InvalidField("The cursor must be one that a list gave out.", field="cursor")
        page = self._run("list", owner, cursor or "", limit + 1)
        more = fields_of(page[limit - 1][0])["seq"] if len(page) > limit else None
        return [read_record(answer) for answer in page[:limit]], more

    def _await_written(self) -> None:
        """Return when what was stored is with the operating system, where a crash of the server cannot take it back.

        With `appendfsync everysec` the server answers at once but holds its log back while a sync is under way, for up to
        two seconds. What somebody is told now must not be forgotten then; of all else a lost tail is only done again.
        """
        give_up = time.monotonic() + WRITTEN_SECONDS
        with _translated():
            # named with its section, so that redis-py does not take the whole answer apart for one line
            while AOF_BUFFERED.search(self._ask("INFO persistence")) and time.monotonic() < give_up:
                time.sleep(0.002)

    def _about(self, job_id: str, name: str, *arguments: str) -> Any:
        """What a script says of one job, whose id may come from anywhere. Raises NotFound."""
        answer = self._run(name, job_id, *arguments) if JOB_ID.fullmatch(job_id) else None
        if answer is None:
            raise NotFound(NO_SUCH_JOB)
        return answer

    def _run(self, name: str, *arguments: str | bytes | float) -> Any:
        """Run one script. Sends it along when the server has forgotten it, as it does in every restart."""
        text, digest = self._scripts[name]
        with _translated():
            try:
                return self._client.evalsha(digest, 0, self._limits, *arguments)
            except NoScriptError:
                return self._client.eval(text, 0, self._limits, *arguments)


def load_scripts() -> dict[str, tuple[str, str]]:
    """Each verb's script and its SHA-1: the first line (its flags), then what all share, then the rest."""
    shared = (LUA / "shared.lua").read_text()
    scripts = {}
    for path in sorted(LUA.glob("*.lua")):
        if path.name != "shared.lua":
            flags, body = path.read_text().split("\n", 1)
            text = f"{flags}\n{shared}\n{body}"
            scripts[path.stem] = text, hashlib.sha1(text.encode()).hexdigest()
    return scripts


@contextmanager
def _translated() -> Iterator[None]:
    """A server that is away, loading, or cannot write is StoreUnavailable."""
    try:
        yield
    except (ConnectionError, TimeoutError, ReadOnlyError) as error:
        raise StoreUnavailable from error
    except ResponseError as error:
        if str(error).startswith(NOT_SERVING):
            raise StoreUnavailable from error
        raise
