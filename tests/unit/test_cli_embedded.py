"""Where the embedded server's binary and socket are found, and that it is told to keep everything."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from cli import embedded
from cli.exits import Failed


def executable(path: Path, exit_code: int) -> Path:
    path.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


def test_the_bundled_server_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(tmp_path / "valkey-server", 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    bundled = executable(tmp_path / "bundled", 0)
    monkeypatch.setattr(embedded, "_bundled", lambda: bundled)
    assert embedded.find_binary() == bundled


def test_a_bundled_server_that_does_not_run_here_gives_way_to_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = executable(tmp_path / "redis-server", 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(shutil, "which", lambda name: str(on_path) if name == "redis-server" else None)
    monkeypatch.setattr(embedded, "_bundled", lambda: executable(tmp_path / "broken", 127))
    assert embedded.find_binary() == on_path


def test_no_server_at_all_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "_bundled", lambda: None)
    with pytest.raises(Failed, match=r"No Valkey or Redis server was found: .*REDIS_URL"):
        embedded.find_binary()


def test_a_short_folder_holds_the_socket_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "MAX_SOCKET_BYTES", 4096)
    (tmp_path / embedded.SOCKET).write_text("left by a server that was killed")
    with embedded.socket_in(tmp_path) as path:
        assert path == tmp_path.resolve() / embedded.SOCKET
        assert not path.exists()


def test_a_long_folder_links_to_a_socket_in_a_short_private_one(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with embedded.socket_in(folder) as path:
        assert len(bytes(path)) <= embedded.MAX_SOCKET_BYTES
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (folder / embedded.SOCKET).readlink() == path
    assert not path.parent.exists()
    assert not (folder / embedded.SOCKET).is_symlink()


def test_the_server_persists_never_evicts_and_opens_no_port(tmp_path: Path) -> None:
    command = embedded.server_command(Path("valkey-server"), tmp_path, tmp_path / "s", 1000)
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--port"] == "0"
    assert options["--unixsocketperm"] == "700"
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "everysec")
    assert (options["--maxmemory"], options["--maxmemory-policy"]) == ("1000", "noeviction")
    assert options["--dir"] == str(tmp_path.resolve())
