"""Writes a piece of one voice as a tune in ABC notation, which `abc_in` and other programs read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from core.errors import NotationError
from core.music.abc_fields import FASTEST, SLOWEST, alterations
from core.music.abc_in import FLUTE
from core.music.keys import key_name, spell
from core.music.piece import KeyChange, MeterChange, Piece, TempoChange
from core.music.voice import one_voice

GRID = 192  # of a whole note: times are rounded to it, which holds 64ths and triplets of 32nds
BARS_PER_LINE = 4
MODES = {"major": "", "minor": "m", "dorian": "dor", "mixolydian": "mix"}
SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
EIGHTH, SIXTEENTH = Fraction(1, 8), Fraction(1, 16)


@dataclass(frozen=True, slots=True)
class Sound:
    """A note, chord or rest within one bar; times in whole notes. `tied`: it goes on in the next bar."""

    start: Fraction
    length: Fraction
    pitches: tuple[int, ...]
    tied: bool = False


def fits_abc(piece: Piece) -> bool:
    """Whether the piece is one voice without percussion, and so can be written."""
    return one_voice(piece) is not None


def write_abc(piece: Piece, title: str = "") -> str:
    """The tune, its times rounded to 1/48 of a quarter note. Raises NotationError for a piece that is no single voice."""
    sounds = _sounds(piece)
    bars = _Bars(piece)
    split = [part for sound in sounds for part in bars.split(sound)]
    first = split[0]
    if not first.pitches and first.length < bars.length(first.start) and bars.number(split[-1].start) > 0:
        del split[0]  # a pickup: the reader starts a short first bar late
    unit = _unit(split)
    track = next(track for track in piece.tracks if track.notes)
    name = " ".join((title or track.name or "Untitled").split()).replace("%", "")
    key = piece.keys[0] if piece.keys and piece.keys[0].tick == 0 else KeyChange(0, 0)
    lines = ["%abc-2.1", "X:1", f"T:{name}", f"M:{bars.name(Fraction(0))}", f"L:{unit}"]
    if piece.tempos and piece.tempos[0].tick == 0 and (tempo := _tempo(piece.tempos[0])):
        lines.append(f"Q:{tempo}")
    if track.program != FLUTE:
        lines.append(f"%%MIDI program {track.program}")
    lines.append(f"K:{_key(key)}")
    return "\n".join([*lines, *_music(piece, split, bars, unit, key)]) + "\n"


def _sounds(piece: Piece) -> list[Sound]:
    """The voice without gaps, on the grid."""
    voice = one_voice(piece)
    if voice is None:
        raise NotationError("Only one voice without percussion can be written as ABC; this piece has more.", field="prime")
    whole = 4 * piece.ticks_per_quarter
    sounds: list[Sound] = []
    free_from = 0
    for start, duration, pitches in [*voice, (piece.end, 0, ())]:
        begin = max(round(Fraction(start * GRID, whole)), free_from)
        end = max(round(Fraction((start + duration) * GRID, whole)), begin + bool(pitches))
        if begin > free_from:
            sounds.append(Sound(Fraction(free_from, GRID), Fraction(begin - free_from, GRID), ()))
        if pitches:
            sounds.append(Sound(Fraction(begin, GRID), Fraction(end - begin, GRID), pitches))
        free_from = end
    return sounds


class _Bars:
    """Where the bar lines are. A change of metre in mid-bar waits for the next line."""

    def __init__(self, piece: Piece) -> None:
        whole = 4 * piece.ticks_per_quarter
        self.origins: list[Fraction] = []
        self.meters: list[MeterChange] = []
        self.before: list[int] = []  # bars before each origin
        for meter in [*([] if piece.meters and piece.meters[0].tick == 0 else [MeterChange(0, 4, 4)]), *piece.meters]:
            origin, number = Fraction(meter.tick, whole), 0
            if self.meters:
                length = self._length(-1)
                count = max(-((self.origins[-1] - origin) // length), 0)  # bars of the metre before, the last one completed
                origin, number = self.origins[-1] + count * length, self.before[-1] + count
                if count == 0:
                    self.origins.pop(), self.meters.pop(), self.before.pop()
            self.origins.append(origin)
            self.meters.append(meter)
            self.before.append(number)

    def _length(self, index: int) -> Fraction:
        return Fraction(self.meters[index].numerator, self.meters[index].denominator)

    def _index(self, at: Fraction) -> int:
        return bisect_right(self.origins, at) - 1

    def length(self, at: Fraction) -> Fraction:
        return self._length(self._index(at))

    def name(self, at: Fraction) -> str:
        meter = self.meters[self._index(at)]
        return f"{meter.numerator}/{meter.denominator}"

    def number(self, at: Fraction) -> int:
        """The bar in which a time lies, from 0."""
        index = self._index(at)
        return self.before[index] + int((at - self.origins[index]) // self._length(index))

    def beat(self, at: Fraction) -> bool:
        """Whether notes that begin here begin a group under one beam."""
        index = self._index(at)
        meter = self.meters[index]
        compound = meter.numerator % 3 == 0 and meter.denominator == 8
        group = Fraction(3, 8) if compound else Fraction(1, 2) if self._length(index) == 1 else Fraction(1, 4)
        return (at - self.origins[index]) % self._length(index) % group == 0

    def end(self, at: Fraction) -> Fraction:
        """The bar line after a time."""
        index = self._index(at)
        return self.origins[index] + ((at - self.origins[index]) // self._length(index) + 1) * self._length(index)

    def split(self, sound: Sound) -> Iterator[Sound]:
        """Cut a sound at the bar lines."""
        at, end = sound.start, sound.start + sound.length
        while at < end:
            stop = min(self.end(at), end)
            yield Sound(at, stop - at, sound.pitches, tied=bool(sound.pitches) and stop < end)
            at = stop


def _unit(sounds: list[Sound]) -> Fraction:
    """Eighths or sixteenths: what makes more lengths whole."""
    eighths = sum((sound.length / EIGHTH).denominator == 1 for sound in sounds)
    sixteenths = sum((sound.length / SIXTEENTH).denominator == 1 for sound in sounds)
    return SIXTEENTH if sixteenths > 1.5 * eighths else EIGHTH


def _music(piece: Piece, sounds: list[Sound], bars: _Bars, unit: Fraction, key: KeyChange) -> list[str]:
    """The lines of the tune's body."""
    whole = 4 * piece.ticks_per_quarter
    changes = sorted(
        [(Fraction(change.tick, whole), f"[K:{_key(change)}]", change) for change in piece.keys if change.tick > 0]
        + [
            (Fraction(change.tick, whole), f"[Q:{tempo}]", change)
            for change in piece.tempos
            if change.tick > 0 and (tempo := _tempo(change))
        ],
        key=lambda change: change[0],
    )
    meter = bars.name(Fraction(0))
    spelling = _Spelling(key.sharps)
    lines: list[list[str]] = [[]]
    bar = bars.number(sounds[0].start)
    triplet_left = 0
    for place, sound in enumerate(sounds):
        text = " " if lines[-1] and bars.beat(sound.start) and not triplet_left else ""
        if bars.number(sound.start) != bar:
            bar = bars.number(sound.start)
            lines[-1].append(" |")
            spelling.begin_bar()
            if bar % BARS_PER_LINE == 0:
                lines.append([])
                text = ""
            if bars.name(sound.start) != meter:
                meter = bars.name(sound.start)
                text += f"[M:{meter}]"
        while changes and changes[0][0] <= sound.start:
            text += changes[0][1]
            if isinstance(changes[0][2], KeyChange):
                spelling = _Spelling(changes[0][2].sharps)
            del changes[0]
        if not triplet_left and _is_triplet(sounds[place : place + 3], bars):
            text += "(3"
            triplet_left = 3
        length = sound.length * Fraction(3, 2) if triplet_left else sound.length
        triplet_left = max(triplet_left - 1, 0)
        names = [spelling.write(pitch) for pitch in sound.pitches]
        text += "z" if not names else names[0] if len(names) == 1 else f"[{''.join(names)}]"
        lines[-1].append(text + _length_text(length / unit) + ("-" if sound.tied else ""))
    lines[-1].append(" |]")
    return ["".join(line) for line in lines if line]


def _is_triplet(sounds: list[Sound], bars: _Bars) -> bool:
    """Three sounds of one bar and one length, which is two thirds of a plain note's."""
    if len(sounds) < 3 or len({sound.length for sound in sounds}) > 1:
        return False
    plain = sounds[0].length * Fraction(3, 2)
    simple = plain.numerator == 1 and plain.denominator & (plain.denominator - 1) == 0
    return simple and bars.number(sounds[2].start) == bars.number(sounds[0].start)


class _Spelling:
    """Names pitches in a key, and writes an accidental wherever one reader or another would need it.

    In ABC an accidental holds for all octaves of its letter until the bar line; in print, and in some programs, only for its own.
    """

    def __init__(self, sharps: int) -> None:
        self.sharps = sharps
        self.in_key = alterations(sharps)
        self.begin_bar()

    def begin_bar(self) -> None:
        self.by_letter: dict[str, int] = {}
        self.by_place: dict[tuple[str, int], int] = {}

    def write(self, pitch: int) -> str:
        """`^f`, `C,` …"""
        letter, altered, octave = spell(pitch, self.sharps)
        understood = {
            self.by_letter.get(letter, self.in_key[letter]),
            self.by_place.get((letter, octave), self.in_key[letter]),
        }
        sign = ""
        if understood != {altered}:
            sign = SIGNS[altered]
            self.by_letter[letter] = self.by_place[letter, octave] = altered
        return sign + (letter.lower() + "'" * (octave - 5) if octave >= 5 else letter + "," * (4 - octave))


def _length_text(units: Fraction) -> str:
    above = "" if units.numerator == 1 else str(units.numerator)
    return above + (f"/{units.denominator}" if units.denominator > 1 else "")


def _key(key: KeyChange) -> str:
    return key_name(key).split()[0] + MODES[key.mode]


def _tempo(change: TempoChange) -> str | None:
    """None for a tempo beyond what ABC readers take."""
    quarters_a_minute = 60_000_000 / max(change.microseconds_per_quarter, 1)
    if not SLOWEST <= quarters_a_minute <= FASTEST:
        return None
    return "1/4=" + f"{quarters_a_minute:.3f}".rstrip("0").rstrip(".")
