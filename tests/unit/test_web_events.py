"""Event streams: what they tell, where they go on, and that they end and free their place."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Response
from flask.testing import FlaskClient
from web_app import NEWCOMER, make_app, play
from werkzeug.exceptions import ServiceUnavailable

from core.errors import AppError, InvalidField, NotFound, StoreUnavailable
from web.events import OpenStreams, last_event_id, stream
from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.settings import Settings
from worker.jobs.store import Event, NewJob


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(Settings())


@pytest.fixture
def job_id(store: MemoryJobStore) -> str:
    return store.enqueue(NewJob("local", "text", '{"kind": "text"}'))[0].id


@pytest.fixture
def streams() -> OpenStreams:
    return OpenStreams(2)


@pytest.fixture
def follow(store: MemoryJobStore, job_id: str, streams: OpenStreams) -> Callable[..., Response]:
    def follow(after: str = "0", max_age_seconds: float = 5.0, heartbeat_seconds: float = 5.0) -> Response:
        return stream(store, job_id, after, streams, max_age_seconds, heartbeat_seconds)

    return follow


def told(response: Response) -> list[tuple[str, str]]:
    """(id, event) of everything in a stream that ends."""
    blocks = "".join(lines(response)).split("\n\n")
    parsed = [dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")) for block in blocks if block]
    return [(block["id"], block["event"]) for block in parsed if "event" in block]


def lines(response: Response) -> Iterator[str]:
    for chunk in response.response:
        yield chunk if isinstance(chunk, str) else chunk.decode()


def test_a_stream_tells_everything_from_the_beginning_and_ends_with_the_job(
    follow: Callable[..., Response], store: MemoryJobStore
) -> None:
    response = follow()
    worker = threading.Timer(0.05, lambda: play(store, text="to be or not"))
    worker.start()
    assert [event for _, event in told(response)] == ["queued", "started", "progress", "artifact", "done"]
    worker.join()


def test_a_stream_goes_on_after_the_last_event(follow: Callable[..., Response], store: MemoryJobStore) -> None:
    play(store, text="to be or not")
    everything = told(follow())
    assert told(follow(after=everything[2][0])) == everything[3:]


def test_nothing_after_the_end_tells_the_browser_to_stop(
    follow: Callable[..., Response], store: MemoryJobStore, streams: OpenStreams
) -> None:
    play(store, text="to be or not")
    last = told(follow())[-1][0]
    streams.count = 0
    assert follow(after=last).status_code == 204
    assert streams.count == 0


def test_data_is_one_line_of_json(follow: Callable[..., Response], store: MemoryJobStore, job_id: str) -> None:
    (claim,) = store.claim("toy", 1, "int8-1")
    store.progress(claim, 1, 9, [{"variation": 1, "text": "two\n\nlines: “é”"}])
    store.cancel(job_id)
    store.acknowledge_cancel(claim)
    block = next(part for part in "".join(lines(follow())).split("\n\n") if "event: token" in part)
    data = block.partition("data: ")[2]
    assert json.loads(data) == {"variation": 1, "text": "two\n\nlines: “é”"}


def test_a_quiet_stream_beats_and_ends_at_its_age(follow: Callable[..., Response]) -> None:
    began = time.monotonic()
    text = "".join(lines(follow(max_age_seconds=0.35, heartbeat_seconds=0.1)))
    assert time.monotonic() - began < 2
    assert text.startswith("retry: ")
    assert text.count(": heartbeat\n\n") >= 2


@pytest.mark.parametrize("error", [NotFound, StoreUnavailable])
def test_a_stream_whose_job_or_store_goes_away_ends(
    follow: Callable[..., Response], store: MemoryJobStore, error: type[AppError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> list[Event]:
        raise error

    chunks = lines(follow())
    assert "event: queued" in next(chunks) + next(chunks)
    monkeypatch.setattr(store, "events", gone)
    assert list(chunks) == []


def test_too_many_streams_are_refused_until_one_is_closed(follow: Callable[..., Response], streams: OpenStreams) -> None:
    first, _second = follow(), follow()
    with pytest.raises(ServiceUnavailable):
        follow()
    first.close()
    first.close()  # a place is given back once
    assert streams.count == 1
    follow()


def test_a_failed_start_takes_no_place(store: MemoryJobStore, streams: OpenStreams) -> None:
    with pytest.raises(NotFound):
        stream(store, "nobody", "0", streams, 1.0, 1.0)
    assert streams.count == 0


@pytest.mark.parametrize("given", ["x", "1-", "-1", "1-2-3", "99999999999999999999", "1-99999999999999999999", "١"])
def test_what_is_no_event_id_is_refused(given: str) -> None:
    with pytest.raises(InvalidField):
        last_event_id(given, None)
    with pytest.raises(InvalidField):
        last_event_id(None, given)


def test_the_header_wins_over_the_query() -> None:
    assert [last_event_id("5-1", "3"), last_event_id(None, "3"), last_event_id("", "")] == ["5-1", "3", "0"]


def test_the_api_streams_without_buffering_or_caching(store: MemoryJobStore, tmp_path: Path) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests", sse_limit=1)
    client: FlaskClient = make_app(store, settings, tmp_path).test_client()
    job = client.post("/api/v1/jobs", json=NEWCOMER).get_json()
    client.post(f"/api/v1/jobs/{job['id']}/cancel")
    url = f"/api/v1/jobs/{job['id']}/events"
    for _ in range(2):  # the first gave its place back
        with client.get(url) as answer:
            assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
            assert (answer.headers["X-Accel-Buffering"], answer.headers["Cache-Control"]) == ("no", "no-store")
            assert "event: cancelled" in answer.text


def test_the_api_refuses_a_stream_too_many_with_retry_after(store: MemoryJobStore, tmp_path: Path) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", secret_key="only for tests", sse_limit=0)
    client = make_app(store, settings, tmp_path).test_client()
    job = client.post("/api/v1/jobs", json=NEWCOMER).get_json()
    answer = client.get(f"/api/v1/jobs/{job['id']}/events")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
