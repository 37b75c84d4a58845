"""The engine: one thread that claims what it has slots for, advances everything together, and publishes.

Continuous batching: whoever is in step takes part in the next call of its model, a prime that is being read as well as a
variation that is being drawn; jobs join and leave between calls (scheduler.py says who is in step).

The lease of a job is renewed by the engine's progress alone, so a hang does not renew it. What the store has to be told while
the server is away (a result, a failure) is kept and told again; a job that another engine has taken over is dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict

from core.catalog import Catalog
from core.decoders import Decoders
from core.decoding import Decoder
from core.errors import AppError, DeadlineExceeded, InternalError, StoreUnavailable
from core.music.codec import piece_from_json
from worker.engine.models import Models
from worker.engine.pace import Pace
from worker.engine.scheduler import Roster
from worker.engine.work import Seat, Work
from worker.jobs.briefing import brief_of
from worker.jobs.request import GenerationRequest
from worker.jobs.store import Claim, JobStore, Outcome, Report

logger = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.25  # a cancel is heard of this soon
IDLE_SECONDS = 0.5  # how long an idle engine sleeps without a wake-up
HEARTBEAT_SECONDS = 5.0
YIELD_AFTER_SECONDS = 0.25  # a job that no free slot has taken for so long is worth parking another for
MODEL_BYTES = 512_000_000
FINISH_AT_ONCE = 32  # jobs told as finished in one script; it holds the server up for some milliseconds


class Engine:
    """`decoders.numerics` names the path that computes; results of one id are the same bytes on any worker that has it."""

    def __init__(
        self, store: JobStore, catalog: Catalog, worker: str, slots: int, decoders: Decoders, model_bytes: int = MODEL_BYTES
    ) -> None:
        self.store, self.worker, self.numerics = store, worker, decoders.numerics
        self.models = Models(catalog, decoders, model_bytes)
        self.roster = Roster(slots)
        self.work: dict[str, Work] = {}
        self._paces: dict[str, Pace] = defaultdict(Pace)
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._failures: list[tuple[Claim, str, str]] = []  # not told yet: the claim, the code, the message
        self._outcomes: dict[str, Outcome] = {}  # not told yet, by job
        self._published = self._beat = 0.0
        self._newcomers_turn = False

    def wake(self) -> None:
        """A job may be waiting. Any thread may call this."""
        self._woken.set()

    def stop(self) -> None:
        """Hand running jobs back and end the loop. Any thread may call this."""
        self._stopping.set()
        self._woken.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def run(self) -> None:
        """The thread's loop, until `stop`."""
        while not self.stopping:
            try:
                self.turn()
            except StoreUnavailable as error:
                logger.warning("the job store is away: %s", error)
                self._stopping.wait(IDLE_SECONDS)
        self._hand_back()

    def turn(self) -> None:
        """One round: claim, advance every model, publish. Sleeps when there is nothing to do."""
        now = time.monotonic()
        if now - self._beat > HEARTBEAT_SECONDS:
            told = {"slots": self.roster.slots, "free": self.roster.free, "numerics": self.numerics, "models": self.models.names}
            self.store.heartbeat(self.worker, told)
            self._beat = now
        due = now - self._published > PUBLISH_SECONDS
        self._take_in(due, now)
        self._tell()
        if not self.work:
            self._woken.wait(IDLE_SECONDS)
            return
        self._advance()
        self._tell()
        if due:
            self._published = now
            self._publish()

    # Jobs come in -----------------------------------------------------------------------------------------------------

    def _take_in(self, due: bool, now: float) -> None:
        """Free slots: who is parked and has been patient goes first, then newcomers, then whoever is parked."""
        self.roster.resume(now, patient_only=True)
        if self.roster.free and (self._woken.is_set() or due):
            self._woken.clear()
            self._claim(self.roster.free, 0.0)
        self.roster.resume(now)
        if due and not self.roster.free:
            self._rotate(now)

    def _rotate(self, now: float) -> None:
        """Slots whose jobs have had their quantum go to newcomers and to the parked by turns, or to whom there is."""
        self._newcomers_turn = not self._newcomers_turn
        if self._newcomers_turn:
            if not self._claim(self.roster.yieldable, YIELD_AFTER_SECONDS):
                self.roster.rotate(now)
        elif not self.roster.rotate(now):
            self._claim(self.roster.yieldable, YIELD_AFTER_SECONDS)

    def _claim(self, slots: int, waited_seconds: float) -> bool:
        """Begin the jobs that the store gives for so many slots. Whether there were any."""
        if slots <= 0:
            return False
        claims = self.store.claim(self.worker, slots, self.numerics, waited_seconds)
        for claim in claims:
            if claim.job_id in self.work:  # this engine was held up, lost the lease, and is the one to start again
                self._drop(self.work[claim.job_id])
            try:
                self._begin(claim)
            except AppError as error:
                self._failures.append((claim, error.code, error.message))
            except Exception:
                logger.exception("the job could not be begun", extra={"job_id": claim.job_id})
                self._failures.append((claim, InternalError.code, InternalError().message))
        return bool(claims)

    def _begin(self, claim: Claim) -> None:
        request = GenerationRequest.model_validate_json(claim.request)
        brief = brief_of(request, piece_from_json(claim.prime) if claim.prime else None)
        decoder = self.models.get(request.model or "", {work.decoder.card.name for work in self.work.values()})
        plans = [decoder.author.plan(brief) for _ in range(brief.variations)]
        seats = [Seat(plan, brief.sampling, variation) for variation, plan in enumerate(plans, start=1)]
        work = Work(claim, brief, decoder, seats, decoder.begin(plans[0]))
        work.seat_all_when_read()
        self.roster.seat(claim.job_id, brief.variations, time.monotonic())
        self.work[claim.job_id] = work

    # Jobs move on -----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """One call of each model that has jobs in step."""
        by_model: dict[str, list[Work]] = defaultdict(list)
        for work in self.work.values():
            if self.roster.in_step(work.job_id) and not work.done:
                by_model[work.decoder.card.name].append(work)
        for name, works in by_model.items():
            try:
                self._advance_together(works[0].decoder, works, self._paces[name])
            except Exception:
                for work in works:
                    self._break(work)

    def _advance_together(self, decoder: Decoder, works: list[Work], pace: Pace) -> None:
        streams = [stream for work in works for stream in work.streams]
        steps = pace.steps(len(streams))
        start = time.perf_counter()
        rows = decoder.advance(streams, steps).tolist()
        pace.note(len(streams), steps, time.perf_counter() - start)
        for work in works:
            mine, rows = rows[: len(work.streams)], rows[len(work.streams) :]
            try:
                self.roster.serve(work.job_id, steps)
                work.note(mine)
                if work.done:
                    self._outcomes[work.job_id] = work.outcome()
            except Exception:
                self._break(work)

    # Jobs go out ------------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """What has ended."""
        while self._failures:
            self.store.fail(*self._failures[0])
            del self._failures[0]
        while self._outcomes:
            ended = [self.work[job_id] for job_id in list(self._outcomes)[:FINISH_AT_ONCE]]
            self._report(ended)
            self.store.finish_all([self._outcomes[work.job_id] for work in ended])
            for work in ended:
                self._drop(work)

    def _publish(self) -> None:
        """Renew the leases by what was done, and hear whether to go on."""
        for work in list(self.work.values()):
            if time.time() > work.claim.deadline_at:
                self.store.fail(work.claim, DeadlineExceeded.code, DeadlineExceeded().message)
                self._drop(work)
        working = list(self.work.values())
        for work, verdict in zip(working, self._report(working), strict=True):
            if verdict == "cancelled":
                self.store.acknowledge_cancel(work.claim)
            if verdict != "go_on":
                self._drop(work)

    def _report(self, works: list[Work]) -> list[str]:
        reports = [Report(work.claim, *work.progress, list(work.fresh_tokens())) for work in works]
        verdicts = self.store.progress_all(reports)
        for work in works:
            work.untold.clear()
        return list(verdicts)

    def _break(self, work: Work) -> None:
        """Called while handling what broke the job: tell the log everything, the user a sentence."""
        logger.exception("the job broke", extra={"job_id": work.job_id})
        self._failures.append((work.claim, InternalError.code, InternalError().message))
        self._drop(work)

    def _drop(self, work: Work) -> None:
        self.roster.leave(work.job_id)
        self.work.pop(work.job_id, None)
        self._outcomes.pop(work.job_id, None)
        self._woken.set()  # slots are free: look at the queue at once

    def _hand_back(self) -> None:
        try:
            self._tell()
            for work in list(self.work.values()):
                self.store.release(work.claim)
                self._drop(work)
        except StoreUnavailable:
            logger.warning("%d jobs could not be handed back; their leases will run out", len(self.work))
