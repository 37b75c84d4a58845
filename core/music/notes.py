"""Typed notes, such as `C4:1 E4:0.5 G4:0.5 r:1 [C4 E4 G4]:2`.

A note is a letter, `#` or `b` where it has one, and an octave (C4 is middle C, MIDI 60); `r` is a rest; brackets make a chord.
After `:` stands the length in quarter notes, as a decimal or a fraction such as `1/3`; without it the length is 1. Spaces,
commas and bar lines `|` separate, and mean nothing more.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NoReturn

from core.errors import NotationError
from core.music.limits import MAX_QUARTERS, check_limits
from core.music.piece import Note, Piece, Track
from core.music.voice import one_voice

TICKS_PER_QUARTER = 480
Ticks = int | Fraction
"""Exact; a Fraction, on which Python spends much more time, only where it has to be one."""
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHARP_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")

_TOKEN = re.compile(r"(?P<gap>[\s,|]+)|\[(?P<chord>[^\[\]]*)\](?P<chord_length>[^\s,|\[\]]*)|(?P<word>[^\s,|\[\]]+)")
_SOUND = re.compile(r"(?:(?P<letter>[A-Ga-g])(?P<sign>[#♯b♭]?)(?P<octave>-1|\d)|[rR])(?P<length>:.*)?")
_LENGTH = re.compile(r":(?:(\d{1,5}(?:\.\d{0,6})?|\.\d{1,6})|(\d{1,6})/(\d{1,3}))")


def read_notes(text: str) -> Piece:
    """One track of notes and chords. Raises NotationError, which names the word that is wrong and the place of it."""
    notes: list[Note] = []
    at: Ticks = 0
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            _refuse(text[place], place, "a bracket without its other half. A chord is written `[C4 E4 G4]:2`")
        start, place = place, match.end()
        if match["gap"]:
            continue
        if match["word"]:
            pitches, length = _sound(match["word"], start)
        else:
            pitches, length = _chord(match["chord"], start + 1), _length(match["chord_length"], match.end("chord") + 1)
        onset, at = round(at), at + length
        end = round(at)
        if pitches and end == onset:
            _refuse(match[0], start, f"too short. A note lasts at least 1/{TICKS_PER_QUARTER} of a quarter note")
        if at > MAX_QUARTERS * TICKS_PER_QUARTER:
            _refuse(match[0], start, f"too late. The music may be {MAX_QUARTERS:,} quarter notes long")
        notes += [Note(onset, end - onset, pitch) for pitch in pitches]
    if not notes:
        raise NotationError("There are no notes. Write some, such as `C4:1 E4:0.5 G4:0.5 r:1`.", field="prime")
    length_ticks = round(at)
    piece = Piece(TICKS_PER_QUARTER, (Track(tuple(notes)),), length=length_ticks if length_ticks > notes[-1].end else 0)
    check_limits(piece)
    return piece


def write_notes(piece: Piece) -> str:
    """The inverse of `read_notes` for a piece of one voice: its notes, without tempo, loudness or instrument.

    Times are rounded to 1/480 of a quarter note. Raises NotationError for a piece that is no single voice.
    """
    voice = one_voice(piece)
    if voice is None:
        raise NotationError("Only one voice can be written as typed notes; this piece has several.", field="prime")
    names = FLAT_NAMES if piece.keys and piece.keys[0].sharps < 0 else SHARP_NAMES
    words = []
    at = 0
    for start, duration, pitches in [*voice, (piece.end, 0, ())]:
        begin = max(round(Fraction(start * TICKS_PER_QUARTER, piece.ticks_per_quarter)), at)
        end = round(Fraction((start + duration) * TICKS_PER_QUARTER, piece.ticks_per_quarter))
        if begin > at:
            words.append("r" + _length_text(begin - at))
        at = max(end, begin + bool(pitches))
        if pitches:
            named = [f"{names[pitch % 12]}{pitch // 12 - 1}" for pitch in pitches]
            words.append((named[0] if len(named) == 1 else f"[{' '.join(named)}]") + _length_text(at - begin))
    return " ".join(words)


def _sound(word: str, place: int) -> tuple[tuple[int, ...], Ticks]:
    """The pitch of a note, or none for a rest, and its length."""
    match = _SOUND.fullmatch(word)
    if not match:
        _refuse(word, place, "no note. A note is written as name, octave and length, such as `C4:1`, `F#5:0.5` or `r:1`")
    return _pitches(match, place), _length(match["length"] or "", place + match.start("length"))


def _chord(inside: str, place: int) -> tuple[int, ...]:
    pitches: set[int] = set()
    for match in re.finditer(r"[^\s,]+", inside):
        note = _SOUND.fullmatch(match[0])
        if not note or not note["letter"] or note["length"]:
            _refuse(match[0], place + match.start(), "no note of a chord. A chord is written `[C4 E4 G4]:2`")
        pitches.update(_pitches(note, place + match.start()))
    if not pitches:
        _refuse(f"[{inside}]", place - 1, "a chord without notes. A chord is written `[C4 E4 G4]:2`")
    return tuple(sorted(pitches))


def _pitches(match: re.Match[str], place: int) -> tuple[int, ...]:
    if not match["letter"]:
        return ()
    sign = 0 if not match["sign"] else 1 if match["sign"] in "#♯" else -1
    pitch = 12 * (int(match["octave"]) + 1) + SEMITONES[match["letter"].upper()] + sign
    if not 0 <= pitch <= 127:
        _refuse(match[0], place, "beyond the range of MIDI, C-1 to G9")
    return (pitch,)


def _length(text: str, place: int) -> Ticks:
    """`:0.5`, `:1/3`, or nothing for 1."""
    if not text:
        return TICKS_PER_QUARTER
    match = _LENGTH.fullmatch(text)
    if not match or (match[3] and not 1 <= int(match[3]) <= TICKS_PER_QUARTER):
        _refuse(text, place, "no length. A length is written in quarter notes, such as `:1`, `:0.5` or `:1/3`")
    length = _ticks(text[1:])
    if length == 0:
        _refuse(text, place, "a length of nothing. A length is more than 0 quarter notes")
    return length


@lru_cache(maxsize=1024)
def _ticks(quarters: str) -> Ticks:
    """The number, which a piece repeats at almost every note."""
    ticks = Fraction(quarters) * TICKS_PER_QUARTER
    return ticks.numerator if ticks.denominator == 1 else ticks


def _length_text(ticks: int) -> str:
    if ticks == TICKS_PER_QUARTER:
        return ""
    quarters = Fraction(ticks, TICKS_PER_QUARTER)
    decimal = f"{ticks / TICKS_PER_QUARTER:.3f}".rstrip("0").rstrip(".")
    return f":{decimal if Fraction(decimal) == quarters else quarters}"


def _refuse(word: str, place: int, what: str) -> NoReturn:
    raise NotationError(f"Typed notes, character {place + 1}: {word[:20]!r} is {what}.", field="prime")
