"""What every job store must do, written once: the unit tests run it on memory, the integration tests on a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import IdempotencyConflict, InvalidField, NotFound, NotReady, QueueFull
from worker.jobs.settings import Settings
from worker.jobs.store import Artifact, Claim, JobStore, NewJob, Outcome, Report

LEASE = 0.4
MIDI = Artifact("continuation-1.mid", 1, "audio/midi", b"MThd\x00\xff")
RESULTS = [{"variation": 1, "seed": 7, "finish_reason": "bars", "figures": {"notes": 3, "tokens": 12}}]
UNKNOWN_ID = "0" * 32


def new_job(owner: str = "local", **fields: Any) -> NewJob:
    return NewJob(owner=owner, kind="music", request='{"naïve": true}', **fields)


def names(store: JobStore, job_id: str) -> list[str]:
    return [event.name for event in store.events(job_id)]


def line_up(store: JobStore, owners: str | list[str], **fields: Any) -> list[str]:
    """One job for each letter, its owner; their ids."""
    return [store.enqueue(new_job(owner, **fields))[0].id for owner in owners]


def drain(store: JobStore, slots: int = 99) -> str:
    """Claim what waits; the owners, in the order in which they had their turn."""
    return "".join(store.get(claim.job_id).owner for claim in store.claim("worker-1", slots, "test-1"))


class StoreContract:
    """A subclass gives the fixtures `make_store` (settings → store) and `wait` (seconds pass on the store's clock)."""

    @pytest.fixture
    def store(self, make_store: Callable[..., JobStore]) -> JobStore:
        return make_store()

    def claim_one(self, store: JobStore, worker: str = "worker-1") -> Claim:
        (claim,) = store.claim(worker, 1, "test-1")
        return claim

    def lose_lease(self, store: JobStore, wait: Callable[[float], None]) -> list[Any]:
        """Let a lease run out under a reaper that is awake."""
        reports = []
        for _ in range(3):
            reports.append(store.reap())
            wait(LEASE * 0.45)
        return [*reports, store.reap()]

    def test_a_new_job_is_queued_and_the_next(self, store: JobStore) -> None:
        record, created = store.enqueue(new_job(prime="{}", cost=3))
        assert created
        assert (record.status, record.position, record.has_prime, record.attempt) == ("queued", 0, True, 0)
        assert record == store.get(record.id)
        assert store.prime(record.id) == "{}"
        assert record.deadline_at is not None
        assert record.deadline_at - record.created_at == pytest.approx(600)

    def test_ids_are_long_and_never_alike(self, store: JobStore) -> None:
        ids = {store.enqueue(new_job())[0].id for _ in range(20)}
        assert len(ids) == 20
        assert all(len(job_id) == 32 for job_id in ids)

    def test_a_job_runs_to_its_result(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job(prime="[1]"))[0].id
        (claim,) = store.claim("worker-1", 4, "test-1")
        assert (claim.job_id, claim.request, claim.prime) == (job_id, '{"naïve": true}', "[1]")
        running = store.get(job_id)
        assert (running.status, running.position, running.attempt, running.numerics) == ("running", None, 1, "test-1")
        assert store.progress(claim, 5, 40) == "go_on"
        assert (store.get(job_id).step, store.get(job_id).total) == (5, 40)
        assert store.finish(claim, RESULTS, [MIDI])
        done = store.get(job_id)
        assert (done.status, done.results, done.terminal) == ("succeeded", RESULTS, True)
        assert [(info.name, info.variation, info.bytes) for info in done.artifacts] == [("continuation-1.mid", 1, 6)]
        assert store.artifact(job_id, MIDI.name) == MIDI
        assert done.started_at is not None
        assert done.finished_at is not None
        assert done.created_at <= done.started_at <= done.finished_at
        assert names(store, job_id) == ["queued", "started", "progress", "artifact", "done"]

    def test_unknown_and_malformed_ids_are_not_found(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        for unknown in (UNKNOWN_ID, "", "../x", f"{job_id}:events", "é", "\ud800"):
            for ask in (store.get, store.prime, store.cancel, store.events, lambda wrong: store.artifact(wrong, MIDI.name)):
                with pytest.raises(NotFound):
                    ask(unknown)
            store.cache_rendering(unknown, MIDI)

    def test_there_is_no_artifact_before_success_and_none_of_another_name(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        with pytest.raises(NotReady):
            store.artifact(job_id, MIDI.name)
        store.finish(self.claim_one(store), RESULTS, [MIDI])
        with pytest.raises(NotFound):
            store.artifact(job_id, "continuation-2.mid")

    def test_a_rendering_is_kept_but_not_listed(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        picture = Artifact("continuation-1.svg", 1, "image/svg+xml", b"<svg/>")
        store.cache_rendering(job_id, picture)  # too early: not kept
        store.finish(self.claim_one(store), RESULTS, [MIDI])
        with pytest.raises(NotFound):
            store.artifact(job_id, picture.name)
        store.cache_rendering(job_id, picture)
        assert store.artifact(job_id, picture.name) == picture
        assert [info.name for info in store.get(job_id).artifacts] == [MIDI.name]

    def test_jobs_start_in_order_while_they_fit_and_a_wide_one_is_not_overtaken(self, store: JobStore) -> None:
        ids = [store.enqueue(new_job(cost=cost))[0].id for cost in (2, 3, 4, 1)]
        assert [claim.job_id for claim in store.claim("worker-1", 6, "test-1")] == ids[:2]
        assert [store.get(job_id).position for job_id in ids] == [None, None, 0, 1]
        assert store.claim("worker-1", 1, "test-1") == []
        assert [claim.job_id for claim in store.claim("worker-2", 5, "test-1")] == ids[2:]

    def test_owners_take_turns_whoever_came_first(self, store: JobStore) -> None:
        ids = line_up(store, "aaaabb")
        assert [store.get(job_id).position for job_id in ids] == [0, 2, 4, 5, 1, 3]
        assert store.events(ids[4])[0].data == {"position": 1}
        assert drain(store) == "ababaa"

    def test_owners_who_came_alike_are_served_by_arrival(self, store: JobStore) -> None:
        owners = "nmlkjihgfedcba"
        line_up(store, owners)
        assert drain(store) == owners

    def test_a_weighty_job_counts_for_several_light_ones(self, store: JobStore) -> None:
        line_up(store, "aaa", weight=3)
        line_up(store, "bbbbb", weight=1)
        assert drain(store) == "abbbabba"

    def test_a_job_weighs_what_it_costs_unless_told(self, store: JobStore) -> None:
        line_up(store, "aa", cost=2)
        line_up(store, "bbb")
        assert drain(store) == "abbab"

    def test_one_owners_jobs_start_in_the_order_in_which_they_came(self, store: JobStore) -> None:
        ids = [store.enqueue(new_job(weight=weight))[0].id for weight in (1e9, 0.1, 0.2, 1e-9, 1e9, 0.1, 0.3, 5)]
        assert [store.get(job_id).position for job_id in ids] == list(range(8))
        first = store.claim("worker-1", 3, "test-1")
        ids += line_up(store, ["local"] * 3)
        assert [claim.job_id for claim in [*first, *store.claim("worker-1", 99, "test-1")]] == ids

    @pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf"), 1e300])
    def test_a_weight_that_would_spoil_the_tags_is_a_bug(self, weight: float) -> None:
        with pytest.raises(AssertionError):
            new_job(weight=weight)

    def test_who_comes_later_makes_up_for_nothing(self, store: JobStore) -> None:
        line_up(store, "aaaaaaaa")
        assert drain(store, slots=5) == "aaaaa"
        line_up(store, "bbb")
        assert drain(store) == "bababa"

    def test_an_empty_line_forgets_who_had_how_much(self, store: JobStore) -> None:
        line_up(store, "a", weight=1000)
        assert drain(store) == "a"
        line_up(store, "ab")
        assert drain(store) == "ab"

    def test_what_an_owner_had_is_forgotten_with_the_deadline_of_its_jobs(
        self, store: JobStore, wait: Callable[[float], None]
    ) -> None:
        line_up(store, "bb")  # somebody waits all the while
        line_up(store, "a", weight=1000, deadline_seconds=0.1)
        line_up(store, "c", weight=1000)
        wait(0.15)
        line_up(store, "ac")
        assert drain(store) == "bcabc"

    def test_who_cancels_and_asks_again_does_not_stand_back_for_it(self, store: JobStore) -> None:
        line_up(store, "bb")
        first, second, third = line_up(store, "aaa", weight=1000)
        for job_id in (third, second, first, first):
            store.cancel(job_id)
        line_up(store, "c", weight=1000)
        line_up(store, "ca")
        assert drain(store) == "bcabc"

    def test_a_job_that_comes_back_stands_before_all_who_stood_behind_it(self, store: JobStore) -> None:
        first, _second = line_up(store, "aa", weight=5)
        claim = self.claim_one(store)
        line_up(store, "bcb")
        store.release(claim)
        assert store.get(first).position == 0
        assert drain(store) == "abcba"

    def test_nobody_new_comes_to_stand_before_a_job_that_slots_are_kept_free_for(self, store: JobStore) -> None:
        line_up(store, "a", weight=5)
        line_up(store, "a", cost=4)
        assert drain(store, slots=1) == "a"
        line_up(store, "b")
        assert drain(store, slots=1) == "b"  # it was not the wide job's turn
        assert drain(store, slots=3) == ""
        line_up(store, "cd")
        assert drain(store, slots=3) == ""
        assert drain(store, slots=5) == "ac"

    def test_a_claim_can_leave_the_jobs_that_have_not_waited_long(self, store: JobStore, wait: Callable[[float], None]) -> None:
        (old,) = line_up(store, "a")
        assert store.claim("worker-1", 9, "test-1", waited_seconds=0.3) == []
        wait(0.35)
        (young,) = line_up(store, "a")
        (claim,) = store.claim("worker-1", 9, "test-1", waited_seconds=0.3)
        assert claim.job_id == old
        assert store.get(young).position == 0
        assert [claim.job_id for claim in store.claim("worker-1", 9, "test-1")] == [young]
        assert store.release(claim)
        assert store.claim("worker-1", 9, "test-1", waited_seconds=0.3) == []  # it waits anew
        wait(0.35)
        assert [claim.job_id for claim in store.claim("worker-1", 9, "test-1", waited_seconds=0.3)] == [old]

    def test_who_has_waited_long_is_not_taken_before_one_whose_turn_it_is(
        self, store: JobStore, wait: Callable[[float], None]
    ) -> None:
        line_up(store, "aaa")
        wait(0.35)
        line_up(store, "b")
        assert [claim.job_id for claim in store.claim("worker-1", 9, "test-1", waited_seconds=0.3)] == [
            record.id for record in store.list("a")[0][-1:]
        ]
        wait(0.35)
        assert len(store.claim("worker-1", 9, "test-1", waited_seconds=0.3)) == 3

    def test_reports_told_together_have_a_verdict_each(self, store: JobStore) -> None:
        ids = line_up(store, "aaaa")
        claims = store.claim("worker-1", 4, "test-1")
        store.cancel(ids[1])
        store.release(claims[2])
        token = {"variation": 1, "text": "né"}
        reports = [Report(claim, step, 9, [token] * step) for step, claim in enumerate(claims)]
        assert store.progress_all(reports) == ["go_on", "cancelled", "lost", "go_on"]
        assert store.progress_all([]) == []
        assert [store.get(job_id).step for job_id in ids] == [0, 0, 0, 3]
        assert names(store, ids[0]) == ["queued", "started", "progress"]
        assert names(store, ids[1]) == ["queued", "started"]
        assert names(store, ids[3]) == ["queued", "started", "progress", "token", "token", "token"]

    def test_outcomes_told_together_have_an_answer_each(self, store: JobStore) -> None:
        ids = line_up(store, "aaaa")
        claims = store.claim("worker-1", 4, "test-1")
        store.cancel(ids[1])
        store.release(claims[2])
        midi = [Artifact(f"continuation-{n}.mid", n, "audio/midi", bytes([n])) for n in range(4)]
        outcomes = [Outcome(claim, RESULTS, midi[:n]) for n, claim in enumerate(claims)]
        for _ in range(2):  # the second time after a lost answer, say
            assert store.finish_all(outcomes) == [True, False, False, True]
        assert store.finish_all([]) == []
        assert [store.get(job_id).status for job_id in ids] == ["succeeded", "cancelled", "queued", "succeeded"]
        assert [len(store.get(job_id).artifacts) for job_id in ids] == [0, 0, 0, 3]
        assert store.artifact(ids[3], midi[2].name) == midi[2]
        assert store.stats().counters["tokens"] == 24

    def test_a_job_begun_elsewhere_waits_for_the_same_numerics(self, store: JobStore) -> None:
        begun, other = (store.enqueue(new_job())[0].id for _ in range(2))
        assert store.release(self.claim_one(store))
        assert [claim.job_id for claim in store.claim("worker-2", 4, "other-1")] == [other]
        assert [claim.job_id for claim in store.claim("worker-3", 4, "test-1")] == [begun]

    def test_a_released_job_comes_first_again_and_is_charged_no_attempt(self, store: JobStore) -> None:
        first, _second = (store.enqueue(new_job())[0].id for _ in range(2))
        old = self.claim_one(store)
        store.progress(old, 3, 9)
        assert store.release(old)
        back = store.get(first)
        assert (back.status, back.position, back.step) == ("queued", 0, 0)
        assert first in store.reap().waiting  # its wake-up is due at once
        new = self.claim_one(store, "worker-2")
        assert (new.job_id, store.get(first).attempt) == (first, 1)
        assert new.fence > old.fence
        assert names(store, first) == ["queued", "started", "progress", "reset", "queued", "started"]

    def test_a_stale_claim_changes_nothing(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        stale = self.claim_one(store)
        store.release(stale)
        held = self.claim_one(store, "worker-2")
        before = store.get(job_id)
        assert store.progress(stale, 8, 9) == "lost"
        assert not store.finish(stale, RESULTS, [MIDI])
        assert not store.fail(stale, "internal_error", "no")
        assert not store.release(stale)
        assert not store.acknowledge_cancel(stale)
        assert store.get(job_id) == before
        assert store.finish(held, RESULTS, [MIDI])

    def test_terminal_states_never_change(self, store: JobStore) -> None:
        for end in ("succeeded", "failed", "cancelled"):
            job_id = store.enqueue(new_job())[0].id
            if end == "cancelled":
                store.cancel(job_id)
                claim = Claim(job_id, 0, "", None, 0.0)
            else:
                claim = self.claim_one(store)
                store.finish(claim, RESULTS, []) if end == "succeeded" else store.fail(claim, "internal_error", "no")
            before = store.get(job_id)
            assert before.status == end
            store.finish(claim, [], [MIDI])
            store.fail(claim, "other", "message")
            store.release(claim)
            store.acknowledge_cancel(claim)
            assert store.progress(claim, 1, 2) == ("cancelled" if end == "cancelled" else "lost")
            assert store.cancel(job_id) == before
            assert store.reap().requeued == 0
            assert store.get(job_id) == before

    def test_a_verb_sent_again_has_the_same_answer_and_no_second_effect(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        claim = self.claim_one(store)
        assert store.finish(claim, RESULTS, [MIDI])
        assert store.finish(claim, RESULTS, [MIDI])
        assert names(store, job_id).count("done") == 1
        assert store.stats().counters["tokens"] == 12
        store.enqueue(new_job())
        claim = self.claim_one(store)
        assert store.fail(claim, "internal_error", "a")
        assert store.fail(claim, "internal_error", "b")
        assert store.get(claim.job_id).error == {"code": "internal_error", "message": "a"}
        store.enqueue(new_job())
        claim = self.claim_one(store)
        store.cancel(claim.job_id)
        assert store.acknowledge_cancel(claim)
        assert store.acknowledge_cancel(claim)

    def test_a_failure_keeps_its_code_and_sentence(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        assert store.fail(self.claim_one(store), "deadline_exceeded", "Zu spät, \ud800.")
        failed = store.get(job_id)
        assert (failed.status, failed.error) == ("failed", {"code": "deadline_exceeded", "message": "Zu spät, \ud800."})
        assert store.events(job_id)[-1].data == failed.error

    def test_cancel_of_a_queued_job_is_at_once(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        assert store.cancel(job_id).status == "cancelled"
        assert store.claim("worker-1", 4, "test-1") == []
        assert names(store, job_id) == ["queued", "cancelled"]

    def test_cancel_of_a_running_job_is_heard_at_the_next_progress(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        claim = self.claim_one(store)
        assert not store.acknowledge_cancel(claim)  # nobody asked
        record = store.cancel(job_id)
        assert (record.status, record.cancel_requested) == ("running", True)
        assert store.progress(claim, 5, 40) == "cancelled"
        assert store.acknowledge_cancel(claim)
        assert store.get(job_id).status == "cancelled"

    @pytest.mark.parametrize("end", ["finish", "fail", "release"])
    def test_after_cancel_a_job_only_ends_cancelled(self, store: JobStore, end: str) -> None:
        job_id = store.enqueue(new_job())[0].id
        claim = self.claim_one(store)
        store.cancel(job_id)
        if end == "finish":
            assert not store.finish(claim, RESULTS, [MIDI])
        elif end == "fail":
            assert not store.fail(claim, "internal_error", "no")
        else:
            assert store.release(claim)
        record = store.get(job_id)
        assert (record.status, record.results, record.artifacts, record.error) == ("cancelled", [], [], None)

    def test_a_flagged_job_whose_engine_never_stops_is_cancelled_by_the_reaper(
        self, store: JobStore, wait: Callable[[float], None]
    ) -> None:
        job_id = store.enqueue(new_job())[0].id
        claim = self.claim_one(store)
        store.cancel(job_id)
        for _ in range(4):
            store.reap()
            wait(LEASE * 0.4)
            store.progress(claim, 1, 2)
        store.reap()
        assert store.get(job_id).status == "cancelled"

    def test_progress_keeps_the_lease(self, store: JobStore, wait: Callable[[float], None]) -> None:
        job_id = store.enqueue(new_job())[0].id
        claim = self.claim_one(store)
        for step in range(6):
            store.reap()
            wait(LEASE * 0.4)
            assert store.progress(claim, step, 9) == "go_on"
        assert (store.get(job_id).status, store.get(job_id).attempt) == ("running", 1)

    def test_a_lost_lease_goes_back_to_the_queue_and_the_third_is_the_end(
        self, store: JobStore, wait: Callable[[float], None]
    ) -> None:
        job_id = store.enqueue(new_job())[0].id
        for attempt in (1, 2, 3):
            claim = self.claim_one(store, f"worker-{attempt}")
            assert store.get(job_id).attempt == attempt
            reports = self.lose_lease(store, wait)
            assert store.progress(claim, 1, 2) == "lost"
            if attempt < 3:
                assert sum(report.requeued for report in reports) == 1
                assert job_id in [waiting for report in reports for waiting in report.waiting]
                assert store.get(job_id).status == "queued"
        assert sum(report.failed for report in reports) == 1
        failed = store.get(job_id)
        assert failed.status == "failed"
        assert failed.error is not None
        assert failed.error["code"] == "worker_lost"
        assert names(store, job_id)[-1] == "failed"

    def test_a_rescued_job_is_finished_by_its_new_holder_only(self, store: JobStore, wait: Callable[[float], None]) -> None:
        job_id = store.enqueue(new_job())[0].id
        dead = self.claim_one(store, "worker-1")
        self.lose_lease(store, wait)
        alive = self.claim_one(store, "worker-2")
        assert not store.finish(dead, [], [])
        assert store.finish(alive, RESULTS, [MIDI])
        assert store.get(job_id).results == RESULTS

    def test_after_a_silence_of_all_reapers_leases_are_given_anew(self, store: JobStore, wait: Callable[[float], None]) -> None:
        job_id = store.enqueue(new_job())[0].id
        claim = self.claim_one(store)
        store.reap()
        wait(LEASE * 3)  # the server was away, say
        assert store.reap().requeued == 0
        assert store.progress(claim, 1, 2) == "go_on"
        assert store.get(job_id).status == "running"

    def test_a_job_that_waits_past_its_deadline_expires(self, store: JobStore, wait: Callable[[float], None]) -> None:
        reaped, claimed = (store.enqueue(new_job(deadline_seconds=0.1))[0].id for _ in range(2))
        wait(0.15)
        assert store.claim("worker-1", 1, "test-1") == []
        assert store.get(reaped).status == store.get(claimed).status == "expired"
        last = store.enqueue(new_job(deadline_seconds=0.1))[0].id
        wait(0.15)
        assert store.reap().expired == 1
        assert names(store, last) == ["queued", "expired"]

    def test_a_running_job_far_past_its_deadline_is_failed(self, store: JobStore, wait: Callable[[float], None]) -> None:
        job_id = store.enqueue(new_job(deadline_seconds=0.1))[0].id
        claim = self.claim_one(store)
        failed = 0
        for _ in range(7):
            failed += store.reap().failed
            wait(LEASE * 0.3)
            store.progress(claim, 1, 2)
        error = store.get(job_id).error
        assert failed == 1
        assert error is not None
        assert error["code"] == "deadline_exceeded"

    def test_a_lost_wake_up_is_listed_after_five_seconds_and_again_after_five_more(
        self, store: JobStore, wait: Callable[[float], None]
    ) -> None:
        job_id = store.enqueue(new_job())[0].id
        assert store.reap().waiting == ()
        wait(5.1)
        assert store.reap().waiting == (job_id,)
        assert store.reap().waiting == ()

    def test_a_full_queue_refuses_and_names_a_time(self, make_store: Callable[..., JobStore]) -> None:
        store = make_store(queue_limit=2)
        known = new_job(idempotency_key="k", fingerprint="f")
        store.enqueue(known)
        store.enqueue(new_job())
        with pytest.raises(QueueFull) as full:
            store.enqueue(new_job())
        assert full.value.retry_after_seconds >= 1
        assert store.enqueue(known)[1] is False  # what was accepted is still answered
        store.claim("worker-1", 1, "test-1")
        store.enqueue(new_job())

    def test_the_oldest_finished_jobs_make_room(self, make_store: Callable[..., JobStore]) -> None:
        store = make_store(store_bytes=100_000)
        ids: list[str] = []
        for _ in range(6):
            ids.append(store.enqueue(new_job(idempotency_key=f"key {len(ids)}"))[0].id)
            store.finish(self.claim_one(store), RESULTS, [Artifact(MIDI.name, 1, MIDI.media_type, bytes(30_000))])
        kept = [job_id for job_id in ids if job_id in {record.id for record in store.list("local")[0]}]
        assert kept == ids[-len(kept) :]
        assert 2 <= len(kept) <= 3
        assert store.stats().artifact_bytes <= 100_000
        with pytest.raises(NotFound):
            store.get(ids[0])
        assert store.enqueue(new_job(idempotency_key="key 0"))[1] is True  # the key went with its job

    def test_jobs_that_wait_are_never_removed_for_room(self, make_store: Callable[..., JobStore]) -> None:
        store = make_store(store_bytes=100_000)
        first = store.enqueue(new_job(prime="x" * 80_000))[0].id
        with pytest.raises(QueueFull):
            store.enqueue(new_job(prime="x" * 80_000))
        assert store.get(first).status == "queued"

    def test_a_rendering_that_does_not_fit_is_not_kept(self, make_store: Callable[..., JobStore]) -> None:
        store = make_store(store_bytes=100_000)
        job_id = store.enqueue(new_job())[0].id
        store.finish(self.claim_one(store), RESULTS, [MIDI])
        store.cache_rendering(job_id, Artifact("continuation-1.svg", 1, "image/svg+xml", bytes(200_000)))
        with pytest.raises(NotFound):
            store.artifact(job_id, "continuation-1.svg")
        assert store.artifact(job_id, MIDI.name) == MIDI

    def test_record_artifacts_events_and_key_go_together(
        self, make_store: Callable[..., JobStore], wait: Callable[[float], None]
    ) -> None:
        store = make_store(retention_seconds=1)
        job_id = store.enqueue(new_job(prime="{}", idempotency_key="k", fingerprint="a"))[0].id
        assert store.get(job_id).expires_at is None
        store.finish(self.claim_one(store), RESULTS, [MIDI])
        done = store.get(job_id)
        assert done.expires_at is not None
        assert done.finished_at is not None
        assert done.expires_at - done.finished_at == pytest.approx(1)
        store.cache_rendering(job_id, Artifact("continuation-1.svg", 1, "image/svg+xml", b"<svg/>"))
        wait(1.1)
        for ask in (store.get, store.prime, store.events, lambda gone: store.artifact(gone, MIDI.name)):
            with pytest.raises(NotFound):
                ask(job_id)
        assert store.list("local") == ([], None)
        assert store.reap().removed == 1
        assert store.stats().artifact_bytes == 0
        assert store.enqueue(new_job(idempotency_key="k", fingerprint="b"))[1] is True

    def test_a_key_makes_one_job_for_each_owner(self, store: JobStore) -> None:
        job = new_job(idempotency_key="k", fingerprint="f")
        first, created = store.enqueue(job)
        again, created_again = store.enqueue(job)
        assert (created, created_again) == (True, False)
        assert again == first
        assert store.enqueue(new_job("somebody else", idempotency_key="k", fingerprint="f"))[0].id != first.id
        with pytest.raises(IdempotencyConflict):
            store.enqueue(new_job(idempotency_key="k", fingerprint="another"))
        store.finish(self.claim_one(store), RESULTS, [MIDI])
        assert store.enqueue(job)[0].status == "succeeded"

    def test_parallel_requests_with_one_key_make_one_job(self, store: JobStore) -> None:
        answers: list[tuple[str, bool]] = []
        start = threading.Barrier(50)

        def post() -> None:
            start.wait()
            record, created = store.enqueue(new_job(idempotency_key="k", fingerprint="f"))
            answers.append((record.id, created))

        threads = [threading.Thread(target=post) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 50
        assert len({job_id for job_id, _ in answers}) == 1
        assert sum(created for _, created in answers) == 1
        assert store.stats().queued == 1

    def test_a_job_is_claimed_once_however_many_workers_ask(self, store: JobStore) -> None:
        ids = {store.enqueue(new_job())[0].id for _ in range(60)}
        taken: list[str] = []

        def work(worker: str) -> None:
            while claims := store.claim(worker, 3, "test-1"):
                taken.extend(claim.job_id for claim in claims)

        threads = [threading.Thread(target=work, args=(f"worker-{n}",)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 60
        assert set(taken) == ids

    def test_history_is_the_owners_newest_first_in_pages(self, store: JobStore) -> None:
        ids = [store.enqueue(new_job("me"))[0].id for _ in range(5)]
        store.enqueue(new_job("you"))
        first, cursor = store.list("me", None, 2)
        assert [record.id for record in first] == [ids[4], ids[3]]
        newest = store.enqueue(new_job("me"))[0].id  # does not shift the pages
        second, cursor = store.list("me", cursor, 2)
        third, end = store.list("me", cursor, 2)
        assert [record.id for record in [*second, *third]] == [ids[2], ids[1], ids[0]]
        assert end is None
        assert store.list("me", None, 1)[0][0].id == newest
        assert store.list("nobody") == ([], None)
        for cursor in ("x", "-1", "1 ", "²", "9" * 40):
            with pytest.raises(InvalidField):
                store.list("me", cursor)

    def test_events_resume_after_any_of_them(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        claim = self.claim_one(store)
        store.progress(claim, 1, 3, [{"variation": 1, "text": "né"}])
        store.progress(claim, 1, 3)  # nothing new to tell
        store.finish(claim, RESULTS, [MIDI])
        events = store.events(job_id)
        assert [event.name for event in events] == ["queued", "started", "progress", "token", "artifact", "done"]
        assert events[2].data == {"step": 1, "total": 3}
        assert events[3].data == {"variation": 1, "text": "né"}
        assert events[4].data == {"name": MIDI.name, "variation": 1, "media_type": MIDI.media_type, "bytes": 6}
        for count, event in enumerate(events, start=1):
            assert store.events(job_id, event.id) == events[count:]
        for nonsense in ("", "abc", "1-2-3", "-", "9" * 30, "1\n"):
            assert [event.name for event in store.events(job_id, nonsense)] == [event.name for event in events]

    def test_an_event_that_the_store_never_told_is_answered_with_a_reset(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        assert [event.name for event in store.events(job_id, "9999999999999999-0")] == ["reset", "queued"]

    def test_a_reader_who_fell_behind_is_reset(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        first = store.events(job_id)[0].id
        claim = self.claim_one(store)
        for step in range(1200):
            store.progress(claim, step, 1200)
        events = store.events(job_id, first)
        assert events[0].name == "reset"
        assert 1000 <= len(events) <= 1150
        assert store.events(job_id)[0].name == "reset"
        assert [event.name for event in store.events(job_id, events[-2].id)] == ["progress"]

    def test_a_reader_waits_for_what_comes_and_no_longer(self, store: JobStore) -> None:
        job_id = store.enqueue(new_job())[0].id
        last = store.events(job_id)[-1].id
        begun = time.monotonic()
        assert store.events(job_id, last, block_seconds=0.2) == []
        assert 0.15 < time.monotonic() - begun < 2
        canceller = threading.Timer(0.2, store.cancel, [job_id])
        canceller.start()
        assert [event.name for event in store.events(job_id, last, block_seconds=10)] == ["cancelled"]
        canceller.join()
        assert time.monotonic() - begun < 5

    def test_stats_tell_what_there_is(self, store: JobStore) -> None:
        for _ in range(3):
            store.enqueue(new_job())
        store.finish(self.claim_one(store), RESULTS, [MIDI])
        self.claim_one(store)
        store.heartbeat("worker-1", {"device": "cpu"})
        stats = store.stats()
        assert (stats.queued, stats.running, stats.workers) == (1, 1, 1)
        assert stats.engines == {"worker-1": {"device": "cpu"}}
        assert stats.counters == {"jobs_submitted": 3, "jobs_succeeded": 1, "tokens": 12}
        assert stats.seconds_per_job is not None
        assert 0 <= stats.seconds_per_job < 5
        assert stats.artifact_bytes > 3 * 2048


def contract_settings(**changes: Any) -> Settings:
    return Settings(**{"lease_seconds": LEASE, "reap_seconds": 0.1, **changes})
