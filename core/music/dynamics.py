"""How loud the drawn notes are: as loud as the prime plays, with the bar's and the beat's accents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from core.music.piece import Note, Piece

DEFAULT_VELOCITY = 80
BAR_ACCENT, BEAT_ACCENT, OFF_BEAT = 10, 4, -6
SOFTEST, LOUDEST = 20, 120


def shape_dynamics(notes: Sequence[Note], prime: Piece | None, percussion: bool, bar_ticks: int, beat_ticks: int) -> list[Note]:
    """Velocities by place: the prime's mean (for drums: that drum's) and an accent. Times are absolute, in the output's ticks."""
    tracks = [track.notes for track in prime.tracks if track.percussion == percussion] if prime else []
    heard = [note for track in tracks for note in track]
    usual = fmean(note.velocity for note in heard) if heard else DEFAULT_VELOCITY
    by_drum = {pitch: fmean(n.velocity for n in heard if n.pitch == pitch) for pitch in {n.pitch for n in heard}} if percussion else {}
    first_bar_line = prime.meters[-1].tick if prime and prime.meters else 0

    def velocity(note: Note) -> int:
        place = (note.start - first_bar_line) % bar_ticks
        accent = BAR_ACCENT if place == 0 else BEAT_ACCENT if place % beat_ticks == 0 else OFF_BEAT
        return round(min(LOUDEST, max(SOFTEST, by_drum.get(note.pitch, usual) + accent)))

    return [replace(note, velocity=velocity(note)) for note in notes]
