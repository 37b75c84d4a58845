"""The benches' client keeps its connections, fetches every file, and says what went wrong; its server here is a toy."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import client
from bench.client import TEXTBOOK, Batch, Connection, Refused, submit_all, submit_and_look


class Toy(BaseHTTPRequestHandler):
    """A job is done after it was looked for twice; one that is asked to fail fails."""

    protocol_version = "HTTP/1.1"
    looks: dict[str, int]
    connections: list[int]

    def setup(self) -> None:
        super().setup()
        self.connections.append(id(self))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.looks[asked["name"]] = 0
        self._answer(202, json.dumps({"id": asked["name"]}).encode())

    def do_GET(self) -> None:
        _, _, name, *file = self.path.split("/")
        if name == "hang-up":
            self.close_connection = True
        elif not file:
            self._answer(200, json.dumps({"status": "failed" if "bad" in name else "running"}).encode())
        elif "broken" in name:
            self._answer(500, b"the task broke")
        else:
            self.looks[name] += 1
            done = self.looks[name] > 2 and "bad" not in name
            self._answer(200 if done else 404, b"MThd" if "text" not in name else b"text")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Toy.looks, Toy.connections = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Toy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_all_files_of_a_batch_are_fetched_over_few_connections(address: str) -> None:
    batch = submit_all(address, TEXTBOOK, [{"name": str(number)} for number in range(9)], connections=2)
    assert batch.jobs == 9
    assert Toy.looks == {str(number): 3 for number in range(9)}
    assert len(Toy.connections) == 2
    assert batch.client_seconds > 0
    assert 0 < batch.seconds < 5


def test_a_batch_in_figures() -> None:
    assert Batch(20, 4.0, 0.2).jobs_per_second == 5.0
    assert Batch(20, 4.0, 0.2).client_share == 0.05


def test_one_job_is_waited_for(address: str) -> None:
    assert 2 * client.LOOK_SECONDS < submit_and_look(address, TEXTBOOK, {"name": "one"}) < 5


@pytest.mark.parametrize(("name", "said"), [("broken", "the task broke"), ("text", "no MIDI file"), ("bad", "made no file")])
def test_a_job_that_fails_stops_the_bench(address: str, name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "DOUBT_SECONDS", 0.05)
    with pytest.raises(RuntimeError, match=said):
        submit_all(address, TEXTBOOK, [{"name": "good"}, {"name": name}])


def test_a_connection_that_was_idle_too_long_is_opened_again(address: str) -> None:
    with Connection(address) as connection:
        connection.call("POST", "/jobs", {"name": "one"})
        client_end = connection._socket
        connection._socket.sendall(b"GET /jobs/hang-up HTTP/1.1\r\n\r\n")
        time.sleep(0.05)
        assert connection.look("/jobs/one/file") is None
        assert connection._socket is not client_end


def test_a_server_that_never_answers_is_an_error(address: str) -> None:
    with Connection(address) as connection, pytest.raises(ConnectionError):
        connection.call("GET", "/jobs/hang-up")


def test_a_refusal_has_its_status(address: str) -> None:
    with Connection(address) as connection, pytest.raises(Refused, match="500 the task broke") as refused:
        connection.call("GET", "/jobs/broken/file")
    assert refused.value.status == 500
