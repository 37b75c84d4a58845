from __future__ import annotations

import contextlib
import random
import time

import pytest

from core.errors import MidiError
from core.music.limits import MAX_NOTES
from core.music.midi import write_midi
from core.music.midi_check import MAX_BYTES, MAX_EVENTS, check_midi
from core.music.piece import Note, Piece, TempoChange, Track

END = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x50\x60\x80\x3c\x00"


def midi_file(*tracks: bytes, layout: int = 1, division: int = 96, declared: int | None = None) -> bytes:
    count = len(tracks) if declared is None else declared
    header = layout.to_bytes(2) + count.to_bytes(2) + division.to_bytes(2)
    return b"MThd\0\0\0\x06" + header + b"".join(b"MTrk" + len(track).to_bytes(4) + track for track in tracks)


GOOD = midi_file(NOTE + END)


def test_a_good_file_passes() -> None:
    check_midi(GOOD)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "does not begin with MThd"),
        (b"RIFF" + GOOD, "does not begin with MThd"),
        (b"\xff" * 200_000, "does not begin with MThd"),
        (GOOD[:10], "cut short: it ends at byte 10, within its header"),
        (GOOD[:20], "cut short: it ends at byte 20"),
        (GOOD[:-3], "cut short: it ends at byte 31, within the part that begins at byte 14"),
        (midi_file(NOTE + END, declared=3), "cut short: it ends at byte 34, with 1 of the 3 tracks"),
        (midi_file(NOTE[:-1]), "Track 1 is cut short: it ends at byte 29"),
        (midi_file(NOTE + b"\x00\xff\x51"), "Track 1 is cut short"),
        (midi_file(NOTE + b"\x00\xff\x01\x7fabc"), "Track 1 is cut short"),
        (midi_file(NOTE + b"\x00\xf0\x7fabc"), "Track 1 is cut short"),
        (midi_file(NOTE + END, layout=2), "format 2"),
        (GOOD[:7] + b"\x08" + GOOD[8:], "must be 6"),
        (midi_file(NOTE + END, division=0), "0 ticks for a quarter note"),
        (midi_file(NOTE + END, division=10_000), "10000 ticks for a quarter note"),
        (midi_file(NOTE + END, division=0xE728), "SMPTE"),
        (midi_file(declared=0), "0 tracks"),
        (midi_file(*[NOTE + END] * 65), "65 tracks"),
        (midi_file(b"\x81\x82\x83\x84\x00" + NOTE + END), "byte 22: a number of variable length has more than 4 bytes"),
        (midi_file(b"\xff" * 1000), "more than 4 bytes"),
        (midi_file(NOTE + b"\x00\xf4" + END), "byte 31: the event 0xf4"),
        (midi_file(b"\x00\x3c\x50" + END), "byte 23: a value of 60 stands where an event should begin"),
        (midi_file(b"\x00\x90\x3c\x90" + END), "byte 24: an event's value is above 127"),
        (midi_file(b"\x00\x90\xbc\x10" + END), "byte 24: an event's value is above 127"),
        (midi_file(b"\x00\xff\x51\x02\x01\x01" + NOTE + END), "byte 22: a tempo event with 2 bytes"),
        (midi_file(b"\x00\xff\x58\x01\x01" + NOTE + END), "a metre event with 1 bytes"),
        (midi_file(b"\x00\xff\x59\x01\x01" + NOTE + END), "a key event with 1 bytes"),
        (midi_file(END), "no notes"),
        (midi_file(b"\x00\x90\x3c\x00" + END), "no notes"),
        (midi_file(NOTE + b"\xff\xff\xff\x7f" + NOTE[1:] + END), "2,796,204 quarter notes long"),
        (midi_file(b"\xff\xff\xff\x7f\x90\x3c\x50" * 100 + END), "quarter notes long"),
    ],
)
def test_what_is_broken_is_refused_in_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(MidiError, match=says) as refusal:
        check_midi(data)
    assert refusal.value.field == "prime"


def test_an_open_note_may_not_last_for_ever() -> None:
    with pytest.raises(MidiError, match="quarter notes long"):
        check_midi(midi_file(b"\x00\x90\x3c\x50" + b"\xff\xff\xff\x7f\xff\x2f\x00"))


def test_the_byte_after_a_megabyte_is_too_much() -> None:
    check_midi(GOOD + bytes(MAX_BYTES - len(GOOD)))
    with pytest.raises(MidiError, match="1,048,577 bytes"):
        check_midi(GOOD + bytes(MAX_BYTES - len(GOOD) + 1))


def test_too_many_events_are_refused_though_they_are_silent() -> None:
    check_midi(midi_file(NOTE + b"\x00\xb0\x07\x10" * (MAX_EVENTS - 3) + END))
    with pytest.raises(MidiError, match="more than 100,000 events"):
        check_midi(midi_file(NOTE + b"\x00\xb0\x07\x10" * MAX_EVENTS + END))


def test_too_many_notes_are_refused() -> None:
    check_midi(midi_file(b"\x00\x90\x3c\x50\x01\x80\x3c\x00" * MAX_NOTES + END))
    with pytest.raises(MidiError, match="20,001 notes"):
        check_midi(midi_file(b"\x00\x90\x3c\x50\x01\x80\x3c\x00" * (MAX_NOTES + 1) + END))


def test_minutes_are_counted_by_the_tempo_map() -> None:
    notes = (Track((Note(96 * 3000, 96, 60),)),)
    check_midi(write_midi(Piece(96, notes)))  # 25 minutes at 120 a minute
    with pytest.raises(MidiError, match=r"lasts 50\.0 minutes"):
        check_midi(write_midi(Piece(96, notes, tempos=(TempoChange(0, 1_000_000),))))
    with pytest.raises(MidiError, match=r"lasts 37\.5 minutes"):
        check_midi(write_midi(Piece(96, notes, tempos=(TempoChange(96 * 1500, 1_000_000),))))
    check_midi(write_midi(Piece(96, notes, tempos=(TempoChange(96 * 1500, 100_000),))))


def test_tempos_of_several_tracks_are_one_map() -> None:
    tempo = b"\x00\xff\x51\x03\x0f\x42\x40"
    long_track = b"\x86\xcb\x00\x90\x3c\x50\x60\x80\x3c\x00" + END  # from tick 108 928: 1134 quarter notes
    with pytest.raises(MidiError, match="minutes"):
        check_midi(midi_file(long_track, tempo.replace(b"\x0f\x42\x40", b"\x1e\x84\x80") + END))
    check_midi(midi_file(long_track, tempo + END))


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\xff\x51\x03\x00\x00\x01" * 99_990,
        b"\x00\x90\x3c\x50" * 25_000,
        b"\x00\x40\x00" * 300_000,
        b"\xff" * 1_000_000,
        random.Random(7).randbytes(1_000_000),
    ],
    ids=["tempos", "notes", "running", "ff", "noise"],
)
def test_a_megabyte_of_anything_is_judged_within_a_second(body: bytes) -> None:
    data = midi_file(NOTE + body)
    begun = time.process_time()
    with contextlib.suppress(MidiError):
        check_midi(data)
    assert time.process_time() - begun < 1
