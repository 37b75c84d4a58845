"""Where music from outside comes in: MIDI files and ABC, read in a process with limits."""

from __future__ import annotations

from core.errors import NotationError
from core.music.midi_check import check_size
from core.music.piece import Piece
from core.music.sandbox import read_in_sandbox

MAX_ABC_CHARACTERS = 200_000


def read_midi_limited(data: bytes) -> Piece:
    """Raises MidiError or InputTooCostly, both of field "prime"."""
    check_size(data)
    return read_in_sandbox("midi", data)


def read_abc_limited(text: str) -> Piece:
    """Raises NotationError or InputTooCostly, both of field "prime"."""
    if len(text) > MAX_ABC_CHARACTERS:
        what = f"The ABC has {len(text):,} characters; at most {MAX_ABC_CHARACTERS:,} can be read."
        raise NotationError(what, field="prime")
    return read_in_sandbox("abc", text.encode(errors="replace"))
