"""Probes and figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from web_app import NEWCOMER, make_app, play

from core.errors import StoreUnavailable
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import StoreStats


class AwayStore(MemoryJobStore):
    """A store whose server does not answer."""

    def ping(self) -> None:
        raise StoreUnavailable

    def stats(self) -> StoreStats:
        raise StoreUnavailable


def client_on(store: MemoryJobStore, folder: Path) -> FlaskClient:
    return make_app(store, Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests"), folder).test_client()


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(Settings())


def figures(client: FlaskClient) -> dict[str, float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_alive_without_a_store_but_not_ready(tmp_path: Path) -> None:
    client = client_on(AwayStore(Settings()), tmp_path)
    assert client.get("/livez").get_json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {"ready": False, "reasons": [StoreUnavailable().message], "workers": None, "models": 3}


def test_ready_when_a_worker_lives(store: MemoryJobStore, tmp_path: Path) -> None:
    client = client_on(store, tmp_path)
    assert client.get("/readyz").status_code == 503
    store.heartbeat("toy-worker", {})
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"ready": True, "reasons": [], "workers": 1, "models": 3})


def test_metrics_tell_of_jobs_and_requests(store: MemoryJobStore, tmp_path: Path) -> None:
    client = client_on(store, tmp_path)
    client.post("/api/v1/jobs", json=NEWCOMER)
    client.post("/api/v1/jobs", json=NEWCOMER)
    play(store)
    client.get("/nowhere")
    told = figures(client)
    assert (told["ritornello_store_up"], told["ritornello_jobs_queued"], told["ritornello_event_streams"]) == (1, 1, 0)
    assert told["ritornello_jobs_submitted_total"] == 2
    assert told["ritornello_jobs_succeeded_total"] == 1
    assert told["ritornello_http_requests_total api.submit_job POST 202"] == 2
    assert told["ritornello_http_requests_total none GET 404"] == 1
    assert told["ritornello_http_request_seconds_count api.submit_job"] == 2


def test_metrics_answer_when_the_store_does_not(tmp_path: Path) -> None:
    told = figures(client_on(AwayStore(Settings()), tmp_path))
    assert told["ritornello_store_up"] == 0


def test_each_app_counts_for_itself(store: MemoryJobStore, tmp_path: Path) -> None:
    first, second = client_on(store, tmp_path / "a"), client_on(store, tmp_path / "b")
    first.get("/livez")
    assert "ritornello_http_requests_total ops.livez GET 200" in figures(first)
    assert "ritornello_http_requests_total ops.livez GET 200" not in figures(second)
