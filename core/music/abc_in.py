"""Reads a tune in ABC notation: one voice, with chords.

Repeats and endings are read once, as they are written, and not played out. Grace notes, slurs, decorations and chord symbols
are passed over; ties join two notes to one. A tune of several voices is refused.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from core.errors import NotationError
from core.music.abc_bars import Change, Event, Measure, Ticks, place
from core.music.abc_fields import ACCIDENTALS, Signature, read_key, read_meter, read_tempo, read_unit
from core.music.abc_lexer import Token, tokenize
from core.music.limits import check_limits
from core.music.piece import KeyChange, MeterChange, Piece, TempoChange, Track

TICKS_PER_QUARTER = 480
WHOLE = 4 * TICKS_PER_QUARTER
FLUTE = 73  # General MIDI, from 0: what a tune without a `%%MIDI program` line is played on
NATURAL_PITCHES = {"C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69, "B": 71}
LARGEST_DIVISOR = 128


def read_abc(text: str) -> Piece:
    """One tune, or only the music of one (M:4/4, L:1/8 and K:C are then assumed). Raises NotationError with line and column."""
    return read_abc_bars(text)[0]


def read_abc_bars(text: str) -> tuple[Piece, list[int]]:
    """The tune, and the ticks at which its bar lines stood: multiples of the bar where the tune keeps to its metre.

    Left out are lines within a bar, as between a strain that ends short and the pickup of the next.
    """
    reader = _Reader()
    for token in tokenize(text):
        reader.take(token)
    return reader.finish()


class _Reader:
    """The state of the notation at one place of the tune."""

    def __init__(self) -> None:
        self.measures: list[Measure] = [Measure(WHOLE, section=True)]
        self.meter: tuple[int, int] | None = (4, 4)
        self.unit_ticks: Ticks = 0  # of the unit of length; 0 before the first note of a tune without `L:`
        self.signature: Signature = read_key("C")
        self.in_bar: dict[str, int] = {}  # accidentals seen in this bar, by letter
        self.over_bar: dict[tuple[str, str], set[int]] = {}  # and those of notes tied into it, by letter and octave
        self.spelled: dict[tuple[str, str], set[int]] = {}  # how the notes of the last event were altered
        self.event: Event | None = None
        self.chord: tuple[Token, list[int], set[int], list[Ticks]] | None = None
        self.broken: Token | None = None
        self.tuplet_factor = Fraction(1)
        self.tuplet_left = 0
        self.title = ""
        self.program = FLUTE
        self.voice: str | None = None
        self.tunes = 0

    def take(self, token: Token) -> None:
        if self.chord and token.kind not in ("note", "tie", "chord_end"):
            self.chord[0].refuse("this chord `[` is not closed with `]`.")
        getattr(self, f"_{token.kind}")(token)

    def finish(self) -> tuple[Piece, list[int]]:
        if self.chord:
            self.chord[0].refuse("this chord `[` is not closed with `]`.")
        if self.broken:
            self.broken.refuse(f"no note follows `{self.broken.match[0]}`.")
        while len(self.measures) > 1 and not self.measures[-1].events:
            self.measures.pop()
        placed = place(self.measures)
        if not placed.notes:
            raise NotationError("The ABC has no notes.", field="prime")
        notes = sorted(placed.notes, key=lambda note: (note.start, note.pitch))
        changes = [replace(change, tick=tick) for tick, change in placed.changes]
        piece = Piece(
            TICKS_PER_QUARTER,
            (Track(tuple(notes), self.program, name=self.title),),
            tempos=tuple(change for change in changes if isinstance(change, TempoChange)),
            meters=tuple(change for change in changes if isinstance(change, MeterChange)),
            keys=tuple(change for change in changes if isinstance(change, KeyChange)),
            length=placed.end if placed.end > max(note.end for note in notes) else 0,
        )
        check_limits(piece)
        return piece, placed.bars

    def _unit_ticks(self) -> Ticks:
        """The unit of length. Where there is no `L:`, a metre below 3/4 counts in sixteenths, any other in eighths."""
        numerator, denominator = self.meter or (4, 4)
        return self.unit_ticks or WHOLE // (16 if 4 * numerator < 3 * denominator else 8)

    def _change(self, change: Change) -> None:
        measure = self.measures[-1]
        here = measure.length
        measure.changes = [(at, old) for at, old in measure.changes if at != here or type(old) is not type(change)]
        measure.changes.append((here, change))

    def _field(self, token: Token) -> None:
        name, value = token.match["name"], token.match["value"].strip()
        try:
            if name == "K":
                self.signature = read_key(value)
                self.in_bar, self.over_bar = {}, {}
                self._change(self.signature.key)
            elif name == "M":
                self.meter = read_meter(value)
                self._new_meter()
            elif name == "L":
                self.unit_ticks = _int_if_whole(WHOLE * read_unit(value))
            elif name == "Q":
                tempo = read_tempo(value, Fraction(self._unit_ticks(), WHOLE))
                if tempo:
                    self._change(TempoChange(0, tempo))
        except ValueError as error:
            token.refuse(str(error))
        if name == "T":
            self.title = self.title or value[:80]
        elif name == "X":
            self.tunes += 1
            if self.tunes > 1:
                token.refuse("a second tune begins here. Give one tune at a time.")
        elif name == "V":
            voice = re.split(r"\s", value, maxsplit=1)[0]
            if self.voice not in (None, voice):
                token.refuse(f"the tune has a second voice, {voice!r}. Only tunes of one voice can be read.")
            self.voice = voice

    def _new_meter(self) -> None:
        if self.measures[-1].events:
            self.measures.append(Measure(0))
        measure = self.measures[-1]
        measure.section = True
        measure.bar_ticks = WHOLE * self.meter[0] // self.meter[1] if self.meter else 0
        if self.meter:
            self._change(MeterChange(0, *self.meter))

    def _program(self, token: Token) -> None:
        self.program = min(int(token.match["program"]), 127)

    def _note(self, token: Token) -> None:
        if not self.chord:
            self.spelled = {}
        pitch = self._pitch(token)
        length = self._length(token, token.match["note_length"])
        if self.chord:
            self.chord[1].append(pitch)
            self.chord[3].append(length)
        else:
            self._add(length, (pitch,))

    def _pitch(self, token: Token) -> int:
        sign, letter, octave = token.match["accidental"], token.match["letter"], token.match["octave"]
        name = letter.upper()
        place = (letter, octave)
        if sign:
            self.in_bar[name] = ACCIDENTALS[sign]
        in_key = self.signature.alterations[name]
        tied = self.over_bar.get(place, {in_key})
        altered = self.in_bar.get(name, in_key if in_key in tied else min(tied))
        self.spelled.setdefault(place, set()).add(altered)
        pitch = NATURAL_PITCHES[name] + 12 * (letter.islower() + octave.count("'") - octave.count(",")) + altered
        if not 0 <= pitch <= 127:
            token.refuse(f"the note `{token.match[0]}` is beyond the range of MIDI, C,,,,, to g'''''.")
        return pitch

    def _rest(self, token: Token) -> None:
        length = self._length(token, token.match["rest_length"])
        if token.match["rest_sign"] == "Z":
            if not self.measures[-1].bar_ticks:
                token.refuse("`Z` rests for whole bars, but the metre is free.")
            length = Fraction(length * self.measures[-1].bar_ticks, self.unit_ticks)
        self._add(length, ())

    def _length(self, token: Token, text: str) -> Ticks:
        if not self.unit_ticks:
            self.unit_ticks = self._unit_ticks()  # a later `M:` does not change the unit that the tune began with
        length = _length_in_ticks(text, self.unit_ticks)
        if not length:
            token.refuse(f"the length of `{token.match[0]}` cannot be: it is 1 to 9999 units, or a part of them down to 1/128.")
        return length

    def _add(self, length: Ticks, pitches: tuple[int, ...]) -> None:
        if self.tuplet_left:
            length *= self.tuplet_factor
            self.tuplet_left -= 1
        if self.broken:
            length *= _broken(self.broken.match[0])[1]
            self.broken = None
        self.event = Event(_int_if_whole(length), pitches)
        self.measures[-1].events.append(self.event)
        self.over_bar = {}

    def _chord(self, token: Token) -> None:
        self.chord = (token, [], set(), [])
        self.spelled = {}

    def _chord_end(self, token: Token) -> None:
        if not self.chord:
            token.refuse("`]` closes no chord.")
        start, pitches, tied, lengths = self.chord
        self.chord = None
        if not pitches:
            start.refuse("this chord has no notes.")
        length = Fraction(lengths[0] * self._length(token, token.match["chord_length"]), self.unit_ticks)
        self._add(length, tuple(sorted(set(pitches))))
        if self.event:
            self.event.tied = tied

    def _tie(self, token: Token) -> None:
        if self.chord and self.chord[1]:
            self.chord[2].add(self.chord[1][-1])
        elif self.event:
            self.event.tied = set(self.event.pitches)
        else:
            token.refuse("the tie `-` has no note before it.")

    def _broken(self, token: Token) -> None:
        if not self.measures[-1].events or self.broken:
            token.refuse(f"`{token.match[0]}` must stand between two notes of a bar.")
        first = self.measures[-1].events[-1]
        first.length = _int_if_whole(first.length * _broken(token.match[0])[0])
        self.broken = token

    def _tuplet(self, token: Token) -> None:
        notes = int(token.match["notes"])
        compound = self.meter is not None and self.meter[0] % 3 == 0 and self.meter[1] >= 8
        usual = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(notes, 3 if compound else 2)
        self.tuplet_factor = Fraction(int(token.match["in_time"] or usual), notes)
        self.tuplet_left = int(token.match["count"] or notes)

    def _bar(self, token: Token) -> None:
        ending = int(token.match["bar_ending"] or token.match["ending"] or 0)
        section = token.match[0].strip("0123456789,- \t[") != "|"
        if self.measures[-1].events:
            self.measures.append(Measure(self.measures[-1].bar_ticks))
        measure = self.measures[-1]
        measure.section = measure.section or section
        measure.ending = ending or measure.ending
        tied = self.event is not None and bool(self.event.tied)
        self.over_bar = dict(self.spelled) if tied else {}
        self.in_bar = {}


def _broken(signs: str) -> tuple[Fraction, Fraction]:
    """What `>`, `>>`, `<` … make of the note before and of the note after."""
    short = Fraction(1, 2 ** len(signs))
    return (2 - short, short) if signs[0] == ">" else (short, 2 - short)


@lru_cache(maxsize=1024)
def _length_in_ticks(text: str, unit_ticks: Ticks) -> Ticks:
    """`2`, `3/2`, `/` or `//` units of length; 0 for what is no length."""
    numerator, slashes, divisor = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    if len(slashes) > 1 and divisor:
        return 0
    below = int(divisor) if divisor else 2 ** len(slashes)
    return _int_if_whole(Fraction(int(numerator or 1) * unit_ticks, below)) if 1 <= below <= LARGEST_DIVISOR else 0


def _int_if_whole(ticks: Ticks) -> Ticks:
    return ticks.numerator if ticks.denominator == 1 else ticks
