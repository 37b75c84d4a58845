"""Makes a music plan of a brief: the prime is read on the grid, bars are drawn after it, and both become one MIDI file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.brief import Bools, Brief, Rendered
from core.music.context import MusicContext
from core.music.dynamics import shape_dynamics
from core.music.keys import analyse_key, key_name, parse_key, parse_meter
from core.music.midi import write_midi
from core.music.piece import MeterChange, Piece, TempoChange, Track
from core.music.tokenizer import MusicTokenizer, Step
from core.music.vocabulary import END, START, MusicVocabulary

OUTPUT_TICKS_PER_QUARTER = 480
MELODY_PROGRAM = 73  # flute
MICROSECONDS_PER_MINUTE = 60_000_000
DEFAULT_TEMPO = 110.0  # quarter notes a minute, where neither the brief nor the model says


class MusicPlan:
    """One variation of a piece. Keeps the Plan contract of core.brief; work is counted in bars."""

    def __init__(self, tokenizer: MusicTokenizer, brief: Brief, attributes: dict[str, str | float | None]) -> None:
        self.tokenizer, self.v, self.brief, self.attributes = tokenizer, tokenizer.vocabulary, brief, attributes
        self.total, self.done = brief.bars, 0
        self.tokens: list[int] = []  # drawn
        self._shown = 0
        if brief.prime is None:
            self.prefix, self.bars_total = [START], brief.bars
            self.bar_ticks = self.position = self.prime_end = 0  # grid ticks; the metre may yet have to be drawn
        else:
            self.bar_ticks = self.v.bar_ticks(str(attributes["meter"]))
            steps = tokenizer.steps(brief.prime, self.bar_ticks, fill=False)
            self.prefix = tokenizer.header(attributes) + tokenizer.step_tokens(steps)
            length = sum(step.duration for step in steps)
            self.prime_end = length - tokenizer.bar_shift(brief.prime, self.bar_ticks)
            self.position = length % self.bar_ticks
            self.bars_total = -(-length // self.bar_ticks) + brief.bars
        self._completing = self.position > 0  # an unfinished last bar is completed first
        self.budget = self.v.header_length + (brief.bars + 1) * max(self.v.bar_ticks_by_choice) * (self.v.voices + 1)

    @property
    def _in_header(self) -> bool:
        return self.brief.prime is None and len(self.tokens) < len(self.v.attributes)

    def narrow(self, allowed: Bools) -> Bools:
        """Attributes as asked for, else any that is known; no end before the bars are full; a new piece begins with a note."""
        v = self.v
        narrowed = allowed.copy()
        narrowed[END] = False
        if self._in_header:
            name = v.attributes[len(self.tokens)]
            wanted = self.attributes.get(name)
            token = v.attribute_token(name, wanted) if wanted is not None else v.attribute_starts[name]
            if token != v.attribute_starts[name]:
                narrowed[:] = False
                narrowed[token] = True
            else:
                narrowed[token] = False
        elif not self.tokens:
            narrowed[v.hold] = False  # the prime's last note stays as long as it was
        elif self.brief.prime is None and len(self.tokens) == len(v.attributes) and not v.percussion:
            narrowed[v.first_duration :] = False
        return narrowed

    def take(self, token: int) -> str | None:
        """`bars` when the last bar asked for is full."""
        v = self.v
        in_header = self._in_header
        self.tokens.append(token)
        if in_header:
            name = v.attributes[len(self.tokens) - 1]
            self.attributes[name] = self.attributes.get(name) or v.attribute_value(name, token)
            if name == "meter":
                self.bar_ticks = v.bar_ticks(str(self.attributes["meter"]))
        elif token >= v.first_duration:
            self.position += v.durations[token - v.first_duration]
            if self.position >= self.bar_ticks:
                self.position = 0
                self.done += not self._completing
                self._completing = False
        return "bars" if self.done >= self.total else None

    def fresh_text(self) -> str:
        """The steps drawn since the last call in the notation of typed notes (drums: the struck ones joined by +)."""
        fresh, self._shown = self.tokens[self._shown :], len(self.tokens)
        return self.tokenizer.describe(fresh)

    def render(self) -> Rendered:
        """Prime and continuation in one MIDI file; the prime is there tick for tick."""
        piece, boundary = self._piece()
        new_notes = sum(note.start >= boundary for track in piece.tracks for note in track.notes)
        figures = {"notes": new_notes, "bars": self.done, "tokens": len(self.tokens), "prime_end_tick": boundary}
        decided = {name: value for name, value in self.attributes.items() if value is not None}
        return Rendered("mid", "audio/midi", write_midi(piece), dict(figures), decided)

    def _piece(self) -> tuple[Piece, int]:
        """The whole piece, and the tick at which the prime ends and the drawn part begins."""
        v, prime = self.v, self.brief.prime
        steps, _ = self.tokenizer.parse(self.tokens if prime else self.tokens[len(v.attributes) :])
        ticks = prime.ticks_per_quarter if prime else OUTPUT_TICKS_PER_QUARTER
        boundary = self.prime_end * ticks // v.ticks_per_quarter
        notes, end = self.tokenizer.notes(steps, ticks, boundary)
        notes = shape_dynamics(notes, prime, v.percussion, self.bar_ticks * ticks // v.ticks_per_quarter, ticks)
        if prime is None:
            tracks: tuple[Track, ...] = (Track(tuple(notes), 0 if v.percussion else MELODY_PROGRAM, v.percussion),)
            return self._with_attributes(Piece(ticks, tracks, length=end), 0), 0
        playable = [n for n, track in enumerate(prime.tracks) if track.percussion == v.percussion and track.notes]
        line = max(playable, key=lambda n: max(note.end for note in prime.tracks[n].notes))
        tracks = tuple(replace(track, notes=(*track.notes, *notes)) if n == line else track for n, track in enumerate(prime.tracks))
        return self._with_attributes(replace(prime, tracks=tracks, length=end), boundary), boundary

    def _with_attributes(self, piece: Piece, boundary: int) -> Piece:
        """Tempo, metre and key as decided: from the start where the prime says nothing, from the boundary on where it was asked."""
        asked = self.brief.attributes
        tempo = float(self.attributes.get("tempo") or DEFAULT_TEMPO)
        meter = parse_meter(str(self.attributes.get("meter") or "4/4"))
        key = self.attributes.get("key")
        if asked.get("tempo") or not piece.tempos:
            change = TempoChange(boundary if piece.tempos else 0, round(MICROSECONDS_PER_MINUTE / tempo))
            piece = replace(piece, tempos=(*piece.tempos, change))
        if asked.get("meter") or not piece.meters:
            piece = replace(piece, meters=(*piece.meters, MeterChange(boundary if piece.meters else 0, *meter)))
        if key and (asked.get("key") or not piece.keys):
            piece = replace(piece, keys=(*piece.keys, replace(parse_key(str(key)), tick=boundary if piece.keys else 0)))
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
        prime = brief.prime
        if prime is not None:
            attributes["meter"] = attributes.get("meter") or meter_name(prime)
            if "key" in self.tokenizer.vocabulary.attributes and not attributes.get("key"):
                attributes["key"] = key_name(prime.keys[-1] if prime.keys else analyse_key(prime)[0])
            if prime.tempos and not attributes.get("tempo"):
                attributes["tempo"] = round(MICROSECONDS_PER_MINUTE / prime.tempos[-1].microseconds_per_quarter, 3)
        return MusicPlan(self.tokenizer, brief, attributes)


def meter_name(piece: Piece) -> str:
    """The metre at the end of the piece, such as "6/8"; MIDI's default where it names none."""
    last = piece.meters[-1] if piece.meters else MeterChange(0, *piece.meter)
    return f"{last.numerator}/{last.denominator}"
