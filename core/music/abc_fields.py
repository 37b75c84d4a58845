"""What the fields of an ABC tune mean: key, metre, unit of length, tempo."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from core.music.keys import DENOMINATORS, FIFTHS, LARGEST_NUMERATOR, MAX_SHARPS, fifths_of
from core.music.piece import KeyChange

ACCIDENTALS = {"=": 0, "^": 1, "^^": 2, "_": -1, "__": -2}
# Modes by their first three letters, as ABC compares them. Those that a Piece cannot name keep their signature and become
# its major or minor: G lydian has the notes, and the signature, of D major.
MODES = {
    "": (0, "major"), "M": (0, "major"), "maj": (0, "major"), "ion": (0, "major"), "lyd": (1, "major"),
    "m": (-3, "minor"), "min": (-3, "minor"), "aeo": (-3, "minor"), "phr": (-4, "minor"), "loc": (-5, "minor"),
    "dor": (-2, "dorian"), "mix": (-1, "mixolydian"), "exp": (0, "major"),
}  # fmt: skip
SLOWEST, FASTEST = 5, 1000  # quarter notes a minute

_ENGRAVING = re.compile(r"\b(?:\w+=\S+|(?:treble|alto|tenor|bass|perc)\S*)")  # clefs and the like: nothing that sounds
_KEY = re.compile(r"([A-G])([#b♯♭]?)\s*([A-Za-z]*)\s*((?:(?:\^{1,2}|_{1,2}|=)[A-Ga-g]\s*)*)")
_ACCIDENTAL = re.compile(r"(\^{1,2}|_{1,2}|=)([A-Ga-g])")
_METER = re.compile(r"\(?(\d{1,2}(?:\s*\+\s*\d{1,2})*)\)?\s*/\s*(\d{1,2})")
_UNIT = re.compile(r"([1-4])(?:/([1-9]\d{0,2}))?")
_TEMPO = re.compile(r"(?:((?:\d{1,2}/[1-9]\d?\s*)+|C)\s*=\s*)?(\d{1,4}(?:\.\d{0,4})?)")


@dataclass(frozen=True, slots=True)
class Signature:
    """A key, and what it does to each of the seven letters, in semitones."""

    key: KeyChange
    alterations: dict[str, int]


def read_key(value: str) -> Signature:
    """The value of a `K:` field: `G`, `Ador`, `D Mixolydian`, `HP`, `D exp _b ^f`. Raises ValueError with what is wrong."""
    text = _ENGRAVING.sub("", value).strip()
    if text.lower() in ("", "none"):
        text = "C"
    elif text.upper() == "HP":  # the Highland pipes
        text = "A mix"
    match = _KEY.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:20]!r} is no key. Write a note and a mode, such as `K:D`, `K:Bb`, `K:Em` or `K:Ador`.")
    letter, sign, word, accidentals = match.groups()
    mode = word if word in ("m", "M") else word.lower()[:3]
    if mode not in MODES:
        raise ValueError(f"{word!r} is no mode. Modes are major, minor, dorian, mixolydian, lydian, phrygian and locrian.")
    sharps = fifths_of(letter, 0 if not sign else 1 if sign in "#♯" else -1) + MODES[mode][0]
    if abs(sharps) > MAX_SHARPS:
        raise ValueError(f"the key {text!r} needs {abs(sharps)} accidentals; seven is the most that a signature has.")
    in_key = dict.fromkeys(FIFTHS, 0) if mode == "exp" else alterations(sharps)
    own = {name.upper(): ACCIDENTALS[mark] for mark, name in _ACCIDENTAL.findall(accidentals)}
    return Signature(KeyChange(0, sharps, MODES[mode][1]), in_key | own)


def alterations(sharps: int) -> dict[str, int]:
    """What a key signature does to each letter, in semitones."""
    return {letter: int(place < sharps) - int(6 - place < -sharps) for place, letter in enumerate(FIFTHS)}


def read_meter(value: str) -> tuple[int, int] | None:
    """The value of an `M:` field; None for free metre. Raises ValueError with what is wrong."""
    text = value.strip()
    if text in ("C", "c"):
        return 4, 4
    if text in ("C|", "c|"):
        return 2, 2
    if text.lower() in ("none", ""):
        return None
    match = _METER.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no metre. Write one such as `M:6/8`, `M:4/4`, `M:C|` or `M:none`.")
    numerator = sum(int(part) for part in match[1].split("+"))
    if not 1 <= numerator <= LARGEST_NUMERATOR or int(match[2]) not in DENOMINATORS:
        raise ValueError(f"the metre {text!r} is out of range: up to {LARGEST_NUMERATOR} beats of 1/1 to 1/{DENOMINATORS[-1]}.")
    return numerator, int(match[2])


def read_unit(value: str) -> Fraction:
    """The value of an `L:` field, as a part of a whole note. Raises ValueError with what is wrong."""
    match = _UNIT.fullmatch(value.strip())
    if not match or int(match[2] or 1) > 128:
        raise ValueError(f"{value.strip()[:20]!r} is no unit of length. Write one such as `L:1/8` or `L:1/16`.")
    return Fraction(int(match[1]), int(match[2] or 1))


def read_tempo(value: str, unit: Fraction) -> int | None:
    """The value of a `Q:` field in microseconds a quarter note; None where it is words only. Raises ValueError.

    A bare number counts units of length (`L:`) a minute, as ABC 1.6 had it.
    """
    text = re.sub(r'"[^"]*"', "", value).strip()
    if not text:
        return None
    match = _TEMPO.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:20]!r} is no tempo. Write one such as `Q:1/4=120`.")
    beats, rate = match.groups()
    beat = unit if beats in (None, "C") else sum((Fraction(part) for part in beats.split()), Fraction(0))
    quarters_a_minute = 4 * beat * Fraction(rate)
    if not SLOWEST <= quarters_a_minute <= FASTEST:
        raise ValueError(f"the tempo {text!r} is out of range: {SLOWEST} to {FASTEST} quarter notes a minute.")
    return round(60_000_000 / quarters_a_minute)
