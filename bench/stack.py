"""The real thing for a bench: `ritornello up` with a data folder of its own, and a client that submits and waits."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.door import local_address, readiness

START_SECONDS = 180.0
STOP_SECONDS = 30.0
REPLY_SECONDS = 300.0
OURS = ("RITORNELLO_", "REDIS_URL", "DATA_DIR", "HOST", "PORT")
LAST_EVENTS = frozenset({"done", "failed", "cancelled", "expired"})


@dataclass(frozen=True)
class Submitted:
    """One job from the first byte sent to the last byte of its file."""

    seconds: float
    tokens: int
    queued_seconds: float
    """Of which it waited for a worker …"""
    running_seconds: float
    """… and was worked on, as the job itself says."""


@contextmanager
def running_stack(checkpoints: Path) -> Iterator[str]:
    """The server, one worker and the web, by `ritornello up`; yields the address. Raises RuntimeError with what they said."""
    with tempfile.TemporaryDirectory(prefix="ritornello-bench-") as folder, (Path(folder) / "output").open("w+") as output:
        port = _free_port()
        ours = {"DATA_DIR": f"{folder}/var", "PORT": str(port), "RITORNELLO_CHECKPOINTS": str(checkpoints.resolve())}
        others = {name: value for name, value in os.environ.items() if not name.startswith(OURS) or name == "RITORNELLO_DEVICE"}
        command = [sys.executable, "-m", "cli.main", "up"]
        process = subprocess.Popen(command, env=others | ours, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            address = local_address("127.0.0.1", port)
            deadline = time.monotonic() + START_SECONDS
            while not readiness(address)[0]:
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise RuntimeError(f"Ritornello did not start:\n{output.read()}")
                time.sleep(0.1)
            yield address
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def submit_and_wait(address: str, request: dict[str, Any]) -> Submitted:
    """POST the job, follow its events to the last one, GET the file. Raises RuntimeError when the job does not succeed."""
    start = time.perf_counter()
    job = json.loads(_call(address, "POST", "/api/v1/jobs", json.dumps(request)))
    path = f"/api/v1/jobs/{job['id']}"
    _follow(address, f"{path}/events")
    file = _call(address, "GET", f"{path}/artifacts/continuation-1.mid")
    seconds = time.perf_counter() - start
    job = json.loads(_call(address, "GET", path))
    if job["status"] != "succeeded" or not file.startswith(b"MThd"):
        raise RuntimeError(f"job {job['id']} ended as {job['status']}: {job['error']}")
    timings = job["timings"]
    return Submitted(seconds, job["results"][0]["figures"]["tokens"], timings["queued_seconds"], timings["running_seconds"])


def _call(address: str, method: str, path: str, body: str | None = None) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=REPLY_SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        content = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {content.decode(errors='replace')}")
        return content
    finally:
        connection.close()


def _follow(address: str, path: str) -> None:
    """Read the event stream until the job has ended."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=REPLY_SECONDS)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        if reply.status >= 400:
            raise RuntimeError(f"GET {path}: {reply.status} {reply.read().decode(errors='replace')}")
        for line in reply:
            name, _, event = line.decode().strip().partition(": ")
            if name == "event" and event in LAST_EVENTS:
                return
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
