"""MusicXML out, through music21: bars, ties over bar lines, rests, keys, metres and tempos. No date: same piece, same bytes.

Times are rounded to a 24th of a quarter note, since a score has no finer values. Notes that overlap stand in voices of one staff.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.music.keys import key_name, spell
from core.music.piece import KeyChange, MeterChange, Piece, Track

PER_QUARTER = 48  # notes begin and end on even counts; bar lines need the odd ones too, in a metre of 64ths
NOTATABLE = (192, 144, 128, 96, 72, 64, 48, 36, 32, 24, 18, 16, 12, 9, 8, 6, 4, 3, 2, 1)  # plain, dotted and triplet notes
DRUM_LINES = {36: "F4", 43: "A4", 47: "D5", 50: "E5", 38: "C5", 42: "G5", 46: "G5", 51: "F5", 49: "A5"}
"""Where the usual drums stand on a five-line staff; others stand in the middle."""
BASS_CLEF_BELOW = 55  # mean pitch


@dataclass(frozen=True, slots=True)
class Sound:
    """Pitches that begin and end together, in counts of PER_QUARTER."""

    start: int
    end: int
    pitches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """From one bar line to the next, in counts; `meter` where a new one begins."""

    start: int
    end: int
    meter: MeterChange | None


def write_musicxml(piece: Piece, title: str = "") -> str:
    """A score-partwise document with one part for each track that has notes."""
    from music21 import metadata, stream  # takes a second to import, and only scores need it
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    score = stream.Score()
    score.metadata = metadata.Metadata(title=_printable(title) or "Ritornello", composer="Ritornello")
    bars = list(_bars(piece))
    for number, track in enumerate((track for track in piece.tracks if track.notes), start=1):
        score.insert(0, _part(piece, track, number, bars))
    exporter = GeneralObjectExporter(score)
    exporter.makeNotation = False  # the parts have bars, voices, ties and beams already
    return re.sub(r"\s*<encoding-date>.*?</encoding-date>", "", exporter.parse().decode())


def _counts(piece: Piece, tick: int) -> int:
    return 2 * round(tick * PER_QUARTER / 2 / piece.ticks_per_quarter)


def _bars(piece: Piece) -> Iterator[Bar]:
    """The bars of the whole piece, at least one. A change of metre ends the bar before it early."""
    meters = [*([] if piece.meters and piece.meters[0].tick == 0 else [MeterChange(0, 4, 4)]), *piece.meters]
    end = max(_counts(piece, piece.end), 1)
    for number, meter in enumerate(meters):
        start = _counts(piece, meter.tick)
        stop = _counts(piece, meters[number + 1].tick) if number + 1 < len(meters) else end
        length = 4 * PER_QUARTER * meter.numerator // meter.denominator
        for at in range(start, min(stop, end), length):
            until = at + length if number + 1 == len(meters) else min(at + length, stop)
            yield Bar(at, until, meter if at == start else None)


def _part(piece: Piece, track: Track, number: int, bars: list[Bar]) -> Any:
    """One staff."""
    from music21 import clef, instrument, stream
    from music21.stream import makeNotation

    part: Any = stream.Part(id=f"P{number}")
    player: Any = instrument.UnpitchedPercussion() if track.percussion else instrument.instrumentFromMidiProgram(track.program)
    player.partId, player.instrumentId = f"P{number}", f"I{number}"  # else music21 draws them at random
    player.transposition = None  # a score at concert pitch
    player.partName = _printable(track.name) or player.instrumentName
    part.insert(0, player)
    mean_pitch = sum(note.pitch for note in track.notes) / len(track.notes)
    voices = _voices(_sounds(piece, track))
    keys = sorted(piece.keys, key=lambda key: key.tick)
    for bar_number, bar in enumerate(bars, start=1):
        measure: Any = stream.Measure(number=bar_number)
        if bar_number == 1:
            low = clef.BassClef() if mean_pitch < BASS_CLEF_BELOW else clef.TrebleClef()
            measure.insert(0, clef.PercussionClef() if track.percussion else low)
        key = next((key for key in reversed(keys) if _counts(piece, key.tick) <= bar.start), KeyChange(0, 0))
        lines = [list(_elements(voice, bar, key.sharps, track.percussion)) for voice in voices]
        sounding = [line for line in lines if any(not element.isRest for element in line)] or lines[:1]
        for voice_number, line in enumerate(sounding, start=1):
            home = measure if len(sounding) == 1 else stream.Voice(id=str(voice_number))
            for element in line:
                home.append(element)
            makeNotation.makeTupletBrackets(home, inPlace=True)
            if home is not measure:
                measure.insert(0, home)
        for at, sign in _signs(piece, bar, with_tempo=number == 1, with_keys=not track.percussion):
            measure.insert(at, sign)
        part.append(measure)
    makeNotation.makeAccidentalsInMeasureStream(part)
    makeNotation.makeBeams(part, inPlace=True, setStemDirections=False)
    return part


def _signs(piece: Piece, bar: Bar, with_tempo: bool, with_keys: bool) -> Iterator[tuple[float, Any]]:
    """Metre, keys and tempos of a bar, each at its quarter."""
    from music21 import key, meter, tempo

    if bar.meter:
        yield 0.0, meter.TimeSignature(f"{bar.meter.numerator}/{bar.meter.denominator}")
    for change in piece.keys if with_keys else ():
        if bar.start <= _counts(piece, change.tick) < bar.end:
            tonic, mode = key_name(change).split()
            yield 0.0, key.Key(tonic.replace("b", "-"), mode)
    for mark in piece.tempos if with_tempo else ():
        if bar.start <= _counts(piece, mark.tick) < bar.end:
            quarters_a_minute = round(60_000_000 / max(mark.microseconds_per_quarter, 1), 2)
            yield (_counts(piece, mark.tick) - bar.start) / PER_QUARTER, tempo.MetronomeMark(number=quarters_a_minute)


def _sounds(piece: Piece, track: Track) -> list[Sound]:
    together: dict[tuple[int, int], set[int]] = {}
    for note in track.notes:
        start = _counts(piece, note.start)
        together.setdefault((start, max(_counts(piece, note.end), start + 2)), set()).add(note.pitch)
    return [Sound(start, end, tuple(sorted(pitches))) for (start, end), pitches in sorted(together.items())]


def _voices(sounds: list[Sound]) -> list[list[Sound]]:
    """Each sound in the first voice that is free."""
    voices: list[list[Sound]] = []
    for sound in sounds:
        free = next((voice for voice in voices if voice[-1].end <= sound.start), None)
        if free is None:
            voices.append([sound])
        else:
            free.append(sound)
    return voices


def _elements(voice: list[Sound], bar: Bar, sharps: int, percussion: bool) -> Iterator[Any]:
    """What a voice does in a bar, without gaps: notes, chords and rests of lengths that can be written, tied together."""
    from music21 import note, tie

    at = bar.start
    for sound in voice:
        if sound.end <= bar.start or sound.start >= bar.end:
            continue
        for _, length in _split(at, max(sound.start, at)):
            yield note.Rest(quarterLength=length / PER_QUARTER)
        at = min(sound.end, bar.end)
        for start, length in _split(max(sound.start, bar.start), at):
            element = _element(sound.pitches, sharps, percussion)
            element.quarterLength = length / PER_QUARTER
            comes, goes = start > sound.start, start + length < sound.end
            if comes or goes:
                element.tie = tie.Tie("continue" if comes and goes else "start" if goes else "stop")
            yield element
    for _, length in _split(at, bar.end):
        yield note.Rest(quarterLength=length / PER_QUARTER)


def _split(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lengths that one note can have, the longest first."""
    while start < end:
        length = next(length for length in NOTATABLE if length <= end - start)
        yield start, length
        start += length


def _element(pitches: tuple[int, ...], sharps: int, unpitched: bool) -> Any:
    from music21 import chord, note, percussion, pitch

    if unpitched:
        struck = [note.Unpitched(displayName=DRUM_LINES.get(one, "B4")) for one in pitches]
        return struck[0] if len(struck) == 1 else percussion.PercussionChord(struck)
    written = []
    for one in pitches:
        letter, altered, octave = spell(one, sharps)
        named = pitch.Pitch(letter, octave=octave)
        if altered:
            named.accidental = pitch.Accidental(altered)
        written.append(note.Note(named))
    return written[0] if len(written) == 1 else chord.Chord(written)


def _printable(text: str) -> str:
    """Without the control characters that XML forbids."""
    return "".join(character for character in text if character.isprintable()).strip()
