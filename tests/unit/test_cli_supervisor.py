"""Processes that die come back, ones that keep dying are given up, and no process outlives its launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import data_dir
from cli.exits import Failed
from cli.supervisor import MAX_DEATHS, Guard, Service, Supervisor

SLEEPER = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(60)"]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('awake', flush=True); time.sleep(60)"


class Lines(list[tuple[str, str]]):
    """What the supervisor said."""

    def __call__(self, name: str, line: str) -> None:
        self.append((name, line))

    def pids(self, name: str) -> list[int]:
        return [int(line.rsplit(" ", 1)[1].rstrip(")")) for who, line in self if who == name and line.startswith("started")]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def supervisor(tmp_path: Path, lines: Lines) -> Iterator[Supervisor]:
    with data_dir.hold(tmp_path) as lock, Guard(lock) as watchman:
        supervisor = Supervisor(watchman, lines)
        yield supervisor
        supervisor.stop(hurry=lambda: True)


def wait_for(condition: Callable[[], object], seconds: float = 10.0, tend: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        tend()
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped by nobody in particular does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


def test_output_is_passed_on_under_the_name_of_its_process(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Service("sleeper", SLEEPER))
    wait_for(lambda: ("sleeper", "awake") in lines)


def test_a_killed_process_starts_again(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Service("sleeper", SLEEPER))
    os.kill(lines.pids("sleeper")[0], signal.SIGKILL)
    wait_for(lambda: len(lines.pids("sleeper")) == 2, tend=supervisor.tend)
    assert ("sleeper", "was killed by signal 9; it starts again") in lines


def test_one_that_keeps_dying_is_given_up_with_its_last_words(
    supervisor: Supervisor, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start(Service("wreck", [sys.executable, "-S", "-c", "print('no such model'); raise SystemExit(3)"]))
    now = time.monotonic()
    monkeypatch.setattr("cli.supervisor.DEATH_WINDOW_SECONDS", 1e9)

    def tend() -> None:  # an hour between two looks, so that no pause is waited for
        nonlocal now
        now += 3600
        for child in supervisor._children:
            child.tend(now)

    with pytest.raises(Failed, match=r"(?s)wreck ended with exit code 3, the 5th time within a minute\..*no such model"):
        wait_for(lambda: False, tend=tend)
    assert len(lines.pids("wreck")) == MAX_DEATHS


def test_stop_goes_in_reverse_and_kills_what_does_not_listen(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Service("first", SLEEPER))
    supervisor.start(Service("stubborn", [sys.executable, "-c", STUBBORN], stop_seconds=0.2))
    wait_for(lambda: ("stubborn", "awake") in lines)
    pids = lines.pids("first") + lines.pids("stubborn")
    supervisor.stop(hurry=lambda: False)
    assert not any(alive(pid) for pid in pids)


def test_a_second_request_to_stop_cuts_the_patience_short(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(Service("stubborn", [sys.executable, "-c", STUBBORN], stop_seconds=60))
    wait_for(lambda: ("stubborn", "awake") in lines)
    start = time.monotonic()
    supervisor.stop(hurry=lambda: True)
    assert time.monotonic() - start < 5


LAUNCHER = """
import sys, time
from pathlib import Path
from cli import data_dir
from cli.supervisor import Guard, Service, Supervisor
with data_dir.hold(Path(sys.argv[1])) as lock, Guard(lock) as watchman:
    supervisor = Supervisor(watchman, lambda name, line: print(name, line, flush=True))
    supervisor.start(Service("polite", [sys.executable, "-c", "import time; time.sleep(60)"]))
    supervisor.start(Service("stubborn", [sys.executable, "-c", sys.argv[2]], stop_seconds=0.5))
    time.sleep(60)
"""


def test_no_child_outlives_a_launcher_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path), STUBBORN]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert launcher.stdout is not None
    with launcher.stdout as output:
        said = [next(output) for _ in range(3)]
        pids = [int(line.rsplit(" ", 1)[1].rstrip(")\n")) for line in said if "started" in line]
        assert len(pids) == 2
        launcher.kill()
        launcher.wait()
    with pytest.raises(Failed), data_dir.hold(tmp_path):  # the guard keeps the lock while it ends them
        pass
    wait_for(lambda: not any(alive(pid) for pid in pids))

    def free() -> bool:
        try:
            with data_dir.hold(tmp_path):
                return True
        except Failed:
            return False

    wait_for(free)
