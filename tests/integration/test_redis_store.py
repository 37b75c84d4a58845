from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from conftest import Valkey, start_valkey
from store_contract import MIDI, RESULTS, StoreContract, contract_settings, drain, line_up, names, new_job

from core.errors import QueueFull, StoreUnavailable
from worker.jobs.redis_store import PREFIX, RedisJobStore, connect
from worker.jobs.settings import Settings
from worker.jobs.store import JobStore, Outcome, Report

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Valkey]:
    """One server for the tests that leave it running; each begins with it empty."""
    yield from start_valkey()


class TestRedisJobStore(StoreContract):
    @pytest.fixture
    def wait(self) -> Callable[[float], None]:
        return time.sleep

    @pytest.fixture
    def make_store(self, shared_server: Valkey) -> Iterator[Callable[..., JobStore]]:
        with redis.Redis.from_url(shared_server.url) as client:
            client.flushall()
        clients: list[redis.Redis] = []

        def make(**changes: Any) -> JobStore:
            store = connect(contract_settings(redis_url=shared_server.url, **changes))
            clients.append(store._client)
            return store

        yield make
        for client in clients:
            client.close()


@pytest.fixture
def store(settings: Settings) -> Iterator[RedisJobStore]:
    made = connect(settings)
    yield made
    made._client.close()


def test_a_killed_server_forgets_nothing_that_was_accepted(store: RedisJobStore, valkey: Valkey) -> None:
    done = store.enqueue(new_job())[0].id
    store.finish(store.claim("worker-1", 1, "test-1")[0], RESULTS, [MIDI])
    running = store.enqueue(new_job(prime="{}"))[0].id
    (claim,) = store.claim("worker-1", 1, "test-1")
    store.progress(claim, 3, 9)
    queued = [store.enqueue(new_job(idempotency_key=str(n)))[0].id for n in range(20)]
    before = {job_id: store.get(job_id) for job_id in (done, running, *queued)}
    valkey.kill()
    for ask in (store.ping, store.stats, lambda: store.get(done), lambda: store.enqueue(new_job()), lambda: store.events(done)):
        with pytest.raises(StoreUnavailable):
            ask()
    valkey.start()
    assert {job_id: store.get(job_id) for job_id in before} == before
    assert store.artifact(done, MIDI.name) == MIDI
    assert names(store, running) == ["queued", "started", "progress"]
    assert store.progress(claim, 4, 9) == "go_on"
    assert store.finish(claim, RESULTS, [MIDI])
    assert [claim.job_id for claim in store.claim("worker-2", 99, "test-1")] == queued


def test_a_job_is_accepted_only_when_the_operating_system_has_it(store: RedisJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    held_back = [9000, 9000, 0]
    monkeypatch.setattr(store, "_ask", lambda _command: b"aof_enabled:1\r\naof_buffer_length:%d\r\n" % held_back.pop(0))
    store.enqueue(new_job())
    assert held_back == []


def test_a_hanging_server_is_given_up_and_used_again_when_it_answers(store: RedisJobStore, valkey: Valkey) -> None:
    job_id = store.enqueue(new_job())[0].id
    valkey.pause()
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.get(job_id)
    assert time.monotonic() - begun < 8  # one read timeout, not two
    valkey.resume()
    assert store.get(job_id).status == "queued"


def test_a_loading_server_is_unavailable_not_broken(store: RedisJobStore, valkey: Valkey) -> None:
    with store._client.pipeline(transaction=False) as pipeline:
        for n in range(15_000):  # it looks up from its loading every 1,024 keys
            pipeline.set(f"filler:{n}", n)
        pipeline.execute()
    valkey.kill()
    valkey.options = ("--key-load-delay", "50")  # microseconds a key
    valkey.start_without_waiting()
    seen = set()
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            store.stats()
            break
        except StoreUnavailable as error:
            seen.add(type(error.__cause__))
            time.sleep(0.01)
    assert redis.BusyLoadingError in seen
    store.ping()


def test_a_server_that_forgot_its_scripts_is_sent_them_again(store: RedisJobStore) -> None:
    job_id = store.enqueue(new_job())[0].id
    store._client.script_flush()
    assert store.get(job_id).id == job_id


def test_a_full_server_refuses_new_jobs_and_lets_running_ones_end(store: RedisJobStore) -> None:
    running, waiting = (store.enqueue(new_job())[0].id for _ in range(2))
    (claim,) = store.claim("worker-1", 1, "test-1")
    store._client.config_set("maxmemory", 1_000_000)
    with pytest.raises(QueueFull) as full:
        store.enqueue(new_job())
    assert "memory" in full.value.message
    assert store.progress(claim, 1, 2) == "go_on"
    assert store.finish(claim, RESULTS, [MIDI])
    store.cache_rendering(running, MIDI)
    assert store.get(running).status == "succeeded"
    assert store.cancel(waiting).status == "cancelled"
    assert store.reap().failed == 0
    store.heartbeat("worker-1", {})
    store._client.config_set("maxmemory", 0)
    store.enqueue(new_job())


def test_a_server_that_cannot_write_to_its_disk_is_unavailable(store: RedisJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device")

    monkeypatch.setattr(store._client, "evalsha", refuse)
    with pytest.raises(StoreUnavailable):
        store.enqueue(new_job())


class LosesAnswers(redis.Redis):
    """Carries every script out and then loses the answer, as a connection does that breaks at the wrong moment."""

    losing = False

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        answer = super().execute_command(*arguments, **options)
        if self.losing and arguments[0] in ("EVALSHA", "EVAL"):
            raise redis.TimeoutError("the answer was lost")
        return answer


def test_a_verb_whose_answer_was_lost_can_be_sent_again(valkey: Valkey, settings: Settings) -> None:
    with LosesAnswers.from_url(valkey.url) as client:
        store = RedisJobStore(client, settings)

        def twice(verb: Callable[[], Any]) -> Any:
            client.losing = True
            with pytest.raises(StoreUnavailable):
                verb()
            client.losing = False
            return verb()

        job = new_job(idempotency_key="k", fingerprint="f")
        record, _ = twice(lambda: store.enqueue(job))
        assert store.stats().queued == 1
        assert client.get(f"{PREFIX}tag:local") == b"1"  # charged once
        other = store.enqueue(new_job())[0].id
        claims = twice(lambda: store.claim("worker-1", 1, "test-1"))
        assert [claim.job_id for claim in claims] == [record.id]
        assert [claim.job_id for claim in store.claim("worker-1", 1, "test-1")] == [other]
        assert store.stats().running == 2
        assert twice(lambda: store.progress(claims[0], 1, 2)) == "go_on"
        assert twice(lambda: store.progress_all([Report(claim, 2, 3) for claim in claims])) == ["go_on"]
        assert names(store, record.id).count("progress") == 2
        assert twice(lambda: store.release(claims[0]))
        (again,) = store.claim("worker-1", 1, "test-1")
        assert store.get(record.id).attempt == 1
        assert twice(lambda: store.finish_all([Outcome(again, RESULTS, [MIDI])])) == [True]
        assert names(store, record.id).count("done") == 1


def test_a_removed_job_leaves_no_key_behind(valkey: Valkey) -> None:
    store = connect(contract_settings(redis_url=valkey.url, retention_seconds=1))
    job_id = store.enqueue(new_job(prime="{}", idempotency_key="k"))[0].id
    store.finish(store.claim("worker-1", 1, "test-1")[0], RESULTS, [MIDI])
    assert all(0 < store._client.pttl(key) <= 1000 for key in store._client.keys(f"{PREFIX}job:{job_id}*"))
    time.sleep(1.1)
    store.reap()
    left = {key.decode().removeprefix(PREFIX) for key in store._client.keys("*")}
    assert left == {"seq", "bytes", "counters", "seconds_per_job", "reaped_at", "fair", "tag:local"}
    assert 0 < store._client.pttl(f"{PREFIX}tag:local") <= 600_000  # owners who never come again do not pile up
    assert store._client.get(f"{PREFIX}bytes") == b"0"
    store._client.close()


def test_an_owners_tag_lives_as_long_as_its_last_job_may(store: RedisJobStore) -> None:
    tag = f"{PREFIX}tag:local"
    for deadline_seconds, lives in ((100, 100), (500, 500), (5, 500)):
        store.enqueue(new_job(deadline_seconds=deadline_seconds))
        assert store._client.pttl(tag) == pytest.approx(1000 * lives, abs=5000)


def test_tags_are_kept_to_the_last_bit(store: RedisJobStore) -> None:
    """Also after so much work that the tags are large, and with weights that have no exact decimal."""
    line_up(store, "z", weight=1e9)
    drain(store)
    line_up(store, "z" * 30, weight=1 / 3)
    line_up(store, "y" * 30, weight=2 / 3)
    tags = {"y": 1e9, "z": 1e9}
    expected = ""
    for _ in range(60):
        owner = "z" if (tags["z"] <= tags["y"] or expected.count("y") == 30) and expected.count("z") < 30 else "y"
        tags[owner] += 1 / 3 if owner == "z" else 2 / 3
        expected += owner
    assert drain(store) == expected


def test_jobs_that_wait_in_an_older_versions_line_are_served(store: RedisJobStore) -> None:
    """Version 0.1.0 kept bare ids in the ready set, by sequence number, and no tags."""
    ids = line_up(store, "aaaa")
    store._client.delete(f"{PREFIX}ready", f"{PREFIX}fair", f"{PREFIX}tag:a")
    for seq, job_id in enumerate(ids, start=1):
        store._client.hdel(f"{PREFIX}job:{job_id}", "start", "ready_at")
        store._client.zadd(f"{PREFIX}ready", {job_id: seq})
    assert store.cancel(ids[1]).status == "cancelled"
    store._client.hset(f"{PREFIX}job:{ids[2]}", "deadline_at", 1)
    assert store.reap().failed == 0
    claims = store.claim("worker-1", 9, "test-1", waited_seconds=60)
    assert [claim.job_id for claim in claims] == [ids[0], ids[3]]
    assert store.release(claims[0])
    line_up(store, "b")
    assert drain(store) == "ab"
    assert store.stats().queued == 0


def test_every_key_has_the_prefix(store: RedisJobStore) -> None:
    store.enqueue(new_job(idempotency_key="k"))
    store.claim("worker-1", 1, "test-1")
    store.heartbeat("worker-1", {})
    store.reap()
    assert all(key.startswith(PREFIX.encode()) for key in store._client.keys("*"))


def test_an_old_server_is_named(store: RedisJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.ping()
    monkeypatch.setattr(store._client, "info", lambda _section: {"redis_version": "6.0.16"})
    with pytest.raises(StoreUnavailable, match=r"6\.0\.16"):
        store.ping()
