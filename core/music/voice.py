"""A piece as one voice: a line of notes and chords, one after the other, as the typed notations write it."""

from __future__ import annotations

from itertools import groupby

from core.music.piece import Piece

Chord = tuple[int, int, tuple[int, ...]]  # start and duration in ticks, pitches from low to high


def one_voice(piece: Piece) -> list[Chord] | None:
    """The piece's notes in time, those that begin together as one chord; None if they are no single voice.

    No single voice: notes that overlap without beginning and ending together, two tracks with notes, percussion.
    """
    tracks = [track for track in piece.tracks if track.notes]
    if len(tracks) != 1 or tracks[0].percussion:
        return None
    voice: list[Chord] = []
    free_from = 0
    for start, together in groupby(sorted(tracks[0].notes), key=lambda note: note.start):
        notes = list(together)
        durations = {note.duration for note in notes}
        if start < free_from or len(durations) > 1:
            return None
        free_from = start + durations.pop()
        voice.append((start, free_from - start, tuple(sorted({note.pitch for note in notes}))))
    return voice
