"""Keys and metres by name, and the key that a piece seems to be in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from statistics import correlation

from core.errors import InvalidField
from core.music.piece import KeyChange, Piece

# How many sharps a mode has beyond the major key on the same tonic: D dorian has two fewer than D major.
MODE_SHARPS = {"major": 0, "minor": -3, "dorian": -2, "mixolydian": -1}
MODE_NAMES = {
    "": "major", "major": "major", "maj": "major", "ionian": "major", "ion": "major",
    "minor": "minor", "min": "minor", "m": "minor", "aeolian": "minor", "aeo": "minor",
    "dorian": "dorian", "dor": "dorian", "mixolydian": "mixolydian", "mix": "mixolydian",
}  # fmt: skip
FIFTHS = "FCGDAEB"  # the letters along the circle of fifths: C has no sharps, each step to the right one more
MAX_SHARPS = 7
NAMES_KEPT = 1024  # parsed names of keys and metres: every job asks for the same few again and again
LARGEST_NUMERATOR = 32
DENOMINATORS = (1, 2, 4, 8, 16, 32)

KEY_WEIGHTS = {
    "major": (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
    "minor": (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
}
USUAL_SHARPS = {
    "major": (0, 7, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5),
    "minor": (-3, 4, -1, -6, 1, -4, 3, -2, 5, 0, -5, 2),
}
"""Of the keys on C, C sharp and so on, as they are usually spelt."""

_KEY = re.compile(r"\s*([A-Ga-g])[\s-]*([#♯b♭]|sharp\b|flat\b)?[\s-]*([A-Za-z]*)\s*", re.IGNORECASE)


def fifths_of(letter: str, accidental: int = 0) -> int:
    """Steps from C along the circle of fifths: sharps of the major key on that note. `accidental` in semitones."""
    return FIFTHS.index(letter.upper()) - 1 + 7 * accidental


@lru_cache(NAMES_KEPT)
def parse_key(name: str) -> KeyChange:
    """Read "D minor", "Bb major", "E dorian", "Dm" or "f# minor". Raises InvalidField."""
    match = _KEY.fullmatch(name)
    mode = match and MODE_NAMES.get("major" if match[3] == "M" else match[3].lower())
    if not match or not mode:
        raise InvalidField(
            f"{name!r} is no key that we know. Write a note and a mode, such as D minor, Bb major, E dorian or A mixolydian.",
            field="attributes.key",
        )
    accidental = 0 if not match[2] else 1 if match[2].lower() in ("#", "♯", "sharp") else -1
    sharps = fifths_of(match[1], accidental) + MODE_SHARPS[mode]
    if abs(sharps) > MAX_SHARPS:
        better = key_name(KeyChange(0, sharps - 12 if sharps > 0 else sharps + 12, mode))
        raise InvalidField(f"{name!r} would need {abs(sharps)} accidentals. Write {better} instead.", field="attributes.key")
    return KeyChange(0, sharps, mode)


def key_name(key: KeyChange) -> str:
    """The one name of a key: "D minor", "Bb major". `parse_key` reads it back."""
    octave, letter = divmod(key.sharps - MODE_SHARPS[key.mode] + 1, 7)
    accidentals = "#" * octave if octave > 0 else "b" * -octave
    return f"{FIFTHS[letter]}{accidentals} {key.mode}"


def tonic(key: KeyChange) -> int:
    """Pitch class 0–11 of the keynote, C being 0."""
    return (key.sharps - MODE_SHARPS[key.mode]) * 7 % 12


def spell(pitch: int, sharps: int) -> tuple[str, int, int]:
    """How a MIDI pitch is written in a key: letter, alteration in semitones, octave (middle C is C of octave 4).

    The twelve spellings are neighbours on the circle of fifths: the key's seven notes, two flatter and three sharper.
    """
    flattest = sharps - 3
    fifths = (pitch * 7 - flattest) % 12 + flattest
    altered, letter = divmod(fifths + 1, 7)
    return FIFTHS[letter], altered, (pitch - altered) // 12 - 1


@lru_cache(NAMES_KEPT)
def parse_meter(name: str) -> tuple[int, int]:
    """Read "6/8", "C" (4/4) or "C|" (2/2) as (numerator, denominator). Raises InvalidField."""
    text = {"C": "4/4", "C|": "2/2"}.get(name.strip(), name)
    match = re.fullmatch(r"\s*(\d{1,3})\s*/\s*(\d{1,3})\s*", text)
    if not match or not 1 <= int(match[1]) <= LARGEST_NUMERATOR or int(match[2]) not in DENOMINATORS:
        raise InvalidField(
            f"{name!r} is no metre that we know. Write beats and beat unit, such as 4/4, 3/4 or 6/8.", field="attributes.meter"
        )
    return int(match[1]), int(match[2])


def analyse_key(piece: Piece) -> tuple[KeyChange, float]:
    """The likeliest major or minor key and its correlation (−1 to 1): Krumhansl's and Schmuckler's algorithm.

    With the weights of Temperley, Kostka and Payne (extras.humdrum.org/man/keycor): of the five that music21 has the surest on
    the openings of folk tunes. It finds what music21 finds, which takes a second and 60 MB to import. Percussion does not
    count. A piece without pitches is C major with correlation 0.
    """
    heard = [0.0] * 12  # how long each pitch class sounds
    for track in piece.tracks:
        for played in () if track.percussion else track.notes:
            heard[played.pitch % 12] += played.duration
    if not any(heard):
        return KeyChange(0, 0, "major"), 0.0
    fits = [
        (_correlation(weights, heard, keynote), keynote, mode) for mode, weights in KEY_WEIGHTS.items() for keynote in range(12)
    ]
    best, keynote, mode = max(fits)
    return KeyChange(0, USUAL_SHARPS[mode][keynote], mode), best


def _correlation(weights: Sequence[float], heard: Sequence[float], keynote: int) -> float:
    """Pearson's, of what is heard and the weights turned to the keynote; 0 where all twelve sound equally long."""
    turned = [weights[(place - keynote) % 12] for place in range(12)]
    if len(set(heard)) == 1:
        return 0.0
    return correlation(turned, heard)
