from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.catalog import Catalog
from core.errors import IdempotencyConflict, NotFound, NotReady, QueueFull, UnplayablePrime
from core.music.codec import piece_from_json
from worker.jobs import client as client_module
from worker.jobs.broker import make_celery
from worker.jobs.client import JobClient
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.request import GenerationRequest
from worker.jobs.settings import Settings

PRIMED = {"prime": {"format": "notes", "notes": "C4:1 D4:1"}, "variations": 3}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "folk").mkdir()
    card = {
        "format": 1, "name": "folk", "title": {}, "summary": {}, "kind": "music", "tasks": ["continue", "compose"],
        "architecture": {}, "tokenizer": {}, "parameters": 1, "sha256": "", "packed_sha256": "",
        "default_sampling": {}, "data": [],
        "licence": "MIT", "figures": [], "limits": {}, "trained": {},
        "playable": {"percussion": False, "pitches": list(range(48, 85)), "voices": 1, "ticks_per_quarter": 24},
    }  # fmt: skip
    (tmp_path / "folk" / "card.json").write_text(json.dumps(card))
    return Catalog(tmp_path)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids for which a wake-up was sent."""
    sent: list[str] = []
    monkeypatch.setattr(client_module, "send_wake", lambda _app, job_id: sent.append(job_id))
    return sent


@pytest.fixture
def client(catalog: Catalog, woken: list[str]) -> JobClient:
    settings = Settings(queue_limit=3, deadline_seconds=60, redis_url="redis://127.0.0.1:1/0")
    return JobClient(MemoryJobStore(settings), catalog, make_celery(settings), settings)


def request(**fields: Any) -> GenerationRequest:
    return GenerationRequest.model_validate(fields)


def test_a_request_becomes_a_job_that_says_all(client: JobClient, woken: list[str]) -> None:
    record, created, _prime = client.submit(request(**PRIMED), "local")
    assert created
    assert woken == [record.id]
    stored = GenerationRequest.model_validate_json(record.request)
    assert (stored.model, stored.task, stored.prime) == ("folk", "continue", None)
    assert stored.sampling.seed is not None
    prime = client.store.prime(record.id)
    assert prime is not None
    assert piece_from_json(prime).note_count == 2
    assert record.deadline_at == pytest.approx(record.created_at + 60)
    assert client.store.claim("worker-1", 2, "test-1") == []  # three variations need three slots
    assert len(client.store.claim("worker-1", 3, "test-1")) == 1


def test_the_same_request_under_one_key_is_one_job_although_no_seed_was_given(client: JobClient, woken: list[str]) -> None:
    first, created, _prime = client.submit(request(**PRIMED), "local", "key")
    again, created_again, _prime = client.submit(request(**PRIMED), "local", "key")
    assert (created, created_again) == (True, False)
    assert first.request == again.request
    assert woken == [first.id]
    with pytest.raises(IdempotencyConflict):
        client.submit(request(**PRIMED | {"variations": 2}), "local", "key")


def test_what_is_refused_leaves_nothing_behind(client: JobClient, woken: list[str]) -> None:
    with pytest.raises(UnplayablePrime):
        client.submit(request(prime={"format": "notes", "notes": "C8:1"}), "local")
    assert client.store.stats().queued == 0
    for _ in range(3):
        client.submit(request(), "local")
    with pytest.raises(QueueFull):
        client.submit(request(), "local")
    assert len(woken) == 1  # the first in the line


def test_only_a_job_in_front_sends_a_wake_up(client: JobClient, woken: list[str]) -> None:
    first, second = (client.submit(request(), "local").record for _ in range(2))
    assert (first.position, second.position) == (0, 1)
    assert woken == [first.id]
    assert len(client.store.claim("worker-1", 8, "test-1")) == 2  # the first one's wake-up brings both to an engine
    third = client.submit(request(), "local").record
    assert woken == [first.id, third.id]


def test_an_owner_who_asked_for_much_waits_for_one_who_asked_for_little(client: JobClient) -> None:
    client.submit(request(attributes={"bars": 64}, variations=8), "much")
    again = client.submit(request(attributes={"bars": 8}), "much").record
    little = client.submit(request(attributes={"bars": 8}), "little").record
    assert client.store.get(little.id).position == 1
    assert client.store.get(again.id).position == 2


def test_another_owners_job_is_not_found(client: JobClient) -> None:
    record = client.submit(request(), "me").record
    assert client.get(record.id, "me").id == record.id
    for verb in (client.get, client.cancel):
        with pytest.raises(NotFound):
            verb(record.id, "you")
    assert client.store.get(record.id).status == "queued"
    anew = JobClient(client.store, client.catalog, make_celery(Settings()), Settings())  # another web process
    for each in (client, anew):
        with pytest.raises(NotFound):
            each.result(record.id, "you", "continuation-1.mid")
        with pytest.raises(NotReady):
            each.result(record.id, "me", "continuation-1.mid")
    assert client.list("you") == ([], None)
    assert [found.id for found in client.list("me")[0]] == [record.id]
    assert client.cancel(record.id, "me").status == "cancelled"


def test_a_job_is_accepted_even_when_its_wake_up_cannot_be_sent(catalog: Catalog) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0")
    client = JobClient(MemoryJobStore(settings), catalog, make_celery(settings), settings)
    record, created, _prime = client.submit(request(), "local")
    assert created
    assert client.get(record.id, "local").status == "queued"
