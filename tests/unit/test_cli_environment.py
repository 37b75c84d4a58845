""".env.example says what the settings are, and a variable that cannot be used is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.environment import COMMAND_LINE, env_example, read_settings
from cli.exits import Failed
from worker.jobs.settings import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def example_entries() -> dict[str, str]:
    lines = EXAMPLE.read_text().splitlines()
    return dict(line[1:].split("=", 1) for line in lines if line.startswith("#") and not line.startswith("# "))


def test_env_example_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text() == env_example(), "run `make docs`"


def test_env_example_names_every_variable_and_no_other() -> None:
    assert set(example_entries()) - set(COMMAND_LINE) == {field.validation_alias for field in Settings.model_fields.values()}


def test_the_defaults_in_env_example_change_nothing_when_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in example_entries():
        monkeypatch.delenv(name, raising=False)
    untouched = Settings()
    for name, value in example_entries().items():
        monkeypatch.setenv(name, value)
    assert Settings() == untouched


def test_a_variable_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "eighty")
    with pytest.raises(Failed, match="The environment variable PORT cannot be used"):
        read_settings()
