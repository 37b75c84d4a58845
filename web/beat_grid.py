"""The beat grid of the studio: nine drums by sixteen 16ths by up to two bars, each cell a checkbox whose value is `drum:step`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from core.music.beats import DRUMS

STEPS_PER_BAR = 16
BARS = 2
_STEPS = STEPS_PER_BAR * BARS

DRUM_LABELS = {
    36: _l("bass drum"), 38: _l("snare"), 42: _l("closed hi-hat"), 46: _l("open hi-hat"), 43: _l("low tom"),
    47: _l("middle tom"), 50: _l("high tom"), 49: _l("crash cymbal"), 51: _l("ride cymbal"),
}  # fmt: skip
SIXTEENTHS = (_l("beat %(beat)s"), _l("beat %(beat)s, e"), _l("beat %(beat)s, and"), _l("beat %(beat)s, a"))

# Rhythms that belong to everybody, by General MIDI pitch, one bar each.
_PATTERNS: dict[str, dict[int, str]] = {
    "empty": {},
    "rock": {36: "x.......x.x.....", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.x."},
    "funk": {36: "x..x..x...x..x..", 38: "....x..x.x..x..x", 42: "x.xxx.x.x.xxx.x."},
    "bossa": {36: "x..xx..xx..xx..x", 38: "x..x..x...x..x..", 42: "xxxxxxxxxxxxxxxx"},
    "samba": {36: "x..xx..xx..xx..x", 38: "x.x..x.xx.x.x.xx", 51: "x.xxx.xxx.xxx.xx"},
    "swing": {36: "x...x...x...x...", 42: "....x.......x...", 51: "x...x..xx...x..x"},
}
FIRST_PRESET = "rock"
PRESET_LABELS = {
    "rock": _l("Rock"),
    "funk": _l("Funk"),
    "bossa": _l("Bossa nova"),
    "samba": _l("Samba"),
    "swing": _l("Swing"),
}


@dataclass(frozen=True)
class Cell:
    """One checkbox. `hit` is its value, `label` what a screen reader says, `step` 0–15 within its bar."""

    hit: str
    label: str
    step: int


@dataclass(frozen=True)
class Row:
    drum: str
    label: str
    cells: tuple[Cell, ...]


def rows(bar: int) -> Iterator[Row]:
    """The grid of bar 0 or 1, in the reader's language, the drums in page order."""
    for drum, pitch in DRUMS.items():
        label = str(DRUM_LABELS.get(pitch, drum))
        yield Row(drum, label, tuple(_cell(drum, label, bar, step) for step in range(STEPS_PER_BAR)))


def _cell(drum: str, drum_label: str, bar: int, step: int) -> Cell:
    place = str(SIXTEENTHS[step % 4]) % {"beat": step // 4 + 1}
    if bar == 0:
        label = _("%(drum)s, %(place)s", drum=drum_label, place=place)
    else:
        label = _("%(drum)s, second bar, %(place)s", drum=drum_label, place=place)
    return Cell(f"{drum}:{bar * STEPS_PER_BAR + step}", label, step)


@cache
def presets() -> dict[str, dict[str, str]]:
    """The patterns by name, as `read_beats` takes them."""
    names = {pitch: name for name, pitch in DRUMS.items()}
    return {preset: {names[pitch]: steps for pitch, steps in pattern.items()} for preset, pattern in _PATTERNS.items()}


def hits_of(beats: dict[str, str]) -> frozenset[str]:
    """The cells to tick for a grid in strings."""
    return frozenset(f"{drum}:{step}" for drum, steps in beats.items() for step, mark in enumerate(steps) if mark == "x")


def read_hits(hits: frozenset[str]) -> dict[str, str]:
    """The grid in strings, one bar long or, when anything is ticked in the second bar, two; empty when nothing is ticked."""
    struck: dict[str, set[int]] = {}
    for hit in hits:
        drum, _colon, step = hit.partition(":")
        if drum in DRUMS and step.isdecimal() and int(step) < _STEPS:
            struck.setdefault(drum, set()).add(int(step))
    last = max((step for steps in struck.values() for step in steps), default=0)
    length = _STEPS if last >= STEPS_PER_BAR else STEPS_PER_BAR
    return {drum: "".join("x" if step in struck[drum] else "." for step in range(length)) for drum in DRUMS if drum in struck}
