"""What a bench starts: processes that are gone when it is, and a Valkey server for them as `ritornello up` has one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from cli import embedded

ROOT = Path(__file__).parents[1]
OWN = ("RITORNELLO_", "REDIS_URL", "DATA_DIR", "HOST", "PORT")  # beginnings of variables' names
STOP_SECONDS = 30.0
SERVER_START_SECONDS = 30.0
SERVER_BYTES = 1 << 30


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without Ritornello's own variables (but for the device), and with these."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(OWN) or name == "RITORNELLO_DEVICE"}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return others | {"PYTHONPATH": path} | variables


@contextmanager
def running(command: Sequence[str | Path], output: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a group of its own; what it says goes to `output`. Leaving sends SIGTERM, and SIGKILL to what is left."""
    with output.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """The embedded server in that folder, with the options of `ritornello up`; yields its REDIS_URL when it answers."""
    with embedded.socket_in(folder) as path:
        command = embedded.server_command(embedded.find_binary(), folder, path, SERVER_BYTES)
        with running(command, folder / "server.log") as process:
            deadline = time.monotonic() + SERVER_START_SECONDS
            while not _answers(path):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"The server did not start:\n{(folder / 'server.log').read_text()}")
                time.sleep(0.05)
            yield f"unix://{path}"


def _answers(path: Path) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_bytes(pid: int) -> int:
    """What the process holds in memory, shared pages too: VmRSS of proc(5), or what ps says where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) << 10
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(asked.stdout) << 10


def children(pid: int) -> list[int]:
    """The processes that it has started and that still run."""
    asked = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in asked.stdout.splitlines()]
    return [child for child, parent in pairs if parent == pid]
