"""Played lengths as written ones: players and sequencers let go of a key a little early, which is no rest.

Only the network's reading is changed by this; the prime itself stays tick for tick.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, pairwise

from core.music.piece import Note, Piece, Track

WRITTEN_PARTS = (4, 3)  # a written note ends on a 16th or on a triplet eighth of its quarter
LONGEST_GAP = 0.3  # of the note's length
SHORTEST_GAP = 1 / 8  # of a quarter: so much is always let go


def as_written(piece: Piece) -> Piece:
    """Each pitched note that ends off the written grid goes on to its next place, or to the next onset, if that is near."""
    return replace(piece, tracks=tuple(track if track.percussion else _track(piece, track) for track in piece.tracks))


def _track(piece: Piece, track: Track) -> Track:
    onsets = [start for start, _ in groupby(track.notes, key=lambda note: note.start)]
    following = dict(pairwise(onsets))
    return replace(track, notes=tuple(_held(note, following.get(note.start), piece.ticks_per_quarter) for note in track.notes))


def _held(note: Note, next_onset: int | None, ticks_per_quarter: int) -> Note:
    places = [-(-note.end * parts // ticks_per_quarter) * ticks_per_quarter // parts for parts in WRITTEN_PARTS]
    if note.end in places:
        return note
    target = min(places)
    if next_onset is not None and note.end <= next_onset:
        target = min(target, next_onset)
    gap = target - note.end
    near = gap <= max(LONGEST_GAP * note.duration, SHORTEST_GAP * ticks_per_quarter)
    return replace(note, duration=target - note.start) if near and gap > 0 else note
