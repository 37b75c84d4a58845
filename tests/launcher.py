"""`ritornello up` as a process of its own, for tests: its output, its children, its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
READY = re.compile(r"Ritornello is ready at (http://\S+)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without Ritornello's own variables, and with these."""
    ours = ("RITORNELLO_", "REDIS_URL", "DATA_DIR", "HOST", "PORT")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "PYTHONPATH": str(ROOT), **variables}


def ritornello(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, env=clean_environment(**variables), cwd=ROOT, capture_output=True, text=True, timeout=120)


def wait_for(condition: Callable[[], object], seconds: float, what: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s\n{what()}"
        time.sleep(0.05)


def living_groups() -> set[int]:
    """The process groups in which something still runs; zombies do not count."""
    table = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    return {int(group) for group, state in rows if not state.startswith("Z")}


class Launcher:
    """A running `ritornello up`. Use it as a context manager; leaving it kills what is left."""

    def __init__(self, data_dir: Path, port: int, **variables: str) -> None:
        self.lines: list[str] = []
        self.address = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "cli.main", "up"],
            env=clean_environment(DATA_DIR=str(data_dir), PORT=str(port), **variables),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines += output

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def pids(self, name: str = r"\w+") -> list[int]:
        """The processes it has started under that name, the youngest last; each leads a group of its own."""
        return [int(pid) for pid in re.findall(rf"^ *{name} \| started \(process (\d+)\)", self.output, re.MULTILINE)]

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        wait_for(lambda: READY.search(self.output) or self.process.poll() is not None, seconds, lambda: self.output)
        ready = READY.search(self.output)
        assert ready, self.output
        assert ready[1] == self.address

    def interrupt(self, number: signal.Signals = signal.SIGINT, seconds: float = 25.0) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)
