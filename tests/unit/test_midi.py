from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from music_strategies import pieces

from core.errors import MidiError
from core.music.midi import read_midi, read_own_midi, write_midi
from core.music.piece import KeyChange, MeterChange, Note, Piece, TempoChange, Track

END = b"\x00\xff\x2f\x00"
ON, OFF = b"\x00\x90\x3c\x50", b"\x60\x80\x3c\x00"  # middle C, for a quarter of 96 ticks


def midi_file(*tracks: bytes, layout: int = 1, division: int = 96) -> bytes:
    header = layout.to_bytes(2) + len(tracks).to_bytes(2) + division.to_bytes(2)
    return b"MThd\0\0\0\x06" + header + b"".join(b"MTrk" + len(track).to_bytes(4) + track for track in tracks)


def notes_of(data: bytes) -> list[tuple[Note, ...]]:
    return [track.notes for track in read_midi(data).tracks]


@settings(max_examples=80, deadline=None)
@given(pieces())
def test_a_piece_comes_back_from_its_file_exactly(piece: Piece) -> None:
    assert read_midi(write_midi(piece)) == piece


@settings(max_examples=30, deadline=None)
@given(pieces(modes=("major", "minor", "dorian", "mixolydian")))
def test_modes_that_midi_lacks_come_back_by_their_marker(piece: Piece) -> None:
    assert read_midi(write_midi(piece)).keys == piece.keys


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(Note, st.integers(0, 40), st.integers(0, 40), st.integers(60, 62), st.integers(1, 127)), min_size=1, max_size=20
    )
)
def test_what_has_been_read_once_stays_as_it_is(notes: list[Note]) -> None:
    once = read_midi(write_midi(Piece(24, (Track(tuple(notes)),))))
    assert read_midi(write_midi(once)) == once
    assert {(note.start, note.pitch) for note in once.tracks[0].notes} == {(note.start, note.pitch) for note in notes}


def test_same_piece_same_bytes() -> None:
    piece = Piece(480, (Track((Note(0, 480, 60),), 40, name="Violin"),), tempos=(TempoChange(0, 600_000),))
    assert write_midi(piece) == write_midi(piece)


def test_a_note_ends_where_its_pitch_begins_again() -> None:
    piece = Piece(96, (Track((Note(0, 200, 60), Note(96, 96, 60), Note(96, 50, 60), Note(96, 50, 64))),))
    assert notes_of(write_midi(piece)) == [(Note(0, 96, 60), Note(96, 96, 60), Note(96, 50, 64))]


def test_a_second_track_may_hold_the_same_pitch_at_the_same_time() -> None:
    piece = Piece(96, (Track((Note(0, 96, 36),), percussion=True), Track((Note(48, 96, 36),), percussion=True)))
    assert read_midi(write_midi(piece)) == piece


def test_twenty_melodic_tracks_come_back_though_there_are_fifteen_channels() -> None:
    piece = Piece(96, tuple(Track((Note(number, 96, 60),), number, name=f"part {number}") for number in range(20)))
    assert read_midi(write_midi(piece)) == piece


def test_velocity_0_and_lone_surrogates_do_not_break_a_file() -> None:
    piece = Piece(96, (Track((Note(0, 96, 60, 0),), name="\ud800"),), tempos=(TempoChange(0, 0),))
    assert read_midi(write_midi(piece)).note_count == 1


def test_a_note_without_length_gets_one_tick() -> None:
    assert notes_of(midi_file(ON + b"\x00\x80\x3c\x00" + END)) == [(Note(0, 1, 60),)]


def test_a_note_that_is_never_ended_lasts_as_long_as_its_track() -> None:
    assert notes_of(midi_file(ON + b"\x60\x90\x40\x50\x60\x80\x40\x00" + b"\x30\xff\x2f\x00")) == [
        (Note(0, 240, 60), Note(96, 96, 64))
    ]


def test_a_track_may_lack_its_end_event() -> None:
    assert notes_of(midi_file(ON + OFF)) == [(Note(0, 96, 60),)]


def test_channels_of_a_format_0_file_become_tracks() -> None:
    programs, second, third = b"\x00\xc0\x05\x00\xc1\x07", b"\x00\x81\x40\x00", b"\x00\x99\x24\x50\x10\x99\x24\x00"
    track = programs + ON + b"\x00\x91\x40\x50" + OFF + second + third + END
    piece = read_midi(midi_file(track, layout=0))
    assert [(part.program, part.percussion, part.notes) for part in piece.tracks] == [
        (5, False, (Note(0, 96, 60),)),
        (7, False, (Note(0, 96, 64),)),
        (0, True, (Note(96, 16, 36),)),
    ]


def test_nonsense_in_tempo_metre_and_key_is_passed_over() -> None:
    nonsense = b"\x00\xff\x51\x03\0\0\0" + b"\x00\xff\x58\x04\x00\xff\x18\x08" + b"\x00\xff\x59\x02\x19\x07"
    piece = read_midi(midi_file(nonsense + ON + OFF + END))
    assert (piece.tempos, piece.meters, piece.keys) == ((), (), ())


def test_what_follows_the_tracks_and_unknown_parts_are_passed_over() -> None:
    data = midi_file(ON + OFF + END)
    assert read_midi(data[:14] + b"XFIH\0\0\0\x02ab" + data[14:] + b"xyz") == read_midi(data)


def test_silence_at_the_end_is_kept() -> None:
    piece = Piece(96, (Track((Note(0, 96, 60),)),), length=384)
    assert read_midi(write_midi(piece)).end == 384


def test_an_end_too_far_away_is_refused() -> None:
    piece = Piece(96, (Track((Note(0, 96, 60),)),), length=96 * 60 * 120)
    with pytest.raises(MidiError, match=r"lasts 60\.0 minutes"):
        read_midi(write_midi(piece))


def test_mutated_files_are_read_or_refused_but_never_break_us() -> None:
    piece = Piece(
        96,
        (
            Track(tuple(Note(96 * i, 90, 60 + i % 7) for i in range(40)), 40, name="tune"),
            Track(tuple(Note(48 * i, 10, 36 + i % 2) for i in range(40)), percussion=True),
        ),
        tempos=(TempoChange(0, 500_000), TempoChange(960, 400_000)),
        meters=(MeterChange(0, 6, 8),),
        keys=(KeyChange(0, -1, "minor"),),
    )
    whole = write_midi(piece)
    dice = random.Random(1)
    refused, slowest, begun = 0, 0.0, time.process_time()
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(data))
            match dice.randrange(4):
                case 0:
                    data[at] = dice.randrange(256)
                case 1:
                    data[at:at] = dice.randbytes(dice.randint(1, 8))
                case 2:
                    del data[at : at + dice.randint(1, 8)]
                case _:
                    data[at] = dice.choice([0, 0x7F, 0x80, 0xFF, 0x2F, 0x51])
        before = time.process_time()
        try:
            read = read_midi(bytes(data))
        except MidiError:
            refused += 1
        else:
            assert read_midi(write_midi(read)) == read
        slowest = max(slowest, time.process_time() - before)
    assert 0 < refused < 3000
    assert slowest < 1
    assert time.process_time() - begun < 8


def ends_at(tick: int) -> bytes:
    """One quarter in 4/4 and an end-of-track event at the tick, 96 to the quarter."""
    events = bytes([0, 0x90, 60, 80, 96, 0x80, 60, 0]) + bytes([0x80 | (tick - 96) >> 7, (tick - 96) & 0x7F]) + b"\xff\x2f\x00"
    return b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 0, 96]) + b"MTrk" + len(events).to_bytes(4) + events


def test_a_file_that_goes_on_to_a_bar_line_ends_in_silence() -> None:
    assert read_midi(ends_at(384)).end == 384
    assert read_midi(ends_at(768)).end == 768


def test_an_end_of_track_off_the_bar_lines_says_nothing() -> None:
    assert read_midi(ends_at(100)).end == 96


def test_our_own_files_are_read_beyond_what_is_taken_from_outside() -> None:
    notes = tuple(Note(10 * n, 10, 60 + n % 7) for n in range(20_100))
    long = write_midi(Piece(480, (Track(notes),)))
    with pytest.raises(MidiError):
        read_midi(long)
    assert read_own_midi(long).note_count == 20_100
