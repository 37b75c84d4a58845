"""Small gaps between played notes are articulation; written rests stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.music.articulation import as_written
from core.music.piece import Note, Piece, Track


def line(*notes: Note, percussion: bool = False) -> Piece:
    return Piece(480, (Track(notes, percussion=percussion),))


@pytest.mark.parametrize("gate", [384, 432, 456, 470, 479, 480])
def test_quarters_that_are_let_go_early_are_read_as_quarters(gate: int) -> None:
    played = line(*(Note(480 * n, gate, 60 + n) for n in range(8)))
    assert [note.duration for note in as_written(played).tracks[0].notes] == [480] * 8


def test_written_rests_and_triplets_stay() -> None:
    written = line(Note(0, 240, 60), Note(480, 160, 62), Note(640, 160, 64), Note(800, 160, 65), Note(960, 360, 67))
    assert as_written(written) == written


def test_a_staccato_note_keeps_its_rest() -> None:
    staccato = line(Note(0, 100, 60), Note(480, 100, 62))
    assert [note.end for note in as_written(staccato).tracks[0].notes] == [120, 600]


def test_drums_are_left_alone() -> None:
    beat = line(Note(0, 13, 36), Note(480, 13, 38), percussion=True)
    assert as_written(beat) == beat


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=12))
def test_no_note_gets_shorter_or_reaches_over_the_next_onset_that_it_had_not_reached(steps: list[tuple[int, int]]) -> None:
    start, notes = 0, []
    for gap, duration in steps:
        notes.append(Note(start, duration, 60))
        start += gap
    before, after = notes, as_written(line(*notes)).tracks[0].notes
    for place, (played, read) in enumerate(zip(before, after, strict=True)):
        assert read.start == played.start
        assert read.end >= played.end
        onset = before[place + 1].start if place + 1 < len(before) else None
        if onset is not None and played.end <= onset:
            assert read.end <= onset
