"""Every error of a command ends in one sentence and the documented exit code."""

from __future__ import annotations

import json

import click
import pytest

from cli import main as entry
from cli.exits import FAILED, INTERRUPTED, REFUSED, UNREACHABLE, USAGE, Unreachable, Verb
from core.errors import CheckpointError, UnknownModel
from worker.jobs.request import GenerationRequest


def run(error: BaseException, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    @click.command("broken", cls=Verb)
    @click.option("--json", "as_json", is_flag=True)
    def broken(as_json: bool) -> None:
        raise error

    monkeypatch.setitem(entry.ritornello.commands, "broken", broken)
    with pytest.raises(SystemExit) as end:
        entry.main(["broken", *arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def a_validation_error() -> Exception:
    try:
        GenerationRequest.model_validate({"attributes": {"bars": 0}})
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownModel("There is no model named 'x'.", field="model"), REFUSED),
        (a_validation_error(), REFUSED),
        (CheckpointError(), FAILED),
        (Unreachable("gone"), UNREACHABLE),
        (ZeroDivisionError("oops"), FAILED),
        (click.UsageError("no"), USAGE),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_no_traceback(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(error, monkeypatch=monkeypatch) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len(err.strip()) > 0


def test_under_json_a_refusal_is_a_document_that_names_the_field(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(a_validation_error(), "--json", monkeypatch=monkeypatch) == REFUSED
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "invalid_field"
    assert error["field"] == "attributes.bars"
    assert "greater than or equal to 1" in error["message"]


def test_debug_shows_the_traceback_of_what_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command("broken", cls=Verb)
    def broken() -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(entry.ritornello.commands, "broken", broken)
    with pytest.raises(SystemExit):
        entry.main(["--debug", "broken"])
    assert "Traceback" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        entry.main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in ("up", "generate", "models", "jobs", "train", "keys"))
