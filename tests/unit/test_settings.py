from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.jobs.settings import Settings

HASH = "0123456789abcdef" * 4
VARIABLES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_nothing_needs_to_be_set() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.slots, settings.data_dir) == ("127.0.0.1", 8000, 32, Path("var"))
    assert settings.secret_key is None


def test_every_field_has_a_variable_and_says_what_it_does() -> None:
    assert len(set(VARIABLES)) == len(Settings.model_fields)
    assert all(name.startswith("RITORNELLO_") or name in ("REDIS_URL", "DATA_DIR", "HOST", "PORT") for name in VARIABLES)
    assert all(field.description and field.description.endswith(".") for field in Settings.model_fields.values())


def test_the_environment_is_read_and_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("HOST", "")
    monkeypatch.setenv("RITORNELLO_SLOTS", "64")
    monkeypatch.setenv("RITORNELLO_API_KEYS", f"ana:{HASH}, bo:{HASH[::-1]},")
    monkeypatch.setenv("RITORNELLO_TRUSTED_HOSTS", "music.example.org, localhost")
    monkeypatch.setenv("RITORNELLO_SECRET_KEY", "s3cret")
    settings = Settings()
    assert (settings.port, settings.host, settings.slots) == (9000, "127.0.0.1", 64)
    assert settings.api_keys == {"ana": HASH, "bo": HASH[::-1]}
    assert settings.trusted_hosts == ("music.example.org", "localhost")
    assert settings.secret_key is not None
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "eighty"),
        ("RITORNELLO_DEVICE", "tpu"),
        ("RITORNELLO_SLOTS", "4"),
        ("RITORNELLO_LEASE_SECONDS", "nan"),
        ("RITORNELLO_LEASE_SECONDS", "3"),
        ("RITORNELLO_OWNERS", "everybody"),
        ("RITORNELLO_API_KEYS", "no hash"),
        ("RITORNELLO_API_KEYS", f"a:{HASH},a:{HASH}"),
        ("RITORNELLO_API_KEYS", f"a:{HASH.upper()}"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]
