"""Starts processes in order, passes on what they print, starts again what dies, and stops all of them in reverse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from cli import guard
from cli.exits import Failed

MAX_DEATHS = 5
DEATH_WINDOW_SECONDS = 60.0
TICK_SECONDS = 0.1

Say = Callable[[str, str], None]
"""Prints a line of the process of that name."""


@dataclass(frozen=True)
class Service:
    """What to run. `stop_seconds` is how long it may take between SIGTERM and SIGKILL."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    stop_seconds: float = 5.0
    descriptors: tuple[int, ...] = ()
    """File descriptors that it inherits."""


class Guard:
    """The process of cli/guard.py; a context manager. On a clean exit it has nothing left to do, and goes."""

    def __init__(self, lock: int) -> None:
        command = [sys.executable, "-I", str(Path(guard.__file__).resolve())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, pass_fds=(lock,), start_new_session=True)

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()

    def add(self, pid: int, patience_seconds: float) -> None:
        self._tell(f"+ {pid} {patience_seconds}")

    def remove(self, pid: int) -> None:
        self._tell(f"- {pid}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # somebody killed the guard: we go on without it
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


class _Child:
    """One service's process, its recent lines, and its recent deaths."""

    def __init__(self, service: Service, watchman: Guard, say: Say) -> None:
        self.service = service
        self.last_lines: deque[str] = deque(maxlen=12)
        self._guard = watchman
        self._say = say
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self._due: float | None = None  # when to start it again
        self._start()

    def _start(self) -> None:
        self._due = None
        self.process = subprocess.Popen(
            self.service.command,
            env={**os.environ, **self.service.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self.service.descriptors,
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which stops the others in order
        )
        self._guard.add(self.process.pid, self.service.stop_seconds)
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._pass_on, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        self._say(self.service.name, f"started (process {self.process.pid})")

    def _pass_on(self, output: IO[bytes]) -> None:
        with output:
            for raw in output:
                if line := raw.decode(errors="replace").rstrip():
                    self.last_lines.append(line)
                    self._say(self.service.name, line)

    def tend(self, now: float) -> None:
        """Start it again when it has died: at once, then after longer and longer pauses. Raises Failed after MAX_DEATHS."""
        if self._due is not None:
            if now >= self._due:
                self._start()
            return
        if self.process.poll() is None:
            return
        self._bury()
        self._deaths.append(now)
        recent = [death for death in self._deaths if now - death < DEATH_WINDOW_SECONDS]
        how = _how_it_ended(self.process.returncode)
        if len(recent) == MAX_DEATHS:
            last = "\n  ".join(["", *self.last_lines])
            raise Failed(f"The {self.service.name} {how}, the {MAX_DEATHS}th time within a minute. Its last words:{last}")
        pause = 0.0 if len(recent) == 1 else 0.5 * 2 ** (len(recent) - 2)
        self._due = now + pause
        self._say(self.service.name, f"{how}; it starts again" + (f" in {pause:g} s" if pause else ""))

    def stop(self, hurry: Callable[[], bool]) -> None:
        """SIGTERM, then SIGKILL once its patience, or ours, has ended. Returns when the process is gone."""
        if self._due is not None:
            return
        deadline = time.monotonic() + self.service.stop_seconds
        guard.signal_group(self.process.pid, signal.SIGTERM)
        while self.process.poll() is None and time.monotonic() < deadline and not hurry():
            time.sleep(TICK_SECONDS / 2)
        self._bury()

    def _bury(self) -> None:
        """End what is left of its process group, and hear its last words."""
        guard.signal_group(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._guard.remove(self.process.pid)
        self._reader.join(timeout=1.0)


class Supervisor:
    """The services of one launcher, in the order in which they were started."""

    def __init__(self, watchman: Guard, say: Say) -> None:
        self._guard = watchman
        self._say = say
        self._children: list[_Child] = []

    def start(self, service: Service) -> None:
        self._children.append(_Child(service, self._guard, self._say))

    def tend(self) -> None:
        """Look after every service once. Raises Failed when one keeps dying."""
        now = time.monotonic()
        for child in self._children:
            child.tend(now)

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Stop all, the youngest first. `hurry()` turns true when nobody wants to wait any longer."""
        while self._children:
            self._children.pop().stop(hurry)


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
