"""What the page's player is given."""

from __future__ import annotations

from core.music.piece import Note, Piece, TempoChange, Track
from web.playback import notes_to_play


def test_a_change_of_tempo_moves_what_follows() -> None:
    track = Track((Note(0, 96, 60, 80), Note(96, 96, 62, 90), Note(192, 192, 64, 100)))
    piece = Piece(96, (track,), tempos=(TempoChange(96, 1_000_000), TempoChange(192, 250_000)))
    played = notes_to_play(piece)
    assert played["notes"] == [[0.0, 0.5, 60, 80, 0], [0.5, 1.0, 62, 90, 0], [1.5, 0.5, 64, 100, 0]]
    assert played["seconds"] == 2.0
    assert played["clock"] == [[0.0, 0.0], [0.5, 0.25], [1.5, 0.5], [2.0, 1.0]]


def test_drums_are_marked_and_tracks_are_merged_in_order() -> None:
    piece = Piece(96, (Track((Note(48, 96, 60),)), Track((Note(0, 24, 36),), percussion=True)))
    assert [note[2:] for note in notes_to_play(piece)["notes"]] == [[36, 80, 1], [60, 80, 0]]
