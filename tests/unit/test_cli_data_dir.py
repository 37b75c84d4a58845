"""DATA_DIR belongs to one launcher; its key is made once; its note of the server is believed only while that lives."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cli import data_dir
from cli.exits import Failed


def test_a_second_launcher_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    refusal = rf"already running on .* \(process {os.getpid()}\)"
    with data_dir.hold(tmp_path), pytest.raises(Failed, match=refusal), data_dir.hold(tmp_path):
        pass


def test_the_folder_is_free_again_after_a_launcher_has_left(tmp_path: Path) -> None:
    for _ in range(2):
        with data_dir.hold(tmp_path):
            assert (tmp_path / data_dir.LOCK).read_text() == f"{os.getpid()}\n"


def test_whoever_inherits_the_lock_keeps_it_when_the_launcher_is_gone(tmp_path: Path) -> None:
    with data_dir.hold(tmp_path) as lock:
        heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
        os.pwrite(lock, f"{2**22 - 1}\n".encode(), 0)  # as a launcher that has died: no such process
    with pytest.raises(Failed, match="still being stopped"), data_dir.hold(tmp_path):
        pass
    heir.communicate(b"\n")
    with data_dir.hold(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refusal = r"cannot be written \(Not a directory\); set DATA_DIR"
    with pytest.raises(Failed, match=refusal), data_dir.hold(tmp_path / "file" / "var"):
        pass


def test_the_secret_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    key = data_dir.secret_key(tmp_path)
    assert len(key) == 64
    assert data_dir.secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / data_dir.SECRET_KEY).stat().st_mode) == 0o600


def test_an_empty_secret_key_is_refused_rather_than_used(tmp_path: Path) -> None:
    (tmp_path / data_dir.SECRET_KEY).write_text("\n")
    with pytest.raises(Failed, match="is empty"):
        data_dir.secret_key(tmp_path)


def test_the_note_of_a_server_is_found_and_forgotten(tmp_path: Path) -> None:
    assert data_dir.noted_server(tmp_path) is None
    data_dir.note_server(tmp_path, "http://127.0.0.1:8000")
    assert data_dir.noted_server(tmp_path) == "http://127.0.0.1:8000"
    data_dir.forget_server(tmp_path)
    data_dir.forget_server(tmp_path)
    assert data_dir.noted_server(tmp_path) is None


@pytest.mark.parametrize("note", ["", "[]", "{}", json.dumps({"url": "http://127.0.0.1:1", "pid": 2**22 - 1})])
def test_a_note_that_is_broken_or_of_a_dead_launcher_is_not_believed(tmp_path: Path, note: str) -> None:
    (tmp_path / data_dir.SERVER).write_text(note)
    assert data_dir.noted_server(tmp_path) is None
