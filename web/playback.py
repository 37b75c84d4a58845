"""A piece as the page's player takes it: notes in seconds."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Any

from core.music.piece import DEFAULT_TEMPO_MICROSECONDS, Piece


def notes_to_play(piece: Piece) -> dict[str, Any]:
    """The notes as [start, duration, pitch, velocity, percussion] with times in seconds, and `seconds` in all.

    `clock` pairs seconds with fractions of the piece's length, wherever the tempo changes: the playhead moves by it.
    """
    clock = _Clock(piece)
    notes = sorted(
        [round(clock(note.start), 4), round(clock(note.end) - clock(note.start), 4), note.pitch, note.velocity, percussion]
        for track in piece.tracks
        for percussion in [int(track.percussion)]
        for note in track.notes
    )
    end = max(piece.end, 1)
    turns = [0, *(change.tick for change in piece.tempos if 0 < change.tick < end), end]
    return {"seconds": clock(piece.end), "notes": notes, "clock": [[round(clock(tick), 4), tick / end] for tick in turns]}


class _Clock:
    """Ticks to seconds, through every change of tempo."""

    def __init__(self, piece: Piece) -> None:
        changes = [(0, DEFAULT_TEMPO_MICROSECONDS), *((change.tick, change.microseconds_per_quarter) for change in piece.tempos)]
        rates = [(tick, microseconds / 1e6 / piece.ticks_per_quarter) for tick, microseconds in changes]
        seconds = 0.0
        self._ticks = [tick for tick, _rate in rates]
        self._marks = [(0.0, rates[0][1])]  # the seconds at each tick, and seconds per tick from there
        for (before, old_rate), (tick, rate) in pairwise(rates):
            seconds += (tick - before) * old_rate
            self._marks.append((seconds, rate))

    def __call__(self, tick: int) -> float:
        index = bisect_right(self._ticks, tick) - 1
        seconds, rate = self._marks[index]
        return seconds + (tick - self._ticks[index]) * rate
