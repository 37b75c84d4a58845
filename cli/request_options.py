"""The options of `generate` as a request: only what was given is in it, the rest is the model's to decide."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

MIDI_MAGIC = b"MThd"
MOST_BYTES = 1_000_001  # one more than a prime may have: the door then says that it is too large
ATTRIBUTES = ("key", "meter", "tempo", "style", "bars")
SAMPLING = ("temperature", "top_k", "top_p", "repetition_penalty", "seed")
LENGTH = ("words", "sentences")


def build_request(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """A request as the API takes it. Raises click.UsageError when two primes are given."""
    request: dict[str, Any] = {"version": 1, "kind": kind}
    for name in ("model", "task", "prompt", "variations"):
        if options[name] is not None:
            request[name] = options[name]
    prime = _prime(options)
    if prime is not None:
        request["prime"] = prime
    for part, names in (("attributes", ATTRIBUTES), ("sampling", SAMPLING), ("length", LENGTH)):
        given = {name: options[name] for name in names if options[name] is not None}
        if given:
            request[part] = given
    if options["stop"]:
        request["stop"] = list(options["stop"])
    return request


def asks_for_text(options: dict[str, Any]) -> bool:
    """Whether some option makes sense for text only."""
    return options["prompt"] is not None or bool(options["stop"]) or any(options[name] is not None for name in LENGTH)


def _prime(options: dict[str, Any]) -> dict[str, Any] | None:
    given = [name for name in ("prime", "notes", "abc", "beats") if options[name]]
    if len(given) > 1:
        raise click.UsageError(f"Give one prime only, not both --{given[0]} and --{given[1]}.")
    if options["prime"]:
        return prime_from_file(options["prime"])
    if options["notes"]:
        return {"format": "notes", "notes": text_or_file(options["notes"])}
    if options["abc"]:
        return {"format": "abc", "abc": text_or_file(options["abc"])}
    if options["beats"]:
        return {"format": "beats", "beats": beat_grid(options["beats"])}
    return None


def prime_from_file(path: Path) -> dict[str, Any]:
    """A MIDI file by its first bytes, else ABC or typed notes by the file's name; the rest goes as MIDI, and is refused."""
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES)
    if not data.startswith(MIDI_MAGIC) and path.suffix.lower() in (".abc", ".notes", ".txt"):
        notation = "abc" if path.suffix.lower() == ".abc" else "notes"
        return {"format": notation, notation: _decode(data, path)}
    return {"format": "midi", "midi": base64.b64encode(data).decode()}


def text_or_file(value: str) -> str:
    """The content of the file of that name, if there is one; otherwise the text itself."""
    try:
        path = Path(value)
        return _decode(path.read_bytes(), path) if path.is_file() else value
    except OSError:  # a text too long for a file's name
        return value


def beat_grid(rows: Sequence[str]) -> dict[str, str]:
    """Rows such as `kick=x...x...`, or one file of such rows."""
    if len(rows) == 1 and "=" not in rows[0]:
        rows = [line for line in text_or_file(rows[0]).splitlines() if line.strip()]
    grid = {}
    for row in rows:
        drum, equals, beats = row.partition("=")
        if not equals:
            raise click.UsageError(f"--beats takes rows such as kick=x...x..., not {row!r}.")
        grid[drum.strip()] = beats.strip()
    return grid


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path} is not a text in UTF-8 (byte {error.start}).") from error
