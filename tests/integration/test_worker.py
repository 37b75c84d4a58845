from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from conftest import Valkey, start_valkey
from toys import toy_decoder, write_toys
from workers import Fleet, python, wait_until

from core.catalog import Catalog
from core.errors import StoreUnavailable
from core.generate import generate
from core.music.codec import piece_from_json, piece_to_json
from worker.jobs.admission import admit
from worker.jobs.briefing import brief_of
from worker.jobs.broker import make_celery
from worker.jobs.client import JobClient
from worker.jobs.redis_store import RedisJobStore, connect
from worker.jobs.request import GenerationRequest
from worker.jobs.settings import Settings
from worker.jobs.store import NewJob

pytestmark = pytest.mark.integration

BEATS = {"format": "beats", "beats": {"kick": "x...x...x...x...", "snare": "....x.......x..."}}
NOTES = {"format": "notes", "notes": "D4:1 F4:0.5 A4:0.5 D5:1 r:0.5 A4:1"}
SHORT: dict[str, Any] = {"model": "folk", "prime": NOTES, "attributes": {"bars": 2}, "variations": 2, "sampling": {"seed": 7}}
LONG: dict[str, Any] = {"kind": "text", "prompt": "to be", "length": {"words": 5000}, "variations": 8, "sampling": {"seed": 1}}
ENDLESS: dict[str, Any] = {"kind": "text", "length": {"sentences": 500}, "variations": 8}
MIXED = [
    {"model": "folk", "attributes": {"bars": 3}, "variations": 3},
    {"model": "drums", "prime": BEATS, "attributes": {"bars": 2}, "variations": 2},
    {"kind": "text", "prompt": "be not", "length": {"words": 40}, "variations": 4},
    {"model": "folk", "prime": NOTES, "attributes": {"bars": 2, "meter": "6/8"}},
]


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    yield from start_valkey()


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return write_toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="module")
def settings(server: Valkey, catalog: Catalog) -> Settings:
    return Settings(redis_url=server.url, checkpoints=catalog.folder)


@pytest.fixture(scope="module")
def store(settings: Settings) -> Iterator[RedisJobStore]:
    made = connect(settings)
    yield made
    made._client.close()


@pytest.fixture(scope="module")
def client(store: RedisJobStore, catalog: Catalog, settings: Settings) -> Iterator[JobClient]:
    app = make_celery(settings)
    yield JobClient(store, catalog, app, settings)
    app.close()


@pytest.fixture(scope="module")
def workers(
    store: RedisJobStore, settings: Settings, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The workers of this module; a test says with `ensure` how many it needs, and may end any of them."""
    variables = {"REDIS_URL": settings.redis_url, "RITORNELLO_CHECKPOINTS": str(catalog.folder), "RITORNELLO_DEVICE": "cpu"}
    made = Fleet(tmp_path_factory.mktemp("workers"), store, **variables)
    yield made
    made.stop()


def submit(client: JobClient, request: dict[str, Any]) -> str:
    return client.submit(GenerationRequest.model_validate(request), "local")[0].id


def ended(workers: Fleet, job_id: str, seconds: float) -> list[bytes]:
    """The files of the job, once it has succeeded within so many seconds."""
    store = workers.store
    wait_until(lambda: store.get(job_id).terminal, seconds, lambda: f"{store.get(job_id)}\n{workers.logs()}")
    record = store.get(job_id)
    assert (record.status, record.error) == ("succeeded", None), workers.logs()
    return [store.artifact(job_id, info.name).data for info in record.artifacts]


def alone(catalog: Catalog, request: dict[str, Any]) -> list[bytes]:
    """What the same request gives when it is made alone, by the slow, readable way."""
    admitted = admit(GenerationRequest.model_validate(request), catalog)
    return _made_alone(admitted.request.model_dump_json(), None if admitted.prime is None else piece_to_json(admitted.prime))


@cache
def _made_alone(request: str, prime: str | None) -> list[bytes]:
    asked = GenerationRequest.model_validate_json(request)
    brief = brief_of(asked, piece_from_json(prime) if prime else None)
    return [result.rendered.data for result in generate(toy_decoder(str(asked.model)), brief)]


def test_a_job_goes_through(client: JobClient, catalog: Catalog, workers: Fleet) -> None:
    workers.ensure(1)
    job_id = submit(client, SHORT)
    assert ended(workers, job_id, 20) == alone(catalog, SHORT)
    record = client.get(job_id, "local")
    assert record.attempt == 1
    assert (record.step, record.total) == (4, 4)
    assert [event.name for event in workers.store.events(job_id)][-1] == "done"


def test_a_job_whose_wake_up_was_lost_is_picked_up(store: RedisJobStore, catalog: Catalog, workers: Fleet) -> None:
    workers.ensure(1)
    admitted = admit(GenerationRequest.model_validate(SHORT), catalog)
    assert admitted.prime is not None
    job = NewJob("local", "music", admitted.request.model_dump_json(), piece_to_json(admitted.prime), cost=2)
    job_id = store.enqueue(job)[0].id  # and nobody is told
    assert ended(workers, job_id, 20) == alone(catalog, SHORT)


def test_a_running_job_is_cancelled_within_a_second(client: JobClient, workers: Fleet) -> None:
    workers.ensure(1)
    job_id = submit(client, ENDLESS)
    workers.running(job_id)
    client.cancel(job_id, "local")
    assert wait_until(lambda: workers.store.get(job_id).terminal, 10, workers.logs) < 1
    assert workers.store.get(job_id).status == "cancelled"


def test_many_jobs_on_two_workers_are_the_bytes_of_each_alone(client: JobClient, catalog: Catalog, workers: Fleet) -> None:
    workers.ensure(2)
    requests = [{**request, "sampling": {"seed": seed}} for seed in (1, 2, 1) for request in MIXED]
    ids = [submit(client, request) for request in requests]
    for job_id, request in zip(ids, requests, strict=True):
        assert ended(workers, job_id, 60) == alone(catalog, request)
    assert all(workers.store.get(job_id).attempt == 1 for job_id in ids)


def test_a_worker_killed_in_mid_job_loses_nothing(client: JobClient, catalog: Catalog, workers: Fleet) -> None:
    expected = alone(catalog, LONG)
    workers.ensure(2)
    job_id = submit(client, LONG)
    workers.running(job_id)
    workers.of(job_id).end(signal.SIGKILL)
    killed = time.monotonic()
    assert workers.store.get(job_id).status == "running"
    assert ended(workers, job_id, 20) == expected
    assert time.monotonic() - killed < 20
    assert workers.store.get(job_id).attempt == 2


def test_a_worker_told_to_stop_hands_its_jobs_to_another(client: JobClient, catalog: Catalog, workers: Fleet) -> None:
    expected = alone(catalog, LONG)
    workers.ensure(2)
    job_id = submit(client, LONG)
    workers.running(job_id)
    leaving = workers.of(job_id)
    assert leaving.end(signal.SIGTERM) == 0
    assert ended(workers, job_id, 30) == expected
    assert workers.store.get(job_id).attempt == 1
    assert "reset" in [event.name for event in workers.store.events(job_id)]
    assert workers.of(job_id) is not leaving


def test_a_server_that_is_killed_and_comes_back_has_lost_no_accepted_job(
    client: JobClient, catalog: Catalog, workers: Fleet, server: Valkey
) -> None:
    expected = {name: alone(catalog, request) for name, request in (("long", LONG), ("short", SHORT))}
    workers.ensure(1)
    ids = {"long": submit(client, LONG), "short": submit(client, SHORT)}
    done = submit(client, SHORT)
    ended(workers, done, 30)
    workers.running(ids["long"])
    server.kill()
    with pytest.raises(StoreUnavailable):
        client.get(done, "local")
    server.start()
    for name, job_id in ids.items():
        assert ended(workers, job_id, 45) == expected[name]
    assert ended(workers, done, 5) == expected["short"]
    assert all(worker.alive for worker in workers.ensure(1))
    again = submit(client, SHORT)  # and the workers go on as before
    assert ended(workers, again, 30) == expected["short"]


def test_a_worker_whose_engine_dies_of_the_unforeseen_ends(server: Valkey) -> None:
    code = "from worker.main import or_end_the_process as run; run(lambda: 1 / 0)(); print('still here')"
    died = python(code, REDIS_URL=server.url)
    assert died.returncode == 1
    assert "ZeroDivisionError" in died.stderr
    assert died.stdout == ""
