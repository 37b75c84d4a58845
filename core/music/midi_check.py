"""Walks a Standard MIDI File byte by byte before any library sees it, and refuses what is broken or too much.

Libraries take minutes, hundreds of megabytes or a crash over some files of a few bytes. What passes here is well formed and
bounded. The format: midi.org, Standard MIDI Files 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from core.errors import MidiError
from core.music.limits import MAX_TICKS_PER_QUARTER, MIN_TICKS_PER_QUARTER, too_much

MAX_BYTES = 1024 * 1024
MAX_TRACKS = 64
MAX_EVENTS = 100_000

HEADER_BYTES = 14
META, SYSEX, SYSEX_MORE = 0xFF, 0xF0, 0xF7
END_OF_TRACK, TEMPO, METER, KEY = 0x2F, 0x51, 0x58, 0x59
META_BYTES = {TEMPO: (3, 3, "tempo"), METER: (2, 4, "metre"), KEY: (2, 2, "key")}  # fewest and most bytes of its value
NOTE_OFF, NOTE_ON, PROGRAM, PRESSURE = 0x80, 0x90, 0xC0, 0xD0


@dataclass(slots=True)
class MidiTrack:
    """One track: its events, with the time before its end-of-track event but not that event itself."""

    events: bytes
    open_notes: list[tuple[int, int]]
    """Channel and pitch of every note that is begun and never ended."""


@dataclass(slots=True)
class MidiFile:
    """What the walk found."""

    format: int
    ticks_per_quarter: int
    tracks: list[MidiTrack] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)  # (tick, microseconds a quarter note)
    events: int = 0
    notes: int = 0
    last_tick: int = 0  # of the notes
    end_tick: int = 0  # of the last end-of-track event


def check_midi(data: bytes) -> None:
    """Raises MidiError, which says what is wrong and at which byte."""
    walk(data)


def check_size(data: bytes) -> None:
    """Raises MidiError for more than a megabyte."""
    if len(data) > MAX_BYTES:
        _refuse(f"The file has {len(data):,} bytes; at most {MAX_BYTES:,} (1 MB) can be read.")


def walk(data: bytes) -> MidiFile:
    """Check every byte of a file and tell where its tracks lie. Raises MidiError."""
    check_size(data)
    midi, declared = _header(data)
    at = HEADER_BYTES
    while at < len(data) and len(midi.tracks) < declared:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8])
        start = at + 8
        if start + length > len(data):
            _refuse(f"The file is cut short: it ends at byte {len(data)}, within the part that begins at byte {at}.")
        if kind == b"MTrk":
            midi.tracks.append(_track(data, start, start + length, len(midi.tracks) + 1, midi))
        at = start + length
    if len(midi.tracks) < declared:
        found = f"with {len(midi.tracks)} of the {declared} tracks that it announces"
        _refuse(f"The file is cut short: it ends at byte {len(data)}, {found}.")
    if midi.notes == 0:
        _refuse("The file has no notes.")
    midi.tempos.sort(key=lambda change: change[0])
    if problem := too_much(midi.notes, midi.last_tick, midi.ticks_per_quarter, midi.tempos):
        _refuse(problem)
    return midi


def _header(data: bytes) -> tuple[MidiFile, int]:
    """The file's header, and how many tracks it announces."""
    if data[:4] != b"MThd":
        _refuse("This is not a MIDI file: it does not begin with MThd.")
    if len(data) < HEADER_BYTES:
        _refuse(f"The file is cut short: it ends at byte {len(data)}, within its header.")
    if int.from_bytes(data[4:8]) != 6:
        _refuse(f"The header at byte 4 has a length of {int.from_bytes(data[4:8])}; it must be 6.")
    layout, declared, division = (int.from_bytes(data[at : at + 2]) for at in (8, 10, 12))
    if layout not in (0, 1):
        _refuse(f"The file is of MIDI format {layout} (byte 8); only formats 0 and 1 can be read.")
    if not 1 <= declared <= MAX_TRACKS:
        _refuse(f"The file says that it has {declared} tracks (byte 10); it must have 1 to {MAX_TRACKS}.")
    if division >= 0x8000:
        _refuse("The file counts time in SMPTE frames (byte 12); only files that count in quarter notes can be read.")
    if not MIN_TICKS_PER_QUARTER <= division <= MAX_TICKS_PER_QUARTER:
        allowed = f"{MIN_TICKS_PER_QUARTER} to {MAX_TICKS_PER_QUARTER}"
        _refuse(f"The file's clock has {division} ticks for a quarter note (byte 12); {allowed} can be read.")
    return MidiFile(layout, division), declared


def _track(data: bytes, start: int, end: int, number: int, midi: MidiFile) -> MidiTrack:
    """Walk one track, and add what it holds to the file's counts."""
    at, tick, running = start, 0, 0
    sounding: dict[tuple[int, int], int] = {}
    while at < end:
        event_start = at
        midi.events += 1
        if midi.events > MAX_EVENTS:
            _refuse(f"The file has more than {MAX_EVENTS:,} events (at byte {at}).")
        delta, at = _variable_length(data, at, end, number)
        tick, after_delta = tick + delta, at
        if at >= end:
            _cut(number, at)
        if data[at] >= 0x80:
            status, at = data[at], at + 1
            running = status if status < 0xF0 else running
        elif running:
            status = running
        else:
            _refuse(f"Track {number}, byte {at}: a value of {data[at]} stands where an event should begin.")
        if status == META:
            if at >= end:
                _cut(number, at)
            kind = data[at]
            length, at = _variable_length(data, at + 1, end, number)
            if at + length > end:
                _cut(number, end)
            if kind == END_OF_TRACK:
                events = data[start:after_delta]
                midi.end_tick = max(midi.end_tick, tick)
                break
            if kind in META_BYTES:
                fewest, most, name = META_BYTES[kind]
                if not fewest <= length <= most:
                    _refuse(f"Track {number}, byte {event_start}: a {name} event with {length} bytes; it must have {most}.")
            if kind == TEMPO:
                midi.tempos.append((tick, int.from_bytes(data[at : at + 3])))
            at += length
        elif status in (SYSEX, SYSEX_MORE):
            length, at = _variable_length(data, at, end, number)
            if at + length > end:
                _cut(number, end)
            at += length
        elif status >= 0xF0:
            _refuse(f"Track {number}, byte {at - 1}: the event {status:#04x} does not belong in a file.")
        else:
            kind, channel = status & 0xF0, status & 0x0F
            size = 1 if kind in (PROGRAM, PRESSURE) else 2
            if at + size > end:
                _cut(number, end)
            if data[at] >= 0x80 or data[at + size - 1] >= 0x80:
                _refuse(f"Track {number}, byte {at}: an event's value is above 127.")
            if kind == NOTE_ON and data[at + 1]:
                midi.notes += 1
                sounding[channel, data[at]] = sounding.get((channel, data[at]), 0) + 1
                midi.last_tick = max(midi.last_tick, tick)
            elif kind in (NOTE_OFF, NOTE_ON) and sounding.get((channel, data[at])):
                sounding[channel, data[at]] -= 1
                midi.last_tick = max(midi.last_tick, tick)
            at += size
    else:
        events = data[start:end] + b"\x00"  # no end-of-track event: the track ends with its bytes
    open_notes = [note for note, times in sounding.items() for _ in range(times)]
    if open_notes:
        midi.last_tick = max(midi.last_tick, tick)
    return MidiTrack(events, open_notes)


def _variable_length(data: bytes, at: int, end: int, number: int) -> tuple[int, int]:
    """A number of one to four bytes, seven bits in each, and the place after it."""
    value = 0
    for place in range(at, at + 4):
        if place >= end:
            _cut(number, place)
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return _refuse(f"Track {number}, byte {at}: a number of variable length has more than 4 bytes.")


def _cut(number: int, at: int) -> NoReturn:
    _refuse(f"Track {number} is cut short: it ends at byte {at}, in the middle of an event.")


def _refuse(what: str) -> NoReturn:
    raise MidiError(what, field="prime")
