from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotationError
from core.music.notes import read_notes, write_notes
from core.music.piece import KeyChange, Note, Piece, Track

ONE_VOICE = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(1, 4000), st.sets(st.integers(0, 127), min_size=1, max_size=4)), min_size=1
)


def one_voice_piece(steps: list[tuple[int, int, set[int]]], silence: int) -> Piece:
    notes, at = [], 0
    for gap, duration, pitches in steps:
        notes += [Note(at + gap, duration, pitch) for pitch in sorted(pitches)]
        at += gap + duration
    return Piece(480, (Track(tuple(notes)),), length=at + silence if silence else 0)


@given(ONE_VOICE, st.integers(0, 2000))
def test_written_notes_are_read_back_exactly(steps: list[tuple[int, int, set[int]]], silence: int) -> None:
    piece = one_voice_piece(steps, silence)
    assert read_notes(write_notes(piece)) == piece


@given(st.text(st.sampled_from("CGabr#[]:/.0123456789 ,|-x"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        piece = read_notes(text)
    except NotationError:
        return
    assert read_notes(write_notes(piece)) == piece


def test_the_documented_example() -> None:
    piece = read_notes("C4:1 E4:0.5 G4:0.5 r:1 [C4 E4 G4]:2")
    melody = (Note(0, 480, 60), Note(480, 240, 64), Note(720, 240, 67))
    assert piece == Piece(480, (Track((*melody, *(Note(1440, 960, pitch) for pitch in (60, 64, 67)))),))


def test_lengths_may_be_left_out_and_separators_mean_nothing() -> None:
    assert read_notes("c4, d4 | e4") == read_notes("C4:1 D4:1.0 E4:2/2")


def test_sharps_and_flats_in_either_writing() -> None:
    pitches = [note.pitch for note in read_notes("F#4 F♯4 Gb4 G♭4 B#3 Cb4 C-1 G9").tracks[0].notes]
    assert pitches == [66, 66, 66, 66, 60, 59, 0, 127]


def test_three_triplets_make_a_quarter() -> None:
    assert [note.start for note in read_notes("C4:1/3 C4:1/3 C4:1/3 C4").tracks[0].notes] == [0, 160, 320, 480]


def test_a_rest_at_the_end_is_part_of_the_piece() -> None:
    assert read_notes("C4:1 r:3").end == 1920


def test_flats_are_written_in_a_key_with_flats() -> None:
    piece = Piece(480, (Track((Note(0, 480, 70),)),), keys=(KeyChange(0, -2),))
    assert write_notes(piece) == "Bb4"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no notes"),
        ("r:4", "no notes"),
        ("C4 H4", "character 4: 'H4' is no note"),
        ("C4:1 D", "character 6: 'D' is no note"),
        ("C4:0", "character 3: ':0' is a length of nothing"),
        ("C4:x", "character 3: ':x' is no length"),
        ("C4:1/0", "character 3: ':1/0' is no length"),
        ("C4:-1", "no length"),
        ("C4:1e9", "no length"),
        ("C4:nan", "no length"),
        ("C4:0.0001", "too short"),
        ("C4:1/481", "no length"),
        ("C4:29999 C4:2", "character 10: 'C4:2' is too late"),
        ("A9", "character 1: 'A9' is beyond the range"),
        ("Cb-1", "beyond the range"),
        ("[C4 E4", "character 1: '\\[' is a bracket without its other half"),
        ("C4 ]", "character 4"),
        ("[]:2", "character 1: '\\[\\]' is a chord without notes"),
        ("[C4 r]", "character 5: 'r' is no note of a chord"),
        ("[C4:1 E4]", "character 2: 'C4:1' is no note of a chord"),
        ("[C4 E4]2", "character 8: '2' is no length"),
        ("C4:5000", "41.7 minutes"),
        ("C4:0.1 " * 20_001, "20,001 notes"),
    ],
)
def test_what_does_not_parse_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(NotationError, match=says) as refusal:
        read_notes(text)
    assert refusal.value.field == "prime"


@pytest.mark.parametrize(
    "tracks",
    [
        (Track((Note(0, 480, 60), Note(240, 480, 64))),),
        (Track((Note(0, 480, 60), Note(0, 240, 64))),),
        (Track((Note(0, 480, 60),)), Track((Note(480, 480, 60),))),
        (Track((Note(0, 480, 36),), percussion=True),),
        (),
    ],
)
def test_what_is_no_single_voice_is_not_written(tracks: tuple[Track, ...]) -> None:
    with pytest.raises(NotationError, match="one voice"):
        write_notes(Piece(480, tracks))


def test_other_clocks_are_rounded_and_the_order_is_kept() -> None:
    piece = Piece(9600, (Track((Note(0, 3, 60), Note(3, 4800, 62), Note(4803, 9597, 64))),))
    assert write_notes(piece) == "C4:1/480 D4:239/480 E4"
    assert read_notes(write_notes(piece)).end == 720


def test_strange_fractions_cost_no_more_than_plain_ones() -> None:
    begun = time.process_time()
    read_notes(" ".join(f"C4:1/{1 + step * 7 % 480}" for step in range(18_000)))
    assert time.process_time() - begun < 2
