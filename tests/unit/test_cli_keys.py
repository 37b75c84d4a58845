"""A key that `ritornello keys` makes is one that the settings take."""

from __future__ import annotations

import hashlib
import json

import pytest

from cli.main import main
from worker.jobs.settings import Settings


def test_the_entry_holds_the_hash_of_the_key_and_the_settings_take_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["keys", "studio", "--json"])
    assert end.value.code == 0
    made = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("RITORNELLO_API_KEYS", made["entry"])
    assert Settings().api_keys == {"studio": hashlib.sha256(made["key"].encode()).hexdigest()}


def test_the_key_is_shown_beside_its_entry(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["keys", "studio"])
    _, key, _, entry = capsys.readouterr().out.splitlines()
    assert entry.strip() == f"studio:{hashlib.sha256(key.strip().encode()).hexdigest()}"


@pytest.mark.parametrize("name", ["a:b", "a,b", "", "x" * 65])
def test_a_name_that_the_settings_would_not_take_is_a_usage_error(name: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["keys", name])
    assert end.value.code == 2
