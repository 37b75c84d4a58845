"""Real workers as processes of their own, for the tests: start, watch, stop, kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from launcher import ROOT, clean_environment

from worker.jobs.redis_store import PREFIX, RedisJobStore
from worker.jobs.store import JobRecord


def wait_until(condition: Callable[[], bool], seconds: float, what: Callable[[], object] = str) -> float:
    """Look until it holds; the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what()}"
        time.sleep(0.02)
    return time.monotonic() - begun


class Worker:
    """One `python -m worker.main`; what it says goes to `log`."""

    def __init__(self, log: Path, **variables: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker.main"], cwd=ROOT, env=clean_environment(**variables),
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.name = f"{socket.gethostname()}-{self.process.pid}"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self, how: signal.Signals) -> int:
        """Send the signal and wait for the end; the exit code."""
        if self.alive:
            self.process.send_signal(how)
        return self.process.wait(30)


class Fleet:
    """Workers on one server with one folder of checkpoints."""

    def __init__(self, folder: Path, store: RedisJobStore, **variables: str) -> None:
        self.folder, self.store, self.variables = folder, store, variables
        self.workers: list[Worker] = []

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    def ensure(self, count: int) -> list[Worker]:
        """Start as many as are missing, together; return when all have said that they are there."""
        while len(self.alive) < count:
            self.workers.append(Worker(self.folder / f"worker-{len(self.workers)}.log", **self.variables))
        wanted = {worker.name for worker in self.alive}
        wait_until(lambda: wanted <= set(self.store.stats().engines), 60, self.logs)
        return self.alive

    def of(self, job_id: str) -> Worker:
        """The worker that runs the job."""
        name = self.store._client.hget(f"{PREFIX}job:{job_id}", "worker")
        return next(worker for worker in self.workers if name == worker.name.encode())

    def running(self, job_id: str) -> JobRecord:
        """Wait until the job is under way."""
        wait_until(lambda: self.store.get(job_id).step > 0, 30, self.logs)
        return self.store.get(job_id)

    def logs(self) -> str:
        return "\n".join(f"--- {worker.name}\n{worker.log.read_text()[-3000:]}" for worker in self.workers)

    def stop(self) -> None:
        for worker in self.alive:
            worker.process.send_signal(signal.SIGKILL)
        for worker in self.workers:
            worker.process.wait(10)


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines in a process of their own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=clean_environment(**variables) | {"PYTHONPATH": os.fspath(ROOT)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
