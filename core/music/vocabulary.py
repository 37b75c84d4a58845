"""The music vocabulary: a piece is a header of attributes, then steps.

    START style metre key tempo | step step … | END        (attributes that a model does not have are left out)
    step = what begins now, lowest first, then how long until the next step:
           pitch… duration  |  HOLD duration (what sounded goes on)  |  duration (silence, or for drums nothing struck)

A melody's step lasts as long as its note; a beat's step is always one 16th and may hold several drums. No step crosses a
bar line: a longer note is held over it, so a held note is never mistaken for a repeated one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

from core.errors import InvalidField
from core.music.keys import parse_key, parse_meter, tonic

START, END = 0, 1
ATTRIBUTES = ("style", "meter", "key", "tempo")


@dataclass(frozen=True)
class MusicVocabulary:
    """All that a music model can say. Stored in the model card; token numbers follow from it."""

    ticks_per_quarter: int
    """The grid of the tokens."""
    percussion: bool
    pitches: tuple[int, ...]
    """MIDI pitches, ascending."""
    drum_map: dict[str, int]
    """Percussion: each General MIDI note that can be read → the pitch that stands for its drum. JSON keys are strings."""
    durations: tuple[int, ...]
    """Step lengths in grid ticks, ascending; the first is 1."""
    voices: int
    """How many pitches may begin in one step."""
    styles: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    usual_keys: tuple[str, ...] = ()
    """Those in which such music stands: a key that nobody asked for is one of them, though training hears all keys alike."""
    tempos: tuple[int, ...] = ()
    """Lower edges of the tempo classes, in quarter notes a minute."""
    lags: tuple[int, ...] = ()
    """The network sees what stood this many grid ticks ago …"""
    bar_lags: tuple[int, ...] = ()
    """… and this many bars ago."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MusicVocabulary:
        names = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in config.items() if name in names
        }
        return cls(**values)

    def config(self) -> dict[str, Any]:
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {"kind": "music", **values}

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that this model has, in header order."""
        return tuple(name for name in ATTRIBUTES if self.choices(name))

    def choices(self, attribute: str) -> tuple[str | int, ...]:
        choices: dict[str, tuple[str | int, ...]] = {
            "style": self.styles, "meter": self.meters, "key": self.keys, "tempo": self.tempos,
        }  # fmt: skip
        return choices[attribute]

    @cached_property
    def attribute_starts(self) -> dict[str, int]:
        """Token that says "unknown" for the attribute; its choices follow."""
        starts, token = {}, END + 1
        for name in self.attributes:
            starts[name] = token
            token += 1 + len(self.choices(name))
        return starts

    @cached_property
    def hold(self) -> int:
        last = self.attributes[-1]
        return self.attribute_starts[last] + 1 + len(self.choices(last))

    @cached_property
    def first_pitch(self) -> int:
        return self.hold + 1

    @cached_property
    def first_duration(self) -> int:
        return self.first_pitch + len(self.pitches)

    @cached_property
    def size(self) -> int:
        return self.first_duration + len(self.durations)

    @cached_property
    def header_length(self) -> int:
        """Tokens before the first step, START among them."""
        return 1 + len(self.attributes)

    @cached_property
    def pitch_index(self) -> dict[int, int]:
        return {pitch: index for index, pitch in enumerate(self.pitches)}

    def reading(self, pitch: int) -> int | None:
        """Index of the pitch that stands for this MIDI pitch, or None when the model cannot play it."""
        if self.percussion:
            return self.pitch_index.get(self.drum_map.get(str(pitch), -1))
        return self.pitch_index.get(pitch)

    def attribute_token(self, name: str, value: str | float | None) -> int:
        """The header token; None and values outside the choices say "unknown". A tempo falls into its class."""
        start, choices = self.attribute_starts[name], self.choices(name)
        if value is None:
            return start
        if name == "tempo":
            return start + 1 + max(0, sum(edge <= float(value) for edge in self.tempos) - 1)
        if name == "key":
            return start + self._key_choice(str(value))
        return start + 1 + choices.index(value) if value in choices else start

    def _key_choice(self, name: str) -> int:
        """1 + the place of the key of this mode on this keynote, however it is spelt; 0 when there is none."""
        key = parse_key(name)
        return self._key_choices.get((tonic(key), key.mode), 0)

    @cached_property
    def _key_choices(self) -> dict[tuple[int, str], int]:
        """Keynote and mode → 1 + the place of the first such key."""
        offered = [(tonic(key), key.mode) for key in map(parse_key, self.keys)]
        return {sounding: 1 + offered.index(sounding) for sounding in offered}

    def attribute_value(self, name: str, token: int) -> str | int | None:
        """What a header token says: None for unknown; for a tempo the middle of its class."""
        index = token - self.attribute_starts[name] - 1
        if index < 0:
            return None
        if name == "tempo":
            edges = self.tempos
            width = (edges[index + 1] if index + 1 < len(edges) else 2 * edges[index] - edges[index - 1]) - edges[index]
            return edges[index] + width // 2
        return self.choices(name)[index]

    def bar_ticks(self, meter: str) -> int:
        """Length of a bar in grid ticks; raises InvalidField for a metre that does not parse, or that the grid cannot hold."""
        numerator, denominator = parse_meter(meter)
        bar, rest = divmod(self.ticks_per_quarter * 4 * numerator, denominator)
        if rest:
            message = f"A bar of {meter} is no whole number of the steps on which the model plays."
            raise InvalidField(message, field="attributes.meter")
        return bar

    def counted_bar(self, meter: str) -> int:
        """The bar as the network counts it: one that is longer than any that it knows is cut into equal parts."""
        bar, longest = self.bar_ticks(meter), max(self.bar_ticks_by_choice)
        return next(bar // parts for parts in range(1, bar + 1) if bar % parts == 0 and bar // parts <= longest)

    @cached_property
    def bar_ticks_by_choice(self) -> tuple[int, ...]:
        """By metre token offset; unknown counts as 4/4 until it is known."""
        return (4 * self.ticks_per_quarter, *(self.bar_ticks(meter) for meter in self.meters))

    @cached_property
    def tonic_by_choice(self) -> tuple[int, ...]:
        """Pitch class 0–11 by key token offset; 12 for unknown."""
        return (12, *(tonic(parse_key(key)) for key in self.keys))
