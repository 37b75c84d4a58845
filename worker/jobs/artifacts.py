"""The files of a job by name: `continuation-2.mid` is the second variation's result, `continuation-2.svg` its picture."""

from __future__ import annotations

import re

from core.errors import NotFound

MEDIA_TYPES: dict[str, str] = {
    "mid": "audio/midi",
    "txt": "text/plain; charset=utf-8",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "abc": "text/vnd.abc; charset=utf-8",
    "svg": "image/svg+xml",
}
RESULTS = ("mid", "txt")
"""What the engine stores; everything else is rendered from it when asked for."""

_NAME = re.compile(rf"continuation-([1-9][0-9]?)\.({'|'.join(MEDIA_TYPES)})")


def artifact_name(variation: int, extension: str) -> str:
    """`variation` counts from 1; `extension` is a key of MEDIA_TYPES."""
    name = f"continuation-{variation}.{extension}"
    assert _NAME.fullmatch(name), name
    return name


def parse_artifact_name(name: str) -> tuple[int, str]:
    """The variation and the extension. Raises NotFound for a name that no job's file has."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise NotFound(f"No job has a file named {name!r}; there are continuation-1.mid and the like.")
    return int(match[1]), match[2]
