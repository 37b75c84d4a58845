from __future__ import annotations

import queue
import time
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker
from conftest import Valkey

from worker.jobs.broker import WAKE_TASK, broker_url, make_celery, send_wake
from worker.jobs.settings import Settings

pytestmark = pytest.mark.integration

QUEUE_KEY = "ritornello:celery:ritornello"


@pytest.fixture
def app(settings: Settings) -> Iterator[Celery]:
    made = make_celery(settings)
    yield made
    made.close()


def waiting(valkey: Valkey) -> int:
    with redis.Redis.from_url(valkey.url) as client:
        return int(client.llen(QUEUE_KEY))


@pytest.mark.parametrize(
    ("ours", "celerys"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://user:secret@example.org:6380/2", "rediss://user:secret@example.org:6380/2"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock"),
        ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
        ("unix:///run/valkey.sock?db=3&password=x", "redis+socket:///run/valkey.sock?virtual_host=3&password=x"),
    ],
)
def test_celery_is_given_the_same_server(ours: str, celerys: str) -> None:
    assert broker_url(ours) == celerys


def test_wake_ups_wait_on_the_server_under_our_prefix(app: Celery, valkey: Valkey) -> None:
    assert send_wake(app, "a" * 32)
    assert send_wake(app, "b" * 32)
    assert waiting(valkey) == 2
    with redis.Redis.from_url(valkey.url) as client:
        assert all(key.startswith(b"ritornello:celery:") for key in client.keys("*"))


def test_a_database_other_than_the_first_is_used(valkey: Valkey) -> None:
    app = make_celery(Settings(redis_url=f"{valkey.url}?db=3"))
    assert send_wake(app, "a" * 32)
    app.close()
    with redis.Redis(unix_socket_path=str(valkey.socket), db=3) as client:
        assert client.llen(QUEUE_KEY) == 1


def test_a_server_that_is_away_costs_a_request_little_and_is_used_again_when_back(app: Celery, valkey: Valkey) -> None:
    assert send_wake(app, "a" * 32)
    valkey.kill()
    begun = time.monotonic()
    assert not send_wake(app, "b" * 32)
    assert time.monotonic() - begun < 2
    valkey.start()
    assert send_wake(app, "c" * 32)
    valkey.pause()
    begun = time.monotonic()
    assert not send_wake(app, "d" * 32)
    assert time.monotonic() - begun < 8
    valkey.resume()
    assert send_wake(app, "e" * 32)


def test_a_full_server_is_no_error(app: Celery, valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", 1_000_000)
        assert not send_wake(app, "a" * 32)
        client.config_set("maxmemory", 0)
    assert send_wake(app, "b" * 32)


def test_a_worker_in_a_threads_pool_hears_wake_ups_before_and_after_an_outage(app: Celery, valkey: Valkey) -> None:
    heard: queue.Queue[str] = queue.Queue()
    app.task(name=WAKE_TASK, shared=False)(heard.put)
    with start_worker(app, pool="threads", concurrency=2, perform_ping_check=False, shutdown_timeout=10):
        send_wake(app, "a" * 32)
        send_wake(app, "b" * 32)
        assert {heard.get(timeout=10), heard.get(timeout=10)} == {"a" * 32, "b" * 32}
        valkey.kill()
        time.sleep(1)
        valkey.start()
        send_wake(app, "c" * 32)
        assert heard.get(timeout=20) == "c" * 32
