"""The options of `generate` become a request in which only what was given stands."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click
import pytest

from cli.generate import generate
from cli.request_options import beat_grid, build_request, prime_from_file, text_or_file
from core.catalog import Catalog
from core.errors import MidiError
from worker.jobs.admission import admit
from worker.jobs.request import GenerationRequest


def options(*arguments: str) -> dict[str, Any]:
    """The options as click hands them over, without those that never reach a request."""
    with generate.make_context("generate", list(arguments)) as context:
        return {name: value for name, value in context.params.items() if name not in ("out", "as_json", "server_url", "api_key")}


def test_nothing_given_is_nothing_asked() -> None:
    assert build_request("music", options()) == {"version": 1, "kind": "music"}


def test_every_option_has_its_place() -> None:
    request = build_request(
        "music",
        options(
            *("--model", "folk", "--task", "continue", "--notes", "D4:1", "--variations", "4"),
            *("--bars", "8", "--key", "D minor", "--meter", "6/8", "--tempo", "96", "--style", "jig"),
            *("--temperature", "0.9", "--top-k", "5", "--top-p", "0.9", "--repetition-penalty", "1.1", "--seed", "7"),
        ),
    )
    assert request == {
        "version": 1,
        "kind": "music",
        "model": "folk",
        "task": "continue",
        "prime": {"format": "notes", "notes": "D4:1"},
        "variations": 4,
        "attributes": {"bars": 8, "key": "D minor", "meter": "6/8", "tempo": 96.0, "style": "jig"},
        "sampling": {"temperature": 0.9, "top_k": 5, "top_p": 0.9, "repetition_penalty": 1.1, "seed": 7},
    }
    GenerationRequest.model_validate(request)


def test_a_text_request_has_a_length_and_stops() -> None:
    request = build_request("text", options("--prompt", "To be", "--words", "50", "--stop", "\n\n", "--stop", "END"))
    assert request == {
        "version": 1,
        "kind": "text",
        "prompt": "To be",
        "length": {"words": 50},
        "stop": ["\n\n", "END"],
    }
    GenerationRequest.model_validate(request)


def test_two_primes_are_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match="not both --notes and --abc"):
        build_request("music", options("--notes", "D4:1", "--abc", "X:1"))


def test_a_midi_file_is_known_by_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "tune.txt"
    path.write_bytes(b"MThd\x00")
    assert prime_from_file(path) == {"format": "midi", "midi": base64.b64encode(b"MThd\x00").decode()}


@pytest.mark.parametrize(("name", "notation"), [("tune.abc", "abc"), ("tune.ABC", "abc"), ("tune.txt", "notes")])
def test_notation_in_a_file_is_known_by_the_files_name(tmp_path: Path, name: str, notation: str) -> None:
    (tmp_path / name).write_text("X:1\n")
    assert prime_from_file(tmp_path / name) == {"format": notation, notation: "X:1\n"}


def test_a_file_that_is_neither_goes_as_midi_for_the_door_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "tune.mp3").write_bytes(b"ID3")
    assert prime_from_file(tmp_path / "tune.mp3")["format"] == "midi"


def test_of_a_file_that_is_too_large_just_enough_is_sent_for_the_door_to_say_so(tmp_path: Path) -> None:
    (tmp_path / "tune.mid").write_bytes(b"MThd" + bytes(2_000_000))
    prime = prime_from_file(tmp_path / "tune.mid")
    request = GenerationRequest.model_validate({"prime": prime})
    with pytest.raises(MidiError, match="larger than 1,000,000 bytes"):
        admit(request, Catalog())


def test_notation_that_is_not_utf_8_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "tune.abc").write_bytes(b"T:Caf\xe9")
    with pytest.raises(click.UsageError, match=r"not a text in UTF-8 \(byte 5\)"):
        prime_from_file(tmp_path / "tune.abc")


def test_notes_may_be_text_or_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "tune.notes").write_text("D4:1 F4:1")
    assert text_or_file(str(tmp_path / "tune.notes")) == "D4:1 F4:1"
    assert text_or_file("D4:1 F4:1") == "D4:1 F4:1"
    assert text_or_file("D4:1 " * 10_000) == "D4:1 " * 10_000
    assert text_or_file("D4:1\0") == "D4:1\0"


def test_beats_are_rows_or_a_file_of_rows(tmp_path: Path) -> None:
    grid = {"kick": "x...x...", "snare": "....x..."}
    assert beat_grid(["kick=x...x...", "snare=....x..."]) == grid
    (tmp_path / "beats").write_text("kick = x...x...\n\nsnare = ....x...\n")
    assert beat_grid([str(tmp_path / "beats")]) == grid
    with pytest.raises(click.UsageError, match="rows such as kick=x"):
        beat_grid(["kick"])
