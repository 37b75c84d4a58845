"""The web server as it runs: gunicorn in its own process, over a real Valkey, with clients that come and go."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from web_app import NEWCOMER, play, toy_catalog

from worker.jobs.redis_store import connect
from worker.jobs.settings import Settings

pytestmark = pytest.mark.integration


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: object = None) -> HTTPResponse:
        """One request; the connection stays open as long as the answer is held."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.connection = connection  # type: ignore[attr-defined]
        return answer

    def open_streams(self) -> float:
        figures = self.ask("/metrics").read().decode()
        return float(next(line for line in figures.splitlines() if line.startswith("ritornello_event_streams ")).split()[1])


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    toy_catalog(tmp_path / "checkpoints")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "REDIS_URL": settings.redis_url,
        "DATA_DIR": str(tmp_path),
        "PORT": str(port),
        "RITORNELLO_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "RITORNELLO_SECRET_KEY": "only for tests",
    }
    process = subprocess.Popen([sys.executable, "-m", "web.wsgi"], env=environment)
    running = Server(port, process)
    try:
        wait_until(lambda: answers(running), 30)
        yield running
    finally:
        process.kill()
        process.wait()


def answers(server: Server) -> bool:
    try:
        return server.ask("/livez").status == 200
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it did not come about in time"
        time.sleep(0.1)


def submit(server: Server) -> str:
    answer = server.ask("/api/v1/jobs", NEWCOMER)
    assert answer.status == 202
    return str(json.loads(answer.read())["id"])


def test_events_arrive_as_they_happen(server: Server, settings: Settings) -> None:
    stream = server.ask(f"/api/v1/jobs/{submit(server)}/events")
    seen: list[str] = []
    while len(seen) < 5:
        line = stream.readline().decode().strip()
        if line.startswith("event: "):
            seen.append(line.removeprefix("event: "))
        if seen == ["queued"] and line.startswith("data: "):
            play(connect(settings))  # only now, when the first event has been read
    assert seen == ["queued", "started", "progress", "artifact", "done"]
    assert stream.readline() == b"\n" or stream.read() == b""


def test_no_thread_is_left_with_a_client_that_vanished(server: Server, settings: Settings) -> None:
    job_id = submit(server)
    streams = [server.ask(f"/api/v1/jobs/{job_id}/events") for _ in range(10)]
    for stream in streams:
        stream.readline()
    assert server.open_streams() == 10
    for stream in streams:
        stream.close()
        stream.connection.close()  # type: ignore[attr-defined]
    store = connect(settings)
    (claim,) = store.claim("toy-worker", 1, "torch-cpu-1")

    def gone() -> bool:
        store.progress(claim, int(time.monotonic() * 10), 10**9)  # writing to the client is what finds it gone
        return server.open_streams() == 0

    wait_until(gone, 15)


def test_the_server_ends_in_seconds_though_streams_are_open(server: Server) -> None:
    stream = server.ask(f"/api/v1/jobs/{submit(server)}/events")
    stream.readline()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0


def test_many_streams_leave_room_for_pages(server: Server) -> None:
    job_id = submit(server)
    streams = [server.ask(f"/api/v1/jobs/{job_id}/events") for _ in range(48)]
    assert {stream.status for stream in streams} == {200}
    refused = server.ask(f"/api/v1/jobs/{job_id}/events")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    began = time.monotonic()
    assert server.ask(f"/api/v1/jobs/{job_id}").status == 200
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(("variable", "value"), [("PORT", "x"), ("RITORNELLO_API_KEYS", "nonsense")])
def test_wrong_settings_are_one_clear_refusal(variable: str, value: str) -> None:
    done = subprocess.run([sys.executable, "-m", "web.wsgi"], env=os.environ | {variable: value}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("The web server cannot start: ")
    assert "Traceback" not in done.stderr
