"""Makes a music plan of a brief: the prime is read on the grid, bars are drawn after it, and both become one MIDI file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np

from core.brief import Bools, Brief, Rendered
from core.music.articulation import as_written
from core.music.context import MusicContext
from core.music.dynamics import beat_ticks, shape_dynamics
from core.music.keys import analyse_key, key_name, parse_key, parse_meter
from core.music.midi import write_midi
from core.music.piece import MeterChange, Note, Piece, TempoChange, Track
from core.music.tokenizer import Grid, MusicTokenizer, Step
from core.music.vocabulary import END, START, MusicVocabulary

OUTPUT_TICKS_PER_QUARTER = 480
MELODY_PROGRAM = 73  # flute
MICROSECONDS_PER_MINUTE = 60_000_000
DEFAULT_TEMPO = 110.0  # quarter notes a minute, where there is no prime, and neither the brief nor the model says


class MusicPlan:
    """One variation of a piece. Keeps the Plan contract of core.brief; work is counted in bars."""

    def __init__(self, tokenizer: MusicTokenizer, brief: Brief, attributes: dict[str, str | float | None]) -> None:
        self.tokenizer, self.v, self.brief, self.attributes = tokenizer, tokenizer.vocabulary, brief, attributes
        self.total, self.done = brief.bars, 0
        self.tokens: list[int] = []  # drawn
        self._header = self.v.attributes if brief.prime is None else ()  # these are drawn first
        self._shown = 0
        self._drawn_ticks = 0  # on the grid, as all that follows
        if brief.prime is None:
            self.prefix, self.bars_total, self.bar_ticks = [START], brief.bars, 0
            self._grid = Grid(OUTPUT_TICKS_PER_QUARTER, self.v.ticks_per_quarter)
            self._bar = self._start = 0  # the metre may yet have to be drawn
        else:
            meter = str(attributes["meter"])
            self._bar, self.bar_ticks = self.v.bar_ticks(meter), self.v.counted_bar(meter)
            self._grid, steps = self._read(brief.prime)
            self._start = sum(step.duration for step in steps)
            self.prefix = tokenizer.header(attributes) + tokenizer.step_tokens(steps)
            self.bars_total = (self._grid.anchor_place + brief.bars * self._bar) // self.bar_ticks
        self._missing = self._grid.anchor_place - self._start  # an unfinished last bar is completed first
        ticks = self._missing + brief.bars * (self._bar or max(self.v.bar_ticks_by_choice))
        self.budget = self.v.header_length + ticks * (self.v.voices + 1)  # the shortest steps, and all voices in each
        self.wanted = self._wanted()

    def _read(self, prime: Piece) -> tuple[Grid, list[Step]]:
        """The prime's steps, on a grid whose anchor is the bar line at which the first of the new bars begins."""
        written = as_written(prime)
        for line in bar_lines_after(written):
            grid = self.tokenizer.grid(prime, self.bar_ticks, line)
            steps = self.tokenizer.steps(written, grid, self.bar_ticks, fill=False)
            if sum(step.duration for step in steps) <= grid.anchor_place:  # else its last note is read on that bar line
                return grid, steps
        raise AssertionError("bar lines go on for ever")

    def _wanted(self) -> Bools:
        """Attributes as asked for, else any that is known; no end before the bars are full; a new piece begins with a note."""
        v = self.v
        rows = np.ones((len(self._header) + 2, v.size), bool)
        rows[:, END] = False
        for row, name in zip(rows, self._header, strict=False):
            self._narrow_attribute(row, name)
        if self.brief.prime is None:
            rows[-2, v.first_duration :] = False
        else:
            rows[0, v.hold] = False  # the prime's last note stays as long as it was
        return rows

    def _narrow_attribute(self, row: Bools, name: str) -> None:
        v, wanted = self.v, self.attributes.get(name)
        unknown = v.attribute_starts[name]
        token = v.attribute_token(name, wanted) if wanted is not None else unknown
        if token != unknown:
            row[:] = False
            row[token] = True
            return
        row[unknown] = False
        if name == "key" and v.usual_keys:
            row &= np.isin(np.arange(v.size), [v.attribute_token("key", key) for key in v.usual_keys])

    def take(self, token: int) -> str | None:
        """`bars` when the last bar asked for is full."""
        v = self.v
        place = len(self.tokens)
        self.tokens.append(token)
        if place < len(self._header):
            name = self._header[place]
            self.attributes[name] = self.attributes.get(name) or v.attribute_value(name, token)
            if name == "meter":
                self._bar = v.bar_ticks(str(self.attributes["meter"]))
        elif token >= v.first_duration:
            self._drawn_ticks += v.durations[token - v.first_duration]
            self.done = max(0, self._drawn_ticks - self._missing) // self._bar
        return "bars" if self.done >= self.total else None

    def fresh_text(self) -> str:
        """The steps drawn since the last call in the notation of typed notes (drums: the struck ones joined by +)."""
        fresh, self._shown = self.tokens[self._shown :], len(self.tokens)
        return self.tokenizer.describe(fresh)

    def render(self) -> Rendered:
        """Prime and continuation in one MIDI file; the prime is there tick for tick."""
        boundary = self._grid.tick(self._start)
        notes, end = self._drawn_notes()
        figures = {"notes": len(notes), "bars": self.done, "tokens": len(self.tokens), "prime_end_tick": boundary}
        decided = {name: value for name, value in self.attributes.items() if value is not None}
        return Rendered("mid", "audio/midi", write_midi(self._piece(notes, end, boundary)), dict(figures), decided)

    def _drawn_notes(self) -> tuple[list[Note], int]:
        """The notes that were drawn, and the tick at which they are over."""
        v, grid = self.v, self._grid
        steps, _ = self.tokenizer.parse(self.tokens if self.brief.prime else self.tokens[len(v.attributes) :])
        notes, end = self.tokenizer.notes(steps, grid, self._start)
        ticks = grid.piece_ticks_per_quarter
        bar, beat = self._bar * ticks // v.ticks_per_quarter, beat_ticks(self._meter, ticks)
        return shape_dynamics(notes, self.brief.prime, v.percussion, grid.anchor_tick, bar, beat), end

    def _piece(self, notes: list[Note], end: int, boundary: int) -> Piece:
        v, prime = self.v, self.brief.prime
        if prime is None:
            tracks: tuple[Track, ...] = (Track(tuple(notes), 0 if v.percussion else MELODY_PROGRAM, v.percussion),)
            return self._with_attributes(Piece(OUTPUT_TICKS_PER_QUARTER, tracks, length=end), 0)
        playable = [n for n, track in enumerate(prime.tracks) if track.percussion == v.percussion and track.notes]
        line = max(playable, key=lambda n: max(note.end for note in prime.tracks[n].notes))
        longer = replace(prime.tracks[line], notes=(*prime.tracks[line].notes, *notes))
        tracks = (*prime.tracks[:line], longer, *prime.tracks[line + 1 :])
        return self._with_attributes(replace(prime, tracks=tracks, length=end), boundary)

    @property
    def _meter(self) -> tuple[int, int]:
        return parse_meter(str(self.attributes.get("meter") or "4/4"))

    def _with_attributes(self, piece: Piece, boundary: int) -> Piece:
        """Tempo, metre and key as decided: from the start where the prime says nothing, else where the drawn part begins."""
        key, meter = self.attributes.get("key"), self._meter
        tempo = self.brief.attributes.get("tempo") if self.brief.prime else self.attributes.get("tempo") or DEFAULT_TEMPO
        if tempo:
            microseconds = round(MICROSECONDS_PER_MINUTE / float(tempo))
            if not piece.tempos or piece.tempos[-1].microseconds_per_quarter != microseconds:
                change = TempoChange(boundary if piece.tempos else 0, microseconds)
                piece = replace(piece, tempos=(*piece.tempos, change))
        if not piece.meters or (piece.meters[-1].numerator, piece.meters[-1].denominator) != meter:
            piece = replace(piece, meters=(*piece.meters, MeterChange(self._grid.anchor_tick if piece.meters else 0, *meter)))
        if key:
            change_of_key = replace(parse_key(str(key)), tick=boundary if piece.keys else 0)
            if not piece.keys or replace(piece.keys[-1], tick=change_of_key.tick) != change_of_key:
                piece = replace(piece, keys=(*piece.keys, change_of_key))
        return piece


class Composer:
    """The author of a music checkpoint."""

    def __init__(self, tokenizer_config: dict[str, Any]) -> None:
        self.tokenizer = MusicTokenizer(MusicVocabulary.from_config(tokenizer_config))

    def context(self, rows: int) -> MusicContext:
        return MusicContext(self.tokenizer.vocabulary, rows)

    def plan(self, brief: Brief) -> MusicPlan:
        """What the brief leaves open is read off the prime; without a prime the model decides."""
        attributes = dict(brief.attributes)
        if brief.prime is not None:
            prime = without_afterthoughts(brief.prime)
            if not prime.meters and attributes.get("meter"):
                prime = replace(prime, meters=(MeterChange(0, *parse_meter(str(attributes["meter"]))),))
            brief = replace(brief, prime=prime)
            attributes["meter"] = attributes.get("meter") or meter_name(prime)
            if "key" in self.tokenizer.vocabulary.attributes and not attributes.get("key"):
                attributes["key"] = key_name(prime.keys[-1]) if prime.keys else heard_key(prime)
            if prime.tempos and not attributes.get("tempo"):
                attributes["tempo"] = round(MICROSECONDS_PER_MINUTE / prime.tempos[-1].microseconds_per_quarter, 3)
        return MusicPlan(self.tokenizer, brief, attributes)


def without_afterthoughts(piece: Piece) -> Piece:
    """Without the changes of tempo, metre and key after the end of the piece: what is drawn there has its own."""
    end = piece.end
    return replace(
        piece,
        tempos=tuple(change for change in piece.tempos if change.tick <= end),
        meters=tuple(change for change in piece.meters if change.tick <= end),
        keys=tuple(change for change in piece.keys if change.tick <= end),
    )


@lru_cache(maxsize=16)
def heard_key(prime: Piece) -> str:
    """The name of the key that a prime without a key signature seems to be in; kept, since every variation asks."""
    return key_name(analyse_key(prime)[0])


def meter_name(piece: Piece) -> str:
    """The metre at the end of the piece, such as "6/8"; MIDI's default where it names none."""
    last = piece.meters[-1] if piece.meters else MeterChange(0, *piece.meter)
    return f"{last.numerator}/{last.denominator}"


def bar_lines_after(piece: Piece) -> Iterator[int]:
    """Ticks of the bar lines of its last metre, from the first that is not before the end of the piece."""
    last = piece.meters[-1] if piece.meters else MeterChange(0, *piece.meter)
    bar = piece.ticks_per_quarter * 4 * last.numerator  # in ticks × the denominator
    first = -((last.tick - piece.end) * last.denominator // bar)
    return (last.tick + bars * bar // last.denominator for bars in count(first))
