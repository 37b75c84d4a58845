"""The web application over a real Valkey: a job through the whole door, races, and the server away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apiflask import APIFlask
from conftest import Valkey
from web_app import NEWCOMER, TEXT, make_app, play

from worker.jobs.redis_store import RedisJobStore, connect
from worker.jobs.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def store(settings: Settings) -> RedisJobStore:
    return connect(settings)


@pytest.fixture
def app(settings: Settings, store: RedisJobStore, tmp_path: Path) -> APIFlask:
    return make_app(store, settings, tmp_path)


def test_a_job_goes_in_is_followed_and_its_files_come_out(app: APIFlask, store: RedisJobStore) -> None:
    client = app.test_client()
    job = client.post("/api/v1/jobs", json=NEWCOMER).get_json()
    play(store)
    done = client.get(f"/api/v1/jobs/{job['id']}").get_json()
    assert (done["status"], done["numerics"], done["eta_seconds"]) == ("succeeded", "int8-1", None)
    for link in done["artifacts"]:
        first, again = client.get(link["url"]), client.get(link["url"])
        assert (first.status_code, first.headers["Content-Type"]) == (200, link["media_type"])
        assert first.data == again.data
    events = client.get(f"/api/v1/jobs/{job['id']}/events").text
    names = [line.removeprefix("event: ") for line in events.splitlines() if line.startswith("event: ")]
    assert names == ["queued", "started", "progress", "artifact", "done"]
    ids = [line.removeprefix("id: ") for line in events.splitlines() if line.startswith("id: ")]
    rest = client.get(f"/api/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": ids[2]}).text
    assert rest.endswith(events[events.index(f"id: {ids[3]}") :])
    assert client.get(f"/api/v1/jobs/{job['id']}/events?last_event_id={ids[-1]}").status_code == 204


def test_fifty_posts_with_one_key_are_one_job(app: APIFlask, store: RedisJobStore) -> None:
    def post(_: int) -> str:
        answer = app.test_client().post("/api/v1/jobs", json=TEXT, headers={"Idempotency-Key": "once"})
        assert answer.status_code == 202, answer.text
        return str(answer.get_json()["id"])

    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(post, range(50)))) == 1
    assert store.stats().queued == 1


def test_with_the_server_away_everything_says_so_and_nothing_accepted_is_lost(app: APIFlask, valkey: Valkey) -> None:
    client = app.test_client()
    job = client.post("/api/v1/jobs", json=NEWCOMER).get_json()
    valkey.kill()
    for answer in (
        client.post("/api/v1/jobs", json=NEWCOMER),
        client.get(f"/api/v1/jobs/{job['id']}"),
        client.get(f"/api/v1/jobs/{job['id']}/events"),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    assert "ritornello_store_up 0.0" in client.get("/metrics").text
    assert (client.get("/jobs").status_code, client.get("/jobs").mimetype) == (503, "text/html")
    valkey.start()
    assert client.get(f"/api/v1/jobs/{job['id']}").get_json()["status"] == "queued"
