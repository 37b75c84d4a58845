"""How loud the drawn notes are: as loud as the prime plays, with the bar's and the beat's accents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import fmean

from core.music.piece import Note, Piece

DEFAULT_VELOCITY = 80
BAR_ACCENT, BEAT_ACCENT, OFF_BEAT = 10, 4, -6
SOFTEST, LOUDEST = 20, 120


def beat_ticks(meter: tuple[int, int], ticks_per_quarter: int) -> int:
    """The length of a beat: the metre's unit, in a compound metre (6/8, 9/8, 12/8, 6/4) three of them."""
    numerator, denominator = meter
    units = 3 if numerator > 3 and numerator % 3 == 0 else 1
    return max(1, ticks_per_quarter * 4 * units // denominator)


def shape_dynamics(
    notes: Sequence[Note], prime: Piece | None, percussion: bool, bar_line: int, bar_ticks: int, beat_ticks: int
) -> list[Note]:
    """Velocities by place: the prime's mean (for drums: that drum's) and an accent. `bar_line` is the tick of any of them."""
    tracks = [track.notes for track in prime.tracks if track.percussion == percussion] if prime else []
    heard = [note for track in tracks for note in track]
    usual = fmean(note.velocity for note in heard) if heard else DEFAULT_VELOCITY
    by_drum: dict[int | None, float] = {}
    if percussion:
        by_drum = {pitch: fmean(n.velocity for n in heard if n.pitch == pitch) for pitch in {n.pitch for n in heard}}

    @cache  # of few drums and three accents, for very many notes
    def velocity(pitch: int | None, accent: int) -> int:
        return round(min(LOUDEST, max(SOFTEST, by_drum.get(pitch, usual) + accent)))

    shaped = []
    for note in notes:
        place = (note.start - bar_line) % bar_ticks
        accent = BAR_ACCENT if place == 0 else BEAT_ACCENT if place % beat_ticks == 0 else OFF_BEAT
        loudness = velocity(note.pitch if percussion else None, accent)
        shaped.append(Note(note.start, note.duration, note.pitch, loudness))
    return shaped
