from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import NotationError
from core.music.abc_in import read_abc
from core.music.abc_out import fits_abc, write_abc
from core.music.piece import KeyChange, MeterChange, Note, Piece, TempoChange, Track

MODES = ("major", "minor", "dorian", "mixolydian")
LENGTHS = st.one_of(st.sampled_from([3, 4, 6, 8, 12, 16, 18, 24, 36, 48, 96]), st.integers(1, 120))


@st.composite
def tunes(draw: st.DrawFn) -> Piece:
    """One voice with chords on a grid of 24 to the quarter, in any metre and key, both changing."""
    notes, at = [], 0
    for gap, duration, pitches, times in draw(
        st.lists(
            st.tuples(
                st.one_of(st.just(0), LENGTHS),
                LENGTHS,
                st.one_of(st.integers(0, 127).map(lambda pitch: {pitch}), st.sets(st.integers(0, 127), min_size=1, max_size=3)),
                st.sampled_from([1, 1, 3]),
            ),
            min_size=1,
            max_size=12,
        )
    ):
        at += gap
        for _ in range(times):
            notes += [Note(at, duration, pitch) for pitch in sorted(pitches)]
            at += duration
    meter = st.sampled_from([(4, 4), (3, 4), (6, 8), (9, 8), (2, 2), (5, 8), (1, 8)])
    later = st.lists(st.tuples(st.integers(1, 600), meter), max_size=2, unique_by=lambda found: found[0])
    meters = [(0, draw(meter)), *draw(later)]
    keys = [0, *draw(st.lists(st.integers(1, 600), max_size=2, unique=True))]
    return Piece(
        24,
        (Track(tuple(notes), 73),),
        meters=tuple(MeterChange(tick, *found) for tick, found in sorted(meters)),
        keys=tuple(KeyChange(tick, draw(st.integers(-7, 7)), draw(st.sampled_from(MODES))) for tick in sorted(keys)),
        length=draw(st.sampled_from([0, at + 24])),
    )


def sounding(piece: Piece) -> list[tuple[int, int, int]]:
    """Start, duration and pitch at 480 ticks to the quarter."""
    scale = 480 // piece.ticks_per_quarter
    return sorted((note.start * scale, note.duration * scale, note.pitch) for note in piece.tracks[0].notes)


@settings(max_examples=60, deadline=None)
@given(tunes())
def test_a_written_tune_is_read_back_note_for_note(piece: Piece) -> None:
    back = read_abc(write_abc(piece))
    assert sounding(back) == sounding(piece)
    assert back.keys[0] == piece.keys[0] or len(piece.keys) > 1
    assert back.meters[0] == piece.meters[0]
    assert back.end == piece.end * 20


def test_a_tune_as_it_looks() -> None:
    quick = [(12 * step, 12, pitch) for step, pitch in enumerate((69, 74, 76, 78))]
    notes = [*quick, (48, 24, 79), (72, 8, 77), (80, 8, 76), (88, 8, 74), (96, 84, 69)]
    piece = Piece(
        24,
        (Track(tuple(Note(start + 84, duration, pitch) for start, duration, pitch in notes), 40),),
        tempos=(TempoChange(0, 500_000),),
        meters=(MeterChange(0, 4, 4),),
        keys=(KeyChange(0, 2),),
    )
    assert write_abc(piece, "Reel 50%") == (
        "%abc-2.1\nX:1\nT:Reel 50\nM:4/4\nL:1/8\nQ:1/4=120\n%%MIDI program 40\nK:D\nA | defg2(3=fedA- | A6 |]\n"
    )


def test_accidentals_are_plain_to_readers_of_either_habit() -> None:
    piece = Piece(24, (Track(tuple(Note(12 * i, 12, pitch) for i, pitch in enumerate((61, 73, 60, 72, 72, 61)))),))
    assert write_abc(piece).splitlines()[-1] == "^C^c=C=c c^C |]"


def test_what_lies_off_the_grid_is_rounded_and_stays_in_order() -> None:
    piece = Piece(480, (Track((Note(1, 3, 60), Note(4, 2, 62), Note(6, 475, 64))),))
    notes = read_abc(write_abc(piece)).tracks[0].notes
    assert [note.pitch for note in notes] == [60, 62, 64]
    assert notes[-1].end == 480


@pytest.mark.parametrize(
    ("tracks", "fits"),
    [
        ((Track((Note(0, 24, 60), Note(0, 24, 64), Note(24, 24, 60))),), True),
        ((Track((Note(0, 24, 60),)), Track()), True),
        ((Track((Note(0, 24, 60), Note(12, 24, 64))),), False),
        ((Track((Note(0, 24, 36),), percussion=True),), False),
        ((Track((Note(0, 24, 60),)), Track((Note(0, 24, 48),))), False),
        ((), False),
    ],
)
def test_one_voice_without_percussion_fits(tracks: tuple[Track, ...], fits: bool) -> None:
    piece = Piece(24, tracks)
    assert fits_abc(piece) == fits
    if not fits:
        with pytest.raises(NotationError, match="one voice"):
            write_abc(piece)


def test_music21_reads_the_same_notes() -> None:
    converter = pytest.importorskip("music21.converter")
    piece = Piece(
        24,
        (Track(tuple(Note(8 * i if i < 3 else 24 + 12 * (i - 3), 8 if i < 3 else 12, 60 + (i * 5) % 17) for i in range(17))),),
        meters=(MeterChange(0, 3, 4),),
        keys=(KeyChange(0, -3, "minor"),),
    )
    parsed = converter.parse(write_abc(piece), format="abc").stripTies().flatten().notes
    found = [(round(float(note.offset) * 480), round(float(note.quarterLength) * 480), note.pitch.midi) for note in parsed]
    assert found == sounding(piece)
