from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_place import REQUESTS, Place, check
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import write_toys

from core.catalog import PACKED, Catalog
from core.decoders import Decoders, native_decoders, torch_decoders
from core.errors import StoreUnavailable
from core.music.composer import MusicPlan
from core.native.decoder import NativeDecoder
from worker.engine import engine as engine_module
from worker.engine import pace as pace_module
from worker.engine.scheduler import QUANTUM_TOKENS, Roster
from worker.jobs.artifacts import artifact_name
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import NewJob


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return write_toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture(autouse=True)
def _publish_every_turn_of_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "MOST_STEPS", 1)
    monkeypatch.setattr(engine_module, "PUBLISH_SECONDS", 0.0)
    monkeypatch.setattr(engine_module, "IDLE_SECONDS", 0.01)


@pytest.fixture
def place(catalog: Catalog) -> Place:
    return Place(catalog)


ARRIVALS = st.lists(
    st.tuples(st.sampled_from(range(len(REQUESTS))), st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=6
)


@given(ARRIVALS, st.integers(1, 40), st.integers(1, 30))
@settings(deadline=None, max_examples=20)
def test_the_engine_makes_what_generate_makes_in_any_order_any_company_and_any_steps_parked_or_not(
    catalog: Catalog, arrivals: list[tuple[int, int, int]], steps: int, quantum: int
) -> None:
    check_arrivals(catalog, native_decoders(), arrivals, steps, quantum)


@given(ARRIVALS, st.integers(1, 40), st.integers(1, 30))
@settings(deadline=None, max_examples=3)
def test_so_does_the_engine_without_a_kernel(
    catalog: Catalog, arrivals: list[tuple[int, int, int]], steps: int, quantum: int
) -> None:
    check_arrivals(catalog, torch_decoders("cpu"), arrivals, steps, quantum)


def check_arrivals(
    catalog: Catalog, decoders: Decoders, arrivals: list[tuple[int, int, int]], steps: int, quantum: int
) -> None:
    """What arrives (number of the request, seed, turns before it) comes out as `generate` makes it; on torch too, to the byte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "PUBLISH_SECONDS", 0.0)
        patch.setattr(engine_module, "IDLE_SECONDS", 0.001)
        patch.setattr(engine_module, "YIELD_AFTER_SECONDS", 1e-9)
        patch.setattr(pace_module.Pace, "steps", lambda _pace, _streams: steps)
        place = Place(catalog, decoders=decoders)
        place.engine.roster = Roster(place.slots, quantum, patience_seconds=0.0)
        ids = []
        for number, seed, turns_before in arrivals:
            ids.append(place.submit(REQUESTS[number], seed))
            place.turn(turns_before)
        place.run(*ids)
    for job_id, (number, seed, _) in zip(ids, arrivals, strict=True):
        check(place, job_id, REQUESTS[number], seed)
    assert place.idle()


def test_several_models_run_at_once_and_no_more_slots_are_taken_than_there_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []
    models = set()
    advance = NativeDecoder.advance

    def counted(decoder: NativeDecoder, streams: Any, steps: int) -> Any:
        widths.append(place.slots - place.engine.roster.free)
        models.add(decoder.card.name)
        return advance(decoder, streams, steps)

    monkeypatch.setattr(NativeDecoder, "advance", counted)
    ids = [place.submit(request) for request in REQUESTS * 2]
    place.run(*ids)
    assert 5 < max(widths) <= 8
    assert len(models) == 3
    for job_id, request in zip(ids, REQUESTS * 2, strict=True):
        check(place, job_id, request)


def test_a_short_job_does_not_wait_for_the_end_of_a_long_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "YIELD_AFTER_SECONDS", 1e-9)
    long = {"kind": "text", "prompt": "to be", "length": {"words": 600}, "variations": 8}
    long_id = place.submit(long)
    place.turn(20)
    short_id = place.submit(REQUESTS[5])
    turns = 0
    while not place.store.get(short_id).terminal:
        place.turn()
        turns += 1
    assert turns < 3 * QUANTUM_TOKENS  # a quantum of the long one, and its own few words
    assert place.store.get(long_id).status == "running"
    check(place, short_id, REQUESTS[5])
    place.run(long_id)
    check(place, long_id, long)
    assert place.idle()


def test_a_short_job_behind_many_long_ones_is_served_soon_and_all_are_finished(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More long jobs of one owner than are in step at once, all of them wide; the short one came last."""
    monkeypatch.setattr(engine_module, "YIELD_AFTER_SECONDS", 1e-9)
    place.engine.roster = Roster(place.slots, quantum_tokens=8, patience_seconds=0.0)
    long = {"kind": "text", "prompt": "to be", "length": {"words": 60}, "variations": 8}
    ids = [place.submit(long, seed) for seed in range(12)]
    short_id = place.submit(REQUESTS[5])
    place.run(short_id)
    assert [place.store.get(job_id).status for job_id in ids] == ["running"] * 12
    check(place, short_id, REQUESTS[5])
    place.run(*ids)
    for seed, job_id in enumerate(ids):
        check(place, job_id, long, seed)
    assert place.idle()


def test_a_job_that_is_cancelled_while_it_runs_stops_and_frees_its_slots(place: Place) -> None:
    long = place.submit({"model": "folk", "attributes": {"bars": 64}, "variations": 8})
    place.turn(20)
    assert place.store.get(long).status == "running"
    waiting = place.submit(REQUESTS[4])
    place.store.cancel(long)
    place.turn(2)
    assert place.store.get(long).status == "cancelled"
    place.run(waiting)
    check(place, waiting, REQUESTS[4])
    assert place.idle()


def test_progress_and_the_new_text_are_told_while_it_runs(place: Place) -> None:
    job_id = place.submit(REQUESTS[5])
    place.run(job_id)
    events = place.store.events(job_id)
    names = [event.name for event in events]
    assert names[:2] == ["queued", "started"]
    assert names[-2:] == ["artifact", "done"]
    steps = [event.data["step"] for event in events if event.name == "progress"]
    assert steps == sorted(set(steps))
    assert steps[-1] == 12
    told = "".join(event.data["text"] for event in events if event.name == "token")
    written = place.files(job_id)[0].decode()
    assert told.startswith(written)
    assert len(told) <= len(written) + 1  # the character that showed that the last word was over


def test_a_job_past_its_deadline_fails_and_says_so(catalog: Catalog) -> None:
    place = Place(catalog, clock=lambda: time.time() - 1000)  # the store's clock is late: what it allows is over here
    job_id = place.submit(REQUESTS[0], deadline_seconds=900.0)
    (record,) = place.run(job_id)
    assert record.status == "failed"
    assert record.error is not None
    assert record.error["code"] == "deadline_exceeded"
    assert place.idle()


def test_stop_hands_running_jobs_back_without_charging_an_attempt(place: Place) -> None:
    ids = [place.submit(REQUESTS[0]), place.submit(REQUESTS[4])]
    place.turn(5)
    place.engine.stop()
    place.engine.run()
    assert [place.store.get(job_id).status for job_id in ids] == ["queued", "queued"]
    assert place.idle()
    place.engine = place.new_engine()
    place.run(*ids)
    for job_id, request in zip(ids, (REQUESTS[0], REQUESTS[4]), strict=True):
        assert place.store.get(job_id).attempt == 1
        check(place, job_id, request)


class SometimesAway(MemoryJobStore):
    """A store whose server is away for the verbs named."""

    away: frozenset[str] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        if name in object.__getattribute__(self, "away"):
            raise StoreUnavailable
        return super().__getattribute__(name)


@pytest.fixture
def away_place(catalog: Catalog) -> Place:
    place = Place(catalog)
    place.store = SometimesAway(Settings(lease_seconds=5.0))
    place.engine = place.new_engine()
    return place


def bear(place: Place, turns: int) -> None:
    """Turn as `run` does, though the store may be away."""
    for _ in range(turns):
        try:
            place.engine.turn()
        except StoreUnavailable:
            continue


def test_a_result_made_while_the_store_is_away_is_stored_when_it_is_back(away_place: Place) -> None:
    place = away_place
    assert isinstance(place.store, SometimesAway)
    job_id = place.submit(REQUESTS[5])
    place.turn(5)
    place.store.away = frozenset({"finish", "progress", "heartbeat", "claim"})
    bear(place, 600)
    assert place.store.get(job_id).status == "running"
    place.store.away = frozenset()
    place.run(job_id)
    check(place, job_id, REQUESTS[5])
    told = "".join(event.data["text"] for event in place.store.events(job_id) if event.name == "token")
    assert told.startswith(place.files(job_id)[0].decode())  # nothing of it was lost on the way
    assert place.idle()


def test_a_failure_found_while_the_store_is_away_is_told_when_it_is_back(
    away_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = away_place
    assert isinstance(place.store, SometimesAway)
    job_id = place.submit(REQUESTS[0])
    monkeypatch.setattr(NativeDecoder, "advance", lambda *_: 1 / 0)
    place.store.away = frozenset({"fail"})
    bear(place, 20)
    assert place.store.get(job_id).status == "running"
    place.store.away = frozenset()
    (record,) = place.run(job_id)
    assert record.error is not None
    assert record.error["code"] == "internal_error"
    assert place.idle()


def test_a_lease_that_ran_out_is_taken_up_again_with_the_same_result(catalog: Catalog) -> None:
    now = [1000.0]
    place = Place(catalog, clock=lambda: now[0])
    place.store.reap()
    job_id = place.submit(REQUESTS[0], deadline_seconds=1e10)
    place.turn(5)
    for _ in range(4):  # the engine is held up; somebody reaps all the while
        now[0] += 2.0
        place.store.reap()
    assert place.store.get(job_id).status == "queued"
    place.run(job_id)
    assert place.store.get(job_id).attempt == 2
    check(place, job_id, REQUESTS[0])
    assert place.idle()


def test_a_job_that_another_engine_has_taken_over_is_dropped(catalog: Catalog) -> None:
    now = [1000.0]
    place = Place(catalog, clock=lambda: now[0])
    place.store.reap()
    job_id = place.submit(REQUESTS[0], deadline_seconds=1e10)
    place.turn(5)
    for _ in range(4):
        now[0] += 2.0
        place.store.reap()
    other = place.new_engine()
    other.turn()
    place.turn()
    assert place.idle()
    place.engine = other
    place.run(job_id)
    check(place, job_id, REQUESTS[0])


@pytest.fixture
def broken(tmp_path: Path) -> Catalog:
    catalog = write_toys(tmp_path)
    (tmp_path / "folk" / PACKED).write_bytes(b"not what the card says")
    return catalog


def test_a_broken_model_fails_its_jobs_with_a_code_and_leaves_the_others_alone(broken: Catalog) -> None:
    place = Place(broken)
    ids = [place.submit(request) for request in (REQUESTS[0], REQUESTS[2])]
    failed, done = place.run(*ids)
    assert failed.error is not None
    assert failed.error["code"] == "bad_checkpoint"
    assert "folk" in failed.error["message"]
    assert done.status == "succeeded"
    assert place.idle()


def test_a_request_of_another_version_fails_and_does_not_stop_the_engine(place: Place) -> None:
    bad = place.store.enqueue(NewJob("local", "music", '{"version": 99}'))[0].id
    good = place.submit(REQUESTS[5])
    failed, done = place.run(bad, good)
    assert failed.error is not None
    assert failed.error["code"] == "internal_error"
    assert done.status == "succeeded"


def test_a_job_that_breaks_fails_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MusicPlan, "take", lambda *_: 1 / 0)
    failed, done = place.run(place.submit(REQUESTS[0]), place.submit(REQUESTS[4]))
    assert failed.error is not None
    assert failed.error["code"] == "internal_error"
    assert done.status == "succeeded"
    assert place.idle()


def test_a_plan_that_nothing_can_go_on_breaks_its_job_and_does_not_hang(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MusicPlan, "take", lambda *_: None)  # it never ends, and the grammar does
    (failed,) = place.run(place.submit(REQUESTS[0]))
    assert failed.error is not None
    assert failed.error["code"] == "internal_error"


def test_a_long_prime_is_read_beside_others(place: Place) -> None:
    long = place.submit({"model": "folk", "prime": {"format": "notes", "notes": "D4:0.5 " * 900}, "attributes": {"bars": 1}})
    short = place.submit(REQUESTS[5])
    place.turn(4)
    assert place.engine.work[long].reader is not None
    assert place.engine.work[short].seats[0].drawn
    place.run(long, short)
    check(place, short, REQUESTS[5])


def test_the_names_of_the_files_are_those_of_the_api(place: Place) -> None:
    music, text = place.run(place.submit(REQUESTS[0]), place.submit(REQUESTS[4]))
    assert [info.name for info in music.artifacts] == [artifact_name(n, "mid") for n in (1, 2)]
    assert [(info.name, info.media_type) for info in text.artifacts] == [
        (artifact_name(n, "txt"), "text/plain; charset=utf-8") for n in (1, 2)
    ]
    assert music.numerics == "int8-1"


@pytest.fixture
def running(place: Place) -> Iterator[Place]:
    """The engine on its own thread, as a worker has it."""
    thread = threading.Thread(target=place.engine.run)
    thread.start()
    yield place
    place.engine.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_an_engine_on_its_own_thread_wakes_for_a_job(running: Place) -> None:
    job_id = running.submit(REQUESTS[5])
    running.engine.wake()
    assert any(event.name == "done" for event in _events_until_done(running, job_id))
    assert running.store.stats().workers == 1


def _events_until_done(place: Place, job_id: str) -> list[Any]:
    seen: list[Any] = []
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up and not any(event.name == "done" for event in seen):
        seen += place.store.events(job_id, seen[-1].id if seen else "0", block_seconds=1.0)
    return seen
