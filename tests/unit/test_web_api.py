"""The HTTP API over a store in memory, the worker's part played by hand."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from web_app import NEWCOMER, TEXT, make_app, play
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.music.midi import read_midi, write_midi
from core.music.notes import read_notes
from web.job_view import Forecast
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import NewJob


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(Settings(queue_limit=3))


@pytest.fixture
def client(store: MemoryJobStore, tmp_path: Path) -> FlaskClient:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests")
    return make_app(store, settings, tmp_path).test_client()


def submit(client: FlaskClient, body: dict[str, Any] = NEWCOMER, **headers: str) -> dict[str, Any]:
    answer = client.post("/api/v1/jobs", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    return job


def test_the_newcomers_request_is_accepted_and_filled_in(client: FlaskClient) -> None:
    job = submit(client)
    assert (job["status"], job["position"], job["owner"]) == ("queued", 0, "you")
    asked = job["request"]
    assert (asked["model"], asked["task"], asked["attributes"]["bars"], asked["sampling"]["seed"]) == ("folk", "continue", 8, 7)
    assert datetime.fromisoformat(job["created_at"]).utcoffset() is not None
    assert job["results"] == []
    assert job["timings"] == {"queued_seconds": None, "running_seconds": None}


def test_a_drawn_seed_is_told(client: FlaskClient) -> None:
    assert submit(client, {"kind": "text"})["request"]["sampling"]["seed"] >= 0


def test_the_prime_is_a_link_to_the_very_notes(client: FlaskClient) -> None:
    prime = submit(client)["request"]["prime"]
    answer = client.get(prime["url"])
    assert hashlib.sha256(answer.data).hexdigest() == prime["sha256"]
    notes = [(note.start, note.duration, note.pitch) for note in read_midi(answer.data).tracks[0].notes]
    assert notes == [(n.start, n.duration, n.pitch) for n in read_notes("D4:1 F4:0.5 A4:0.5 D5:1 A4:1").tracks[0].notes]


def test_a_midi_file_may_be_sent_beside_the_request(client: FlaskClient) -> None:
    midi = write_midi(read_notes("D4:1 F4:1"))
    parts = {"request": '{"attributes": {"bars": 2}}', "prime": (io.BytesIO(midi), "tune.mid")}
    answer = client.post("/api/v1/jobs", data=parts)
    assert answer.status_code == 202, answer.text
    assert client.get(answer.get_json()["request"]["prime"]["url"]).status_code == 200


def test_a_finished_job_has_results_and_files(client: FlaskClient, store: MemoryJobStore) -> None:
    submit(client, NEWCOMER | {"variations": 2})
    job = client.get(f"/api/v1/jobs/{play(store, variations=2)}").get_json()
    assert (job["status"], job["position"], job["eta_seconds"]) == ("succeeded", None, None)
    assert job["progress"] == {"step": 1, "total": 2}
    assert [result["variation"] for result in job["results"]] == [1, 2]
    assert job["numerics"] == "int8-1"
    assert job["timings"]["running_seconds"] >= 0
    offered = {link["name"]: link for link in job["artifacts"]}
    kinds = ("mid", "musicxml", "abc", "svg")
    assert set(offered) == {"prime.mid"} | {f"continuation-{number}.{kind}" for number in (1, 2) for kind in kinds}
    assert offered["continuation-1.mid"]["bytes"] > 0
    assert offered["continuation-1.svg"]["bytes"] is None
    for link in offered.values():
        answer = client.get(link["url"])
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, link["media_type"])


def test_files_are_for_keeping_and_pictures_for_looking(client: FlaskClient, store: MemoryJobStore) -> None:
    submit(client)
    base = f"/api/v1/jobs/{play(store)}/artifacts/continuation-1"
    midi, picture = client.get(f"{base}.mid"), client.get(f"{base}.svg")
    assert midi.headers["Content-Disposition"] == 'attachment; filename="continuation-1.mid"'
    assert picture.headers["Content-Disposition"].startswith("inline")
    assert "script-src" not in picture.headers["Content-Security-Policy"]
    assert picture.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_an_unchanged_file_is_not_sent_again(client: FlaskClient, store: MemoryJobStore) -> None:
    submit(client)
    url = f"/api/v1/jobs/{play(store)}/artifacts/continuation-1.mid"
    etag = client.get(url).headers["ETag"]
    again = client.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


def test_a_text_is_a_text(client: FlaskClient, store: MemoryJobStore) -> None:
    submit(client, TEXT)
    job = client.get(f"/api/v1/jobs/{play(store, text='Olá, ação!')}").get_json()
    (link,) = job["artifacts"]
    answer = client.get(link["url"])
    assert (answer.text, answer.headers["Content-Type"]) == ("Olá, ação!", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("continuation-1.mid", 409),
        ("continuation-1.svg", 409),
        ("continuation-9.mid", 409),
        ("nothing.exe", 404),
        ("prime.mid", 200),
    ],
)
def test_before_the_end_only_the_prime_is_there(client: FlaskClient, name: str, status: int) -> None:
    answer = client.get(f"/api/v1/jobs/{submit(client)['id']}/artifacts/{name}")
    assert answer.status_code == status


@pytest.mark.parametrize(
    "name", ["continuation-2.mid", "continuation-2.svg", "continuation-1.txt", "continuation-1.wav", "%2e%2e"]
)
def test_a_file_that_the_job_has_not_is_not_found(client: FlaskClient, store: MemoryJobStore, name: str) -> None:
    submit(client)
    assert client.get(f"/api/v1/jobs/{play(store)}/artifacts/{name}").status_code == 404


@pytest.mark.parametrize("path", ["", "/events", "/artifacts/continuation-1.mid"])
def test_an_unknown_job_is_not_found(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/api/v1/jobs/nobody{path}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_the_same_key_and_request_are_one_job(client: FlaskClient) -> None:
    keyed = {"Idempotency-Key": "abc"}
    assert submit(client, **keyed)["id"] == submit(client, **keyed)["id"]
    assert len(client.get("/api/v1/jobs").get_json()["jobs"]) == 1


def test_the_same_key_for_another_request_is_a_conflict(client: FlaskClient) -> None:
    submit(client, **{"Idempotency-Key": "abc"})
    answer = client.post("/api/v1/jobs", json=TEXT, headers={"Idempotency-Key": "abc"})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_conflict")


@pytest.mark.parametrize("key", ["", "x" * 201, "with space", "ação"])
def test_an_idempotency_key_is_short_and_plain(client: FlaskClient, key: str) -> None:
    answer = client.post("/api/v1/jobs", json=NEWCOMER, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.get_json()["field"]) == (422, "Idempotency-Key")


def test_a_full_queue_says_when_to_come_back(client: FlaskClient) -> None:
    for _ in range(3):
        submit(client)
    answer = client.post("/api/v1/jobs", json=NEWCOMER)
    assert (answer.status_code, answer.get_json()["code"]) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "bach"}, "model"),
        ({"kind": "sentiment"}, "kind"),
        ({"prime": {"format": "notes", "notes": "H9:1"}}, "prime"),
        ({"prime": {"format": "midi", "midi": "AAAA"}}, "prime"),
        ({"prime": {"format": "wav"}}, "prime"),
        ({"attributes": {"key": "H major"}}, "attributes.key"),
        ({"attributes": {"bars": 0}}, "attributes.bars"),
        ({"sampling": {"temperature": 3}}, "sampling.temperature"),
        ({"kind": "text", "prompt": "a\0b"}, "prompt"),
        ({"kind": "text", "prompt": "a\ud800b"}, "prompt"),
        ({"kind": "text", "prompt": "x" * 200_001}, "prompt"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_field(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/v1/jobs", json=body)
    problem = answer.get_json()
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert problem["field"] == field
    assert problem["detail"]
    assert client.get("/api/v1/jobs").get_json()["jobs"] == []


def test_a_large_prime_is_a_wrong_field_and_a_larger_body_is_too_large(client: FlaskClient) -> None:
    boundary, body = encode_multipart({"request": "{}", "prime": FileStorage(io.BytesIO(b"\0" * 1_200_000), "tune.mid")})
    answer = client.post("/api/v1/jobs", data=body, content_type=f"multipart/form-data; boundary={boundary}")
    assert (answer.status_code, answer.get_json()["field"]) == (422, "prime")
    answer = client.post("/api/v1/jobs", data=b" " * 2_600_000, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_the_longest_prompt_fits_in_any_script(client: FlaskClient) -> None:
    assert submit(client, {"kind": "text", "prompt": "🎻" * 200_000})["status"] == "queued"


def test_cancelling_a_queued_job_ends_it_and_again_changes_nothing(client: FlaskClient) -> None:
    url = f"/api/v1/jobs/{submit(client)['id']}/cancel"
    assert [client.post(url).get_json()["status"] for _ in range(2)] == ["cancelled", "cancelled"]


def test_cancelling_a_running_job_is_noted(client: FlaskClient, store: MemoryJobStore) -> None:
    job_id = submit(client)["id"]
    store.claim("toy-worker", 1, "int8-1")
    job = client.post(f"/api/v1/jobs/{job_id}/cancel").get_json()
    assert (job["status"], job["cancel_requested"]) == ("running", True)


def test_an_empty_cursor_is_the_first_page(client: FlaskClient) -> None:
    assert client.get("/api/v1/jobs?cursor=").get_json() == client.get("/api/v1/jobs").get_json()


def test_the_list_goes_on_by_cursor_newest_first(client: FlaskClient) -> None:
    ids = [submit(client)["id"] for _ in range(3)]
    first = client.get("/api/v1/jobs?limit=2").get_json()
    second = client.get(f"/api/v1/jobs?limit=2&cursor={first['next_cursor']}").get_json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor")])
def test_a_wrong_page_is_refused_by_its_parameter(client: FlaskClient, query: str, field: str) -> None:
    answer = client.get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, answer.get_json()["field"]) == (422, field)


def test_the_wait_is_estimated_once_something_is_known(client: FlaskClient, store: MemoryJobStore) -> None:
    assert submit(client)["eta_seconds"] is None
    play(store)
    store.heartbeat("toy-worker", {})
    first, second = submit(client), submit(client)
    assert 0 <= first["eta_seconds"] <= second["eta_seconds"]


def test_the_figures_behind_an_estimate_are_asked_for_once_in_a_while(
    store: MemoryJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, asked, stats = store.enqueue(NewJob("local", "music", "{}"))[0], [], store.stats
    monkeypatch.setattr(store, "stats", lambda: (asked.append(1), stats())[1])
    forecast = Forecast(store, max_age_seconds=60)
    assert [forecast.eta_seconds(job) for _ in range(3)] == [None] * 3
    assert len(asked) == 1
    assert Forecast(store).eta_seconds(replace(job, status="succeeded")) is None
    assert len(asked) == 1  # nobody waits for a job that has ended


def test_answers_are_never_taken_from_a_cache(client: FlaskClient) -> None:
    assert client.get("/api/v1/jobs").headers["Cache-Control"] == "private, no-cache"


def test_a_failed_job_says_why(client: FlaskClient, store: MemoryJobStore) -> None:
    job_id = submit(client)["id"]
    (claim,) = store.claim("toy-worker", 1, "int8-1")
    store.fail(claim, "internal_error", "It broke.")
    job = client.get(f"/api/v1/jobs/{job_id}").get_json()
    assert (job["status"], job["error"]) == ("failed", {"code": "internal_error", "message": "It broke."})


def test_models_are_the_cards(client: FlaskClient) -> None:
    models = client.get("/api/v1/models").get_json()["models"]
    assert [model["name"] for model in models] == ["drums", "folk", "shakespeare"]
    assert models[1]["attributes"]["style"] == ["jig", "reel"]
