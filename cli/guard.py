"""Ends the launcher's children when the launcher itself is killed.

Run by its file name, as a process of its own that needs only the standard library. It reads lines from the pipe of which
only the launcher holds the other end: `+ PID SECONDS` (a process group to guard, and how long it may take to stop) and
`- PID`. When the pipe ends, the launcher is gone, and every group still guarded is stopped, the youngest first: SIGTERM,
then SIGKILL. Linux's PR_SET_PDEATHSIG would not do: macOS lacks it, and it cannot keep the order. The guard inherits the
data folder's lock, so that no second launcher can start a server on data that the first one's server still writes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable


def watch(lines: Iterable[str]) -> None:
    guarded: dict[int, float] = {}
    for line in lines:
        sign, group, *seconds = line.split()
        if sign == "+":
            guarded[int(group)] = float(seconds[0])
        else:
            guarded.pop(int(group), None)
    for pid, patience in reversed(guarded.items()):
        end_group(pid, patience)


def end_group(pid: int, patience_seconds: float) -> None:
    """SIGTERM to the whole group; SIGKILL to what is left of it when the patience ends."""
    deadline = time.monotonic() + patience_seconds
    alive = signal_group(pid, signal.SIGTERM)
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = signal_group(pid, 0)
    signal_group(pid, signal.SIGKILL)


def signal_group(pid: int, number: int) -> bool:
    """False when the group is gone."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
