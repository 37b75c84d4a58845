"""The client of a bench: it submits jobs over kept connections and waits for their files, one job or many at once."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import numpy as np

REPLY_SECONDS = 300.0
UNHAPPY = frozenset({"failed", "cancelled", "expired"})
LAST_EVENTS = UNHAPPY | {"done"}
NOT_YET = frozenset({404, 409})
CONNECTIONS = 2  # one more than enough to keep the web busy
LOOK_SECONDS, LOOK_SHARE = 0.005, 0.02
"""Between two looks for a file passes a fiftieth of the time that was waited for it already: how exactly the end is seen
does not depend on how slow the service is, and looking costs it next to nothing."""
DOUBT_SECONDS = 5.0  # of waiting for one file, until the job itself is asked how it fares


class Refused(RuntimeError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Connection:
    """One kept HTTP connection; not to be shared between threads.

    It reads only what our servers send. http.client, which reads what anybody may send, takes several times as long for a
    short answer, on the cores that the service under measurement needs.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._place, self._netloc = (parts.hostname, parts.port), parts.netloc
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(self._place, timeout=REPLY_SECONDS)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        """The answer's body. Raises Refused from status 400 on."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._netloc}\r\n"
        if content:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        message = f"{head}\r\n".encode() + content
        status, answer = self._exchange(message)
        if status >= 400:
            raise Refused(status, f"{method} {path}: {status} {answer.decode(errors='replace')}")
        return answer

    def _exchange(self, message: bytes) -> tuple[int, bytes]:
        for again in (True, False):
            try:
                self._socket.sendall(message)
                line = self._reader.readline()
            except (ConnectionResetError, BrokenPipeError):
                line = b""
            if line or not again:
                break
            self.close()  # it was idle for so long that the server has closed it
            self._open()
        if not line:
            raise ConnectionError("the server closes the connection without an answer")
        length: int | None = None
        while (header := self._reader.readline().lower()) not in (b"\r\n", b""):
            if header.startswith(b"content-length:"):
                length = int(header[15:])
        assert length is not None, "an answer without its length"
        return int(line.split()[1]), self._reader.read(length)

    def look(self, path: str) -> bytes | None:
        """The file, or None as long as it is not there."""
        try:
            return self.call("GET", path)
        except Refused as error:
            if error.status in NOT_YET:
                return None
            raise


def follow(address: str, path: str) -> None:
    """Read the event stream until the job has ended."""
    stream = http.client.HTTPConnection(urlsplit(address).netloc, timeout=REPLY_SECONDS)
    try:
        stream.request("GET", path)
        reply = stream.getresponse()
        if reply.status >= 400:
            raise Refused(reply.status, f"GET {path}: {reply.status} {reply.read().decode(errors='replace')}")
        for line in reply:
            name, _, event = line.decode().strip().partition(": ")
            if name == "event" and event in LAST_EVENTS:
                return
    finally:
        stream.close()


@dataclass(frozen=True)
class Door:
    """Where a service takes jobs, and where a job's file will be."""

    jobs: str
    file: str


OURS = Door("/api/v1/jobs", "/artifacts/continuation-1.mid")
TEXTBOOK = Door("/jobs", "/file")


@dataclass(frozen=True)
class Submitted:
    """One job from the first byte sent to the last byte of its file."""

    seconds: float
    tokens: int
    queued_seconds: float
    """Of which it waited for a worker …"""
    running_seconds: float
    """… and was worked on, as the job itself says."""


@dataclass(frozen=True)
class Batch:
    """Jobs submitted at once, until the last of their files was there. `client_seconds`: processor time of this process."""

    jobs: int
    seconds: float
    client_seconds: float

    @property
    def jobs_per_second(self) -> float:
        return self.jobs / self.seconds

    @property
    def client_share(self) -> float:
        """Of one core."""
        return self.client_seconds / self.seconds


def submit_and_wait(address: str, request: dict[str, Any]) -> Submitted:
    """POST the job, follow its events to the last one, GET the file. Raises RuntimeError when the job does not succeed."""
    start = time.perf_counter()
    with Connection(address) as connection:
        path = _submit(connection, OURS, request)
        follow(address, f"{path}/events")
        file = connection.look(path + OURS.file)
        seconds = time.perf_counter() - start
        job = json.loads(connection.call("GET", path))
    if job["status"] != "succeeded" or file is None or not file.startswith(b"MThd"):
        raise RuntimeError(f"job {job['id']} ended as {job['status']}: {job['error']}")
    timings = job["timings"]
    return Submitted(seconds, job["results"][0]["figures"]["tokens"], timings["queued_seconds"], timings["running_seconds"])


def submit_and_look(address: str, door: Door, request: dict[str, Any]) -> float:
    """POST the job, ask for its file until it is there; the seconds that it took. For services without events."""
    start = time.perf_counter()
    with Connection(address) as connection:
        _look(connection, door, _submit(connection, door, request), start)
    return time.perf_counter() - start


def submit_all(address: str, door: Door, requests: Sequence[dict[str, Any]], connections: int = CONNECTIONS) -> Batch:
    """All at once: each connection submits its share without a pause, then fetches the files in the order of submission.

    Raises RuntimeError when a job fails.
    """

    def share(first: int) -> None:
        with Connection(address) as connection:
            paths = [_submit(connection, door, request) for request in requests[first::connections]]
            for path in paths:
                _look(connection, door, path, start)

    start, processor = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(share, range(connections)))
    return Batch(len(requests), time.perf_counter() - start, time.process_time() - processor)


def _submit(connection: Connection, door: Door, request: dict[str, Any]) -> str:
    """The job's path."""
    return f"{door.jobs}/{json.loads(connection.call('POST', door.jobs, request))['id']}"


def _look(connection: Connection, door: Door, path: str, start: float) -> None:
    """Ask for the file until it is there; `start` is when the waiting began."""
    doubt = time.perf_counter() + DOUBT_SECONDS
    while (file := connection.look(path + door.file)) is None:
        now = time.perf_counter()
        if now > doubt:
            doubt = now + DOUBT_SECONDS
            job = connection.call("GET", path)
            if json.loads(job)["status"] in UNHAPPY or now - start > REPLY_SECONDS:
                raise RuntimeError(f"the job made no file: {job.decode()}")
        time.sleep(max(LOOK_SECONDS, LOOK_SHARE * (now - start)))
    if not file.startswith(b"MThd"):
        raise RuntimeError(f"the file of {path} is no MIDI file: {file[:200]!r}")


def percentiles(seconds: Iterable[float]) -> tuple[float, float]:
    """p50 and p95."""
    p50, p95 = np.percentile(list(seconds), [50, 95])
    return float(p50), float(p95)
