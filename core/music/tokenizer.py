"""Piece ⇄ tokens: lossless on the vocabulary's grid, and any list of tokens decodes to a valid piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.music.keys import parse_key, parse_meter
from core.music.piece import MeterChange, Note, Piece, TempoChange, Track
from core.music.vocabulary import END, START, MusicVocabulary

DEFAULT_VELOCITY = 80


@dataclass(frozen=True)
class Step:
    """What begins at one place of the grid, as pitch indices, and the grid ticks until the next. `hold`: what sounded goes on."""

    pitches: tuple[int, ...]
    hold: bool
    duration: int


class MusicTokenizer:
    """Encodes the one line (or the one drum kit) of a piece that its vocabulary can hold."""

    def __init__(self, vocabulary: MusicVocabulary) -> None:
        self.vocabulary = vocabulary
        self.size = vocabulary.size

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MusicTokenizer:
        return cls(MusicVocabulary.from_config(dict(config)))

    def header(self, attributes: Mapping[str, str | float | None]) -> list[int]:
        """START and one token for each attribute that the vocabulary has."""
        v = self.vocabulary
        return [START, *(v.attribute_token(name, attributes.get(name)) for name in v.attributes)]

    def encode(self, piece: Piece, attributes: Mapping[str, str | float | None], end: bool = True) -> list[int]:
        """Header, steps up to the end of the piece, and END (with the last bar filled) unless `end` is false."""
        v = self.vocabulary
        meter = str(attributes.get("meter") or "4/4")
        bar = v.bar_ticks(meter)
        tokens = self.header(attributes) + self.step_tokens(self.steps(piece, bar, fill=end))
        return [*tokens, END] if end else tokens

    def step_tokens(self, steps: Iterable[Step]) -> list[int]:
        v = self.vocabulary
        tokens: list[int] = []
        for step in steps:
            if step.hold:
                tokens.append(v.hold)
            tokens.extend(v.first_pitch + index for index in step.pitches)
            tokens.append(v.first_duration + v.durations.index(step.duration))
        return tokens

    def steps(self, piece: Piece, bar: int, fill: bool) -> list[Step]:
        """The piece on the grid, cut at bar lines. Later notes cut earlier ones short: the line has one voice (or one kit).

        Bars are counted back from the piece's last metre change, so that its present bar lines are the network's.
        """
        onsets, length = self.quantise(piece)
        if onsets and bar:
            shift = self.bar_shift(piece, bar)
            onsets = {tick + shift: value for tick, value in onsets.items()}
            length += shift
        if fill:
            length = -(-length // bar) * bar
        steps: list[Step] = []
        places = sorted(onsets)
        if not places or places[0] > 0:
            steps += self._cut((), 0, places[0] if places else length, bar)
        for place, after in zip(places, [*places[1:], length], strict=True):
            pitches, duration = onsets[place]
            sounding = min(duration, after - place)
            steps += self._cut(pitches, place, place + sounding, bar)
            steps += self._cut((), place + sounding, after, bar)
        return steps

    def bar_shift(self, piece: Piece, bar: int) -> int:
        """Grid ticks to put before the piece so that its last metre change falls on a bar line."""
        if not piece.meters:
            return 0
        return -self._to_grid(piece.meters[-1].tick, piece) % bar

    def quantise(self, piece: Piece) -> tuple[dict[int, tuple[tuple[int, ...], int]], int]:
        """Onset tick on the grid → (pitch indices ascending, duration ≥ 1), and the length of the whole in grid ticks (rounded up)."""
        v = self.vocabulary
        starts: dict[int, dict[int, int]] = {}
        for track in piece.tracks:
            if track.percussion != v.percussion:
                continue
            for note in track.notes:
                index = v.reading(note.pitch)
                if index is not None:
                    place = self._to_grid(note.start, piece)
                    sounding = 1 if v.percussion else max(1, self._to_grid(note.end, piece) - place)
                    chord = starts.setdefault(place, {})
                    chord[index] = max(sounding, chord.get(index, 0))
        onsets = {}
        for place, chord in starts.items():
            kept = sorted(chord)[-v.voices :]  # the highest voices are the line
            onsets[place] = (tuple(kept), max(chord[index] for index in kept))
        length = -(-piece.end * v.ticks_per_quarter // piece.ticks_per_quarter)
        last = max(onsets, default=-1)
        return onsets, max(length, last + 1)

    def decode(self, tokens: Iterable[int], ticks_per_quarter: int = 480) -> Piece:
        """Any token list as a piece: what the grammar does not allow is passed over."""
        steps, attributes = self.parse(tokens)
        notes, tick = self.notes(steps, ticks_per_quarter)
        meter = attributes.get("meter")
        key = attributes.get("key")
        tempo = attributes.get("tempo")
        return Piece(
            ticks_per_quarter=ticks_per_quarter,
            tracks=(Track(tuple(notes), percussion=self.vocabulary.percussion),),
            tempos=(TempoChange(0, round(60_000_000 / float(tempo))),) if tempo else (),
            meters=(MeterChange(0, *parse_meter(str(meter))),) if meter else (),
            keys=(parse_key(str(key)),) if key else (),
            length=tick,
        )

    def parse(self, tokens: Iterable[int]) -> tuple[list[Step], dict[str, str | int | None]]:
        """Steps and attributes that a token list says. Unfinished steps at the end are dropped."""
        v = self.vocabulary
        attributes: dict[str, str | int | None] = {}
        steps: list[Step] = []
        pitches: list[int] = []
        hold = False
        for token in tokens:
            if token >= v.first_duration:
                steps.append(Step(tuple(pitches), hold and not pitches, v.durations[token - v.first_duration]))
                pitches, hold = [], False
            elif token >= v.first_pitch:
                index = token - v.first_pitch
                if len(pitches) < v.voices and (not pitches or index > pitches[-1]):
                    pitches.append(index)
            elif token == v.hold:
                hold = bool(steps) and bool(steps[-1].pitches or steps[-1].hold)
            elif token > END:
                name = max((name for name in v.attributes if v.attribute_starts[name] <= token), key=v.attribute_starts.__getitem__)
                attributes[name] = v.attribute_value(name, token)
        return steps, attributes

    def notes(self, steps: Iterable[Step], ticks_per_quarter: int, first_tick: int = 0, velocity: int = DEFAULT_VELOCITY) -> tuple[list[Note], int]:
        """Sounding notes of the steps, from `first_tick` on in the output's ticks, and the tick at which the steps end."""
        v = self.vocabulary
        tick = 0
        lines: list[tuple[int, int, int]] = []  # (pitch index, first grid tick, last grid tick)
        sounding = 0  # how many of the last lines may still be held
        for step in steps:
            if step.hold:
                held = range(len(lines) - sounding, len(lines))
                for place in held:
                    lines[place] = (*lines[place][:2], tick + step.duration)
            else:
                sounding = len(step.pitches)
                lines += [(index, tick, tick + step.duration) for index in step.pitches]
            tick += step.duration

        def scaled(grid: int) -> int:
            return first_tick + grid * ticks_per_quarter // v.ticks_per_quarter

        notes = [Note(scaled(start), max(1, scaled(stop) - scaled(start)), v.pitches[index], velocity) for index, start, stop in lines]
        return notes, scaled(tick)

    def describe(self, tokens: Iterable[int]) -> str:
        """Tokens for people: pitches as MIDI numbers joined by +, `-` for a hold, lengths in quarter notes after a colon."""
        v = self.vocabulary
        said = ""
        for token in tokens:
            if token >= v.first_duration:
                said += f":{v.durations[token - v.first_duration] / v.ticks_per_quarter:g} "
            elif token >= v.first_pitch:
                joint = "+" if said and said[-1] != " " else ""
                said += f"{joint}{v.pitches[token - v.first_pitch]}"
            elif token == v.hold:
                said += "-"
        return said

    def _cut(self, pitches: tuple[int, ...], start: int, stop: int, bar: int) -> list[Step]:
        """One note, chord or rest from start to stop as steps: cut at bar lines, each part as few durations as can be."""
        steps: list[Step] = []
        tick = start
        while tick < stop:
            room = min(stop, (tick // bar + 1) * bar) - tick
            duration = max(length for length in self.vocabulary.durations if length <= room)
            fresh = tick == start
            steps.append(Step(pitches if fresh else (), bool(pitches) and not fresh, duration))
            tick += duration
        return steps

    def _to_grid(self, tick: int, piece: Piece) -> int:
        return round(tick * self.vocabulary.ticks_per_quarter / piece.ticks_per_quarter)
