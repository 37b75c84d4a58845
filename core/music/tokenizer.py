"""Piece ⇄ tokens: lossless on the vocabulary's grid, and any list of tokens decodes to a valid piece."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
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


@dataclass(frozen=True)
class Grid:
    """How a piece lies on the network's grid: `anchor_tick` is at `anchor_place`, and both are bar lines."""

    piece_ticks_per_quarter: int
    ticks_per_quarter: int
    anchor_tick: int = 0
    anchor_place: int = 0

    def place(self, tick: int) -> int:
        """The nearest place."""
        return self.anchor_place + round((tick - self.anchor_tick) * self.ticks_per_quarter / self.piece_ticks_per_quarter)

    def place_after(self, tick: int) -> int:
        """The first place that is not before the tick."""
        return self.anchor_place - (self.anchor_tick - tick) * self.ticks_per_quarter // self.piece_ticks_per_quarter

    def tick(self, place: int) -> int:
        """Where a place is in the piece (rounded down: exact at the bar lines)."""
        return self.anchor_tick + (place - self.anchor_place) * self.piece_ticks_per_quarter // self.ticks_per_quarter


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
        tokens = self.header(attributes) + self.step_tokens(self.steps(piece, self.grid(piece, bar), bar, fill=end))
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

    def grid(self, piece: Piece, bar: int, bar_line: int | None = None) -> Grid:
        """The piece's place on the grid: the bar line at tick `bar_line` falls on one of the network's (every `bar` places).

        Left out, it is the piece's last metre change, so that its present bars are the network's; its first may be cut.
        """
        if bar_line is None:
            bar_line = piece.meters[-1].tick if piece.meters else 0
        before = Grid(piece.ticks_per_quarter, self.vocabulary.ticks_per_quarter).place(bar_line)
        return Grid(piece.ticks_per_quarter, self.vocabulary.ticks_per_quarter, bar_line, -(-before // bar) * bar)

    def steps(self, piece: Piece, grid: Grid, bar: int, fill: bool) -> list[Step]:
        """The piece on the grid, cut at bar lines. Later notes cut earlier ones short: the line has one voice (or one kit)."""
        onsets, length = self.quantise(piece, grid)
        if fill:
            length = -(-length // bar) * bar
        steps = self._cut((), 0, min(onsets, default=length), bar)
        for place, after in pairwise([*sorted(onsets), length]):
            pitches, duration = onsets[place]
            sounding = min(duration, after - place)
            steps += self._cut(pitches, place, place + sounding, bar)
            steps += self._cut((), place + sounding, after, bar)
        return steps

    def quantise(self, piece: Piece, grid: Grid) -> tuple[dict[int, tuple[tuple[int, ...], int]], int]:
        """Onset on the grid → (pitch indices ascending, duration ≥ 1), and the place where the piece is over (rounded up)."""
        v = self.vocabulary
        starts: dict[int, dict[int, int]] = {}
        for track in piece.tracks:
            if track.percussion != v.percussion:
                continue
            for note in track.notes:
                index = v.reading(note.pitch)
                if index is not None:
                    place = grid.place(note.start)
                    sounding = 1 if v.percussion else max(1, grid.place(note.end) - place)
                    chord = starts.setdefault(place, {})
                    chord[index] = max(sounding, chord.get(index, 0))
        onsets = {}
        for place, chord in starts.items():
            kept = sorted(chord)[-v.voices :]  # the highest voices are the line
            onsets[place] = (tuple(kept), max(chord[index] for index in kept))
        return onsets, max(grid.place_after(piece.end), max(onsets, default=-1) + 1)

    def decode(self, tokens: Iterable[int], ticks_per_quarter: int = 480) -> Piece:
        """Any token list as a piece: what the grammar does not allow is passed over."""
        steps, attributes = self.parse(tokens)
        notes, tick = self.notes(steps, Grid(ticks_per_quarter, self.vocabulary.ticks_per_quarter))
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
                name = next(name for name in reversed(v.attributes) if v.attribute_starts[name] <= token)
                attributes[name] = v.attribute_value(name, token)
        return steps, attributes

    def notes(self, steps: Iterable[Step], grid: Grid, first_place: int = 0) -> tuple[list[Note], int]:
        """Sounding notes of the steps, from `first_place` on, and the tick at which the steps end."""
        v = self.vocabulary
        place = first_place
        lines: list[tuple[int, int, int]] = []  # (pitch index, its first place, the place where it ends)
        sounding = 0  # how many of the last lines may still be held
        for step in steps:
            if step.hold:
                held = range(len(lines) - sounding, len(lines))
                for line in held:
                    lines[line] = (*lines[line][:2], place + step.duration)
            else:
                sounding = len(step.pitches)
                lines += [(index, place, place + step.duration) for index in step.pitches]
            place += step.duration
        notes = []
        for index, start, stop in lines:
            tick = grid.tick(start)
            notes.append(Note(tick, max(1, grid.tick(stop) - tick), v.pitches[index], DEFAULT_VELOCITY))
        return notes, grid.tick(place)

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
        durations = self.vocabulary.durations
        tick = start
        while tick < stop:
            room = min(stop, (tick // bar + 1) * bar) - tick
            duration = durations[bisect_right(durations, room) - 1]
            fresh = tick == start
            steps.append(Step(pitches if fresh else (), bool(pitches) and not fresh, duration))
            tick += duration
        return steps
