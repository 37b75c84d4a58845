"""Drum grids: for each drum a row of sixteenth notes, such as `{"kick": "x...x...", "snare": "....x..."}`.

`x` and `o` are hits, `X` a loud one; `.`, `-` and `_` are silent; `|` only separates. A blank separates too in a row that has
silent signs, and is silent in a row that has none. Shorter rows are silent to the end.
"""

from __future__ import annotations

import re

from core.errors import NotationError
from core.music.piece import MeterChange, Note, Piece, Track

DRUMS = {
    "kick": 36,
    "snare": 38,
    "closed hat": 42,
    "open hat": 46,
    "low tom": 43,
    "mid tom": 47,
    "high tom": 50,
    "crash": 49,
    "ride": 51,
}
"""General MIDI pitch by name, in the order of the page's rows."""

ALIASES = {
    "bd": "kick", "bass": "kick", "bass drum": "kick", "kick drum": "kick", "k": "kick",
    "sd": "snare", "sn": "snare", "snare drum": "snare", "s": "snare",
    "hh": "closed hat", "ch": "closed hat", "chh": "closed hat", "hat": "closed hat", "hihat": "closed hat",
    "hi hat": "closed hat", "closed hihat": "closed hat", "closed hi hat": "closed hat",
    "oh": "open hat", "ohh": "open hat", "open hihat": "open hat", "open hi hat": "open hat",
    "lt": "low tom", "floor tom": "low tom", "mt": "mid tom", "middle tom": "mid tom", "ht": "high tom", "hi tom": "high tom",
    "cc": "crash", "cr": "crash", "crash cymbal": "crash", "rd": "ride", "rc": "ride", "ride cymbal": "ride",
}  # fmt: skip
TICKS_PER_QUARTER = 480
STEP_TICKS = TICKS_PER_QUARTER // 4
HIT_TICKS = STEP_TICKS // 2
STEPS_PER_BAR = 16
MAX_BARS = 64
VELOCITIES = {"x": 90, "o": 90, "X": 120}
SILENT = ".-_"


def read_beats(beats: dict[str, str]) -> Piece:
    """A percussion track in 4/4. Raises NotationError, which names the row and the column that is wrong."""
    notes: list[Note] = []
    seen: dict[int, str] = {}
    steps = 0
    for name, row in beats.items():
        pitch = _drum(name)
        if pitch in seen:
            raise NotationError(f"The drum grid has two rows for one drum: {seen[pitch]!r} and {name!r}.", field="prime")
        seen[pitch] = name
        velocities = _row(name, row)
        steps = max(steps, len(velocities))
        notes += [Note(step * STEP_TICKS, HIT_TICKS, pitch, velocity) for step, velocity in enumerate(velocities) if velocity]
    if not notes:
        raise NotationError("The drum grid has no hits. Set some with `x`.", field="prime")
    track = Track(tuple(sorted(notes, key=lambda note: (note.start, note.pitch))), percussion=True)
    return Piece(TICKS_PER_QUARTER, (track,), meters=(MeterChange(0, 4, 4),), length=steps * STEP_TICKS)


def _drum(name: str) -> int:
    plain = re.sub(r"[\s_-]+", " ", name).strip().lower()
    plain = ALIASES.get(plain, plain)
    if plain not in DRUMS:
        raise NotationError(f"There is no drum named {name[:20]!r}; there are: {', '.join(DRUMS)}.", field="prime")
    return DRUMS[plain]


def _row(name: str, row: str) -> list[int]:
    """The velocity of each step, 0 where it is silent."""
    separators = "| " if any(sign in row for sign in SILENT) else "|"
    velocities: list[int] = []
    for column, sign in enumerate(row, start=1):
        if sign in separators:
            continue
        if sign not in VELOCITIES and sign not in SILENT and sign != " ":
            what = f"{sign!r} is no step. Write `x` for a hit, `X` for a loud one and `.` for none."
            raise NotationError(f"Drum grid, row {name!r}, column {column}: {what}", field="prime")
        velocities.append(VELOCITIES.get(sign, 0))
        if len(velocities) > MAX_BARS * STEPS_PER_BAR:
            what = f"a grid has at most {MAX_BARS} bars of {STEPS_PER_BAR} steps."
            raise NotationError(f"Drum grid, row {name!r}, column {column}: {what}", field="prime")
    return velocities
