"""DATA_DIR in the hands of one launcher: the lock, the secret key, and the note that says where the server listens."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.exits import Failed

LOCK = "ritornello.lock"
SECRET_KEY = "secret_key"
SERVER = "server.json"


@contextmanager
def hold(path: Path) -> Iterator[int]:
    """Make the folder and lock it for this process; yields the lock's file descriptor.

    Whoever inherits the descriptor keeps the lock too. Raises Failed when the folder cannot be written or is in use.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Failed(f"The data folder {path} cannot be written ({error.strerror}); set DATA_DIR to one that can.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Failed(_who_holds(path, os.pread(descriptor, 32, 0))) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _who_holds(path: Path, content: bytes) -> str:
    holder = content.decode(errors="replace").strip()
    if holder.isdigit() and not _alive(int(holder)):
        return f"The last Ritornello on {path} is still being stopped; try again in a few seconds."
    return f"Ritornello is already running on {path} (process {holder or 'unknown'}); stop it, or set DATA_DIR to another folder."


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def secret_key(path: Path) -> str:
    """The key that signs sessions and forms, made once and kept in a file that only its owner can read."""
    file = path / SECRET_KEY
    with suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(32) + "\n")
    key = file.read_text().strip()
    if not key:
        raise Failed(f"The secret key in {file} is empty; delete the file, and a new one is made.")
    return key


def note_server(path: Path, url: str) -> None:
    """Tell other commands on this machine where the server listens."""
    draft = path / f"{SERVER}.new"
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
    draft.replace(path / SERVER)


def forget_server(path: Path) -> None:
    (path / SERVER).unlink(missing_ok=True)


def noted_server(path: Path) -> str | None:
    """The address in the note of a launcher that is still alive, or None."""
    try:
        note = json.loads((path / SERVER).read_text())
        return str(note["url"]) if _alive(int(note["pid"])) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
