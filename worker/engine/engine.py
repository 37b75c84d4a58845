"""The engine: one thread that claims what it has slots for, reads primes, steps everything together, and publishes.

The lease of a job is renewed by its progress alone, so a hang does not renew it. What the store has to be told while the
server is away (a result, a failure) is kept and told again; a job that another engine has taken over meanwhile is dropped.
"""

from __future__ import annotations

import logging
import threading
import time

from core.catalog import Catalog
from core.checkpoint import LoadedModel, load_checkpoint
from core.errors import AppError, DeadlineExceeded, InternalError, StoreUnavailable
from core.generate import PrimeReader
from core.music.codec import piece_from_json
from worker.engine.runner import ModelRunner, Seat
from worker.engine.scheduler import SlotBudget, Turns
from worker.engine.work import Work
from worker.jobs.briefing import brief_of
from worker.jobs.request import GenerationRequest
from worker.jobs.store import Claim, JobStore

logger = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.25  # a cancel is heard of this soon
IDLE_SECONDS = 0.5  # how long an idle engine sleeps without a wake-up
HEARTBEAT_SECONDS = 5.0


class Engine:
    """`numerics` names the path that computes; results of one id are the same bytes on any worker that has it."""

    def __init__(self, store: JobStore, catalog: Catalog, worker: str, slots: int, device: str = "cpu") -> None:
        self.store, self.catalog, self.worker, self.device = store, catalog, worker, device
        self.numerics = "cuda-1" if device == "cuda" else "torch-cpu-1"
        self.slots = SlotBudget(slots)
        self.turns = Turns()
        self.work: dict[str, Work] = {}
        self.runners: dict[str, ModelRunner] = {}
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._failures: list[tuple[Claim, str, str]] = []  # not told yet: the claim, the code, the message
        self._published = self._beat = 0.0

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
        self._load_all()
        while not self.stopping:
            try:
                self.turn()
            except StoreUnavailable as error:
                logger.warning("the job store is away: %s", error)
                self._stopping.wait(IDLE_SECONDS)
        self._hand_back()

    def _load_all(self) -> None:
        """So that the first job does not wait for its model. One that cannot be loaded fails its jobs, not the others'."""
        for name in self.catalog.cards:
            try:
                self._runner(name)
            except AppError as error:
                logger.error("%s", error)

    def turn(self) -> None:
        """One round: claim, read a chunk of one prime, step every model, publish. Sleeps when there is nothing to do."""
        now = time.monotonic()
        if now - self._beat > HEARTBEAT_SECONDS:
            self.store.heartbeat(self.worker, {"slots": self.slots.slots, "free": self.slots.free, "numerics": self.numerics})
            self._beat = now
        due = now - self._published > PUBLISH_SECONDS
        if self.slots.free and (self._woken.is_set() or due):
            self._woken.clear()
            self._claim()
        self._tell_failures()
        if not self.work:
            self._woken.wait(IDLE_SECONDS)
            return
        self._read()
        self._step()
        if due:
            self._published = now
            for work in list(self.work.values()):
                self._publish(work)

    # Jobs come in -----------------------------------------------------------------------------------------------------

    def _claim(self) -> None:
        for claim in self.store.claim(self.worker, self.slots.free, self.numerics):
            if claim.job_id in self.work:  # this engine was held up, lost the lease, and is the one to start again
                self._drop(self.work[claim.job_id])
            try:
                self._begin(claim)
            except AppError as error:
                self._failures.append((claim, error.code, error.message))
            except Exception:
                logger.exception("the job could not be begun", extra={"job_id": claim.job_id})
                self._failures.append((claim, InternalError.code, InternalError().message))

    def _begin(self, claim: Claim) -> None:
        request = GenerationRequest.model_validate_json(claim.request)
        brief = brief_of(request, piece_from_json(claim.prime) if claim.prime else None)
        runner = self._runner(request.model or "")
        author = runner.loaded.author
        seats = [Seat(author.plan(brief), brief.sampling, variation) for variation in range(1, brief.variations + 1)]
        reader = PrimeReader(runner.loaded, seats[0].plan)
        self.work[claim.job_id] = Work(claim, brief, runner, reader, seats)
        self.slots.promise(claim.job_id, brief.variations)
        self.turns.add(claim.job_id)

    def _runner(self, model: str) -> ModelRunner:
        if model not in self.runners:
            self.runners[model] = ModelRunner(self._load(model), self.slots.slots)
        return self.runners[model]

    def _load(self, model: str) -> LoadedModel:
        return load_checkpoint(self.catalog.folder, self.catalog.card(model), self.device)

    # Jobs move on -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """One chunk of the prime whose turn it is; a prime that has been read is seated."""
        job_id = self.turns.next()
        if job_id is None:
            return
        work = self.work[str(job_id)]
        assert work.reader is not None
        try:
            if not work.reader.finished:
                work.reader.read_chunk()
            if work.reader.finished:
                for seat in work.seats:
                    work.runner.join(seat, work.reader)
                work.reader = None
                self.turns.remove(job_id)
        except Exception:
            self._break(work)

    def _step(self) -> None:
        for runner in self.runners.values():
            try:
                over = runner.step()
            except Exception:
                for work in [work for work in self.work.values() if work.runner is runner]:
                    self._break(work)
                continue
            if over:
                for work in [work for work in self.work.values() if work.drawing_done]:
                    self._finish(work)

    # Jobs go out ------------------------------------------------------------------------------------------------------

    def _publish(self, work: Work) -> None:
        """Renew the lease by what was done, and hear whether to go on."""
        if work.drawing_done:  # an earlier attempt to store it found the server away
            self._finish(work)
            return
        done, total = work.progress
        if time.time() > work.claim.deadline_at:
            self.store.fail(work.claim, DeadlineExceeded.code, DeadlineExceeded().message)
            self._drop(work)
            return
        verdict = self.store.progress(work.claim, done, total, work.fresh_tokens())
        work.untold.clear()
        if verdict == "cancelled":
            self.store.acknowledge_cancel(work.claim)
        if verdict != "go_on":
            self._drop(work)

    def _finish(self, work: Work) -> None:
        try:
            results, artifacts = work.outcome()
        except Exception:
            self._break(work)
            return
        done, total = work.progress
        self.store.progress(work.claim, done, total, work.fresh_tokens())
        work.untold.clear()
        self.store.finish(work.claim, results, artifacts)
        self._drop(work)

    def _break(self, work: Work) -> None:
        """Called while handling what broke the job: tell the log everything, the user a sentence."""
        logger.exception("the job broke", extra={"job_id": work.claim.job_id})
        self._failures.append((work.claim, InternalError.code, InternalError().message))
        self._drop(work)

    def _tell_failures(self) -> None:
        while self._failures:
            self.store.fail(*self._failures[0])
            del self._failures[0]

    def _drop(self, work: Work) -> None:
        work.leave()
        self.turns.remove(work.claim.job_id)
        self.slots.give_back(work.claim.job_id)
        self.work.pop(work.claim.job_id, None)
        self._woken.set()  # slots are free: look at the queue at once

    def _hand_back(self) -> None:
        try:
            self._tell_failures()
            for work in list(self.work.values()):
                self.store.release(work.claim)
                self._drop(work)
        except StoreUnavailable:
            logger.warning("%d jobs could not be handed back; their leases will run out", len(self.work))
