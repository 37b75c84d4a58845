"""Standard MIDI Files in and out, by symusic.

A Piece that this module has read comes back from a file exactly. What a MIDI file cannot hold is mended on the way out, and on
the way in: a note ends at the latest where the same pitch begins again in its track, and of two that begin together the longer
stays. Modes other than major and minor are written as the minor (dorian) or major (mixolydian) of their signature, with a
marker that says which; tracks without notes are left out; with more than 15 melodic tracks some share a channel. Not read:
controllers, pitch bends, lyrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import Any

from core.errors import MidiError
from core.music.keys import MAX_SHARPS
from core.music.limits import too_much
from core.music.midi_check import MidiFile, walk
from core.music.piece import KeyChange, MeterChange, Note, Piece, TempoChange, Track

END_MARKER = "end"  # a marker of this name stands where a piece that ends in silence is over
MAX_NUMERATOR, MAX_DENOMINATOR = 64, 64
MAX_TEMPO_MICROSECONDS = 2**24 - 1
SIGNATURE_MODES = ("major", "minor")  # by the byte that follows the sharps
MINOR_MODES = ("minor", "dorian")
ORDER = attrgetter("start", "duration", "pitch", "velocity")  # that of notes themselves, compared in less time
START_AND_PITCH = attrgetter("start", "pitch")
OTHER_MODES = ("dorian", "mixolydian")  # a marker of that name stands at their key signature


@cache
def _symusic() -> Any:
    """Its own type stubs do not fit what it exports. It takes long to import, and a worker writes only when a job is done."""
    import symusic

    return symusic


def read_midi(data: bytes) -> Piece:
    """Raises MidiError for what is no MIDI file, or too much of one. A note that is never ended lasts as long as its track.

    A file that goes on after its last note to exactly a bar line ends in silence until there.
    """
    midi = walk(data)
    piece = read_own_midi(_tidy(midi))
    if not piece.length and midi.end_tick > piece.end and _on_bar_line(piece, midi.end_tick):
        piece = replace(piece, length=midi.end_tick)
    tempos = [(tempo.tick, tempo.microseconds_per_quarter) for tempo in piece.tempos]
    if problem := too_much(piece.note_count, piece.end, piece.ticks_per_quarter, tempos):
        raise MidiError(problem, field="prime")
    return piece


def read_own_midi(data: bytes) -> Piece:
    """A file that `write_midi` has written: nothing is checked, and it may be longer than what is taken from outside."""
    try:
        score = _symusic().Score.from_midi(data)
    except RuntimeError as error:
        raise MidiError(f"The MIDI file cannot be read: {error}", field="prime") from error
    tracks = tuple(
        Track(_one_at_a_time(_notes(track)), track.program, track.is_drum, track.name) for track in score.tracks if track.notes
    )
    markers = [(marker.time, marker.text) for marker in score.markers]
    modes = {(tick, int(text in MINOR_MODES)): text for tick, text in markers if text in OTHER_MODES}
    return Piece(
        score.ticks_per_quarter,
        tracks,
        tempos=tuple(TempoChange(tempo.time, tempo.mspq) for tempo in score.tempos if tempo.mspq > 0),
        meters=tuple(
            MeterChange(meter.time, meter.numerator, meter.denominator)
            for meter in score.time_signatures
            if 1 <= meter.numerator <= MAX_NUMERATOR and 1 <= meter.denominator <= MAX_DENOMINATOR
        ),
        keys=tuple(
            KeyChange(key.time, key.key, modes.get((key.time, key.tonality)) or SIGNATURE_MODES[key.tonality])
            for key in score.key_signatures
            if abs(key.key) <= MAX_SHARPS and key.tonality in (0, 1)
        ),
        length=max((tick for tick, text in markers if text == END_MARKER), default=0),
    )


def _on_bar_line(piece: Piece, tick: int) -> bool:
    """Whether a bar begins at the tick, by the last metre before it."""
    before = [change for change in piece.meters if change.tick < tick]
    last = before[-1] if before else MeterChange(0, 4, 4)
    return (tick - last.tick) * last.denominator % (piece.ticks_per_quarter * 4 * last.numerator) == 0


def write_midi(piece: Piece) -> bytes:
    """The piece as a file of format 1: the same bytes for the same piece."""
    symusic = _symusic()
    score = symusic.Score(piece.ticks_per_quarter)
    for tempo in piece.tempos:
        score.tempos.append(symusic.Tempo(tempo.tick, mspq=min(max(tempo.microseconds_per_quarter, 1), MAX_TEMPO_MICROSECONDS)))
    for meter in piece.meters:
        score.time_signatures.append(symusic.TimeSignature(meter.tick, meter.numerator, meter.denominator))
    for key in piece.keys:
        score.key_signatures.append(symusic.KeySignature(key.tick, key.sharps, int(key.mode in MINOR_MODES)))
        if key.mode in OTHER_MODES:
            score.markers.append(symusic.TextMeta(key.tick, key.mode))
    if piece.length:
        score.markers.append(symusic.TextMeta(piece.length, END_MARKER))
    for track in piece.tracks:
        if track.notes:
            name = track.name.encode("utf-8", "replace").decode()
            midi_track = symusic.Track(name=name, program=track.program, is_drum=track.percussion)
            new_note, written = symusic.core.NoteTick, midi_track.notes  # symusic.Note would look for the class at every note
            for note in _one_at_a_time(track.notes):
                written.append(new_note(note.start, note.duration, note.pitch, max(note.velocity, 1)))
            score.tracks.append(midi_track)
    return bytes(score.dumps_midi())


def _tidy(midi: MidiFile) -> bytes:
    """A checked file with only its tracks in it, and an end for every note."""
    header = b"".join(value.to_bytes(2) for value in (midi.format, len(midi.tracks), midi.ticks_per_quarter))
    parts = [b"MThd", (6).to_bytes(4), header]
    for track in midi.tracks:
        last_events = [bytes([0x80 | channel, pitch, 0]) for channel, pitch in track.open_notes] + [b"\xff\x2f\x00"]
        events = track.events + b"\x00".join(last_events)
        parts += [b"MTrk", len(events).to_bytes(4), events]
    return b"".join(parts)


def _notes(track: Any) -> list[Note]:
    """A note of no length, as drum machines write them, gets one tick."""
    return [Note(note.time, max(note.duration, 1), note.pitch, note.velocity) for note in track.notes]


def _one_at_a_time(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Sorted, and no two notes of one pitch sounding at once."""
    by_pitch: dict[int, list[Note]] = {}
    for note in sorted(notes, key=ORDER):
        line = by_pitch.setdefault(note.pitch, [])
        if line and line[-1].start == note.start:
            line.pop()  # sorted by duration too: the longer comes last
        elif line and line[-1].start + line[-1].duration > note.start:
            before = line.pop()
            line.append(Note(before.start, note.start - before.start, before.pitch, before.velocity))
        line.append(note)
    return tuple(sorted((note for line in by_pitch.values() for note in line), key=START_AND_PITCH))
