"""The web server as it runs: gunicorn in its own process, over a real Valkey, with clients that come and go."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from web_app import NEWCOMER, make_app, play, toy_catalog
from werkzeug.serving import make_server

from worker.jobs.memory_store import MemoryJobStore
from worker.jobs.redis_store import connect
from worker.jobs.settings import Settings
from worker.jobs.store import NewJob

pytestmark = pytest.mark.integration


class Server:
    """`python -m web.wsgi` on a free port."""

    def __init__(self, settings: Settings, checkpoints: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        environment = os.environ | {
            "REDIS_URL": settings.redis_url,
            "PORT": str(port),
            "RITORNELLO_CHECKPOINTS": str(checkpoints),
            "RITORNELLO_SECRET_KEY": "only for tests",
        }
        self.process = subprocess.Popen([sys.executable, "-m", "web.wsgi"], env=environment)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=20)

    def submit(self) -> str:
        answer = httpx.post(f"{self.url}/api/v1/jobs", json=NEWCOMER, timeout=20)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def follow(self, job_id: str, held: ExitStack) -> Iterator[str]:
        """The lines of an event stream that is open until `held` closes."""
        answer = held.enter_context(httpx.stream("GET", f"{self.url}/api/v1/jobs/{job_id}/events", timeout=20))
        assert answer.status_code == 200
        lines = answer.iter_lines()
        held.callback(lines.close)  # held, for a reader that is thrown away closes its connection
        return lines

    def answers(self) -> bool:
        try:
            return self.get("/livez").status_code == 200
        except httpx.TransportError:
            return False

    def open_streams(self) -> float:
        figures = self.get("/metrics").text.splitlines()
        return float(next(line for line in figures if line.startswith("ritornello_event_streams ")).split()[1])


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    toy_catalog(tmp_path / "checkpoints")
    server = Server(settings, tmp_path / "checkpoints")
    try:
        wait_until(server.answers, 60)
        yield server
    finally:
        server.process.terminate()
        server.process.wait(20)


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it did not come about in time"
        time.sleep(0.1)


def test_events_arrive_as_they_happen(server: Server, settings: Settings) -> None:
    with ExitStack() as held:
        seen: list[str] = []
        for line in server.follow(server.submit(), held):
            if line.startswith("event: "):
                seen.append(line.removeprefix("event: "))
            if seen == ["queued"] and line.startswith("data: "):
                play(connect(settings))  # only now that the first event has been read
        assert seen == ["queued", "started", "progress", "artifact", "done"]


def test_no_thread_is_left_with_clients_that_vanished(server: Server, settings: Settings) -> None:
    job_id = server.submit()
    with ExitStack() as held:
        for _ in range(10):
            next(server.follow(job_id, held))
        assert server.open_streams() == 10
    store = connect(settings)
    (claim,) = store.claim("toy-worker", 1, "int8-1")

    def gone() -> bool:
        store.progress(claim, time.monotonic_ns(), 2**62)  # writing to a client is what finds it gone
        return server.open_streams() == 0

    wait_until(gone, 20)


def test_a_quiet_stream_finds_its_client_gone_by_its_heartbeat(tmp_path: Path) -> None:
    settings = Settings(secret_key="only for tests")
    store = MemoryJobStore(settings)
    app = make_app(store, settings, tmp_path)
    app.config["EVENTS_HEARTBEAT_SECONDS"] = 0.1
    job, _ = store.enqueue(NewJob("local", "text", '{"kind": "text"}'))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    streams = app.extensions["streams"]
    with httpx.stream("GET", f"http://127.0.0.1:{server.port}/api/v1/jobs/{job.id}/events", timeout=20) as answer:
        lines = answer.iter_lines()  # held: a reader that is thrown away closes its connection
        next(lines)
        assert streams.count == 1
    wait_until(lambda: streams.count == 0, 20)
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_server_ends_in_seconds_though_streams_are_open(server: Server) -> None:
    with ExitStack() as held:
        next(server.follow(server.submit(), held))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0


def test_many_streams_leave_room_for_pages(server: Server) -> None:
    job_id = server.submit()
    with ExitStack() as held:
        for _ in range(48):
            server.follow(job_id, held)
        refused = server.get(f"/api/v1/jobs/{job_id}/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert server.get(f"/api/v1/jobs/{job_id}").json()["status"] == "queued"


@pytest.mark.parametrize(("variable", "value"), [("PORT", "x"), ("RITORNELLO_API_KEYS", "nonsense")])
def test_wrong_settings_are_one_clear_refusal(variable: str, value: str) -> None:
    done = subprocess.run([sys.executable, "-m", "web.wsgi"], env=os.environ | {variable: value}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("The web server cannot start: ")
    assert "Traceback" not in done.stderr
