"""Hypothesis strategies for the core: pieces on a vocabulary's grid, and primes as people bring them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from core.music.keys import parse_key, parse_meter
from core.music.midi import read_midi, write_midi
from core.music.piece import KeyChange, MeterChange, Note, Piece, TempoChange, Track
from core.training import drums, folk

FOLK, DRUMS = folk.VOCABULARY, drums.VOCABULARY


@st.composite
def melodies(draw: st.DrawFn) -> tuple[Piece, dict[str, str | float | None]]:
    """One voice on the grid of 24 with rests, held and repeated notes, its last bar full; and its attributes."""
    meter, key = draw(st.sampled_from(FOLK.meters)), draw(st.sampled_from(FOLK.keys))
    tick, notes = 0, []
    lengths = st.one_of(st.integers(1, 12), st.integers(1, 400))
    spans = st.tuples(st.sampled_from([0, 0, 0, 6, 17, 150]), lengths, st.sampled_from(FOLK.pitches))
    for rest, length, pitch in draw(st.lists(spans, min_size=1, max_size=12)):
        notes.append(Note(20 * (tick + rest), 20 * length, pitch))
        tick += rest + length
    bar = FOLK.bar_ticks(meter)
    piece = Piece(
        480,
        (Track(tuple(notes)),),
        meters=(MeterChange(0, *parse_meter(meter)),),
        keys=(parse_key(key),),
        length=20 * bar * -(-tick // bar),
    )
    return piece, {"style": draw(st.sampled_from((None, *FOLK.styles))), "meter": meter, "key": key}


@st.composite
def beats(draw: st.DrawFn) -> tuple[Piece, dict[str, str | float | None]]:
    """Any grid of the nine drums, one to three bars; and its attributes."""
    hits = draw(st.lists(st.sets(st.sampled_from(DRUMS.pitches)), min_size=1, max_size=48))
    notes = tuple(Note(120 * place, 120, pitch) for place, struck in enumerate(hits) for pitch in sorted(struck))
    length = 1920 * -(-len(hits) // 16)
    piece = Piece(480, (Track(notes, percussion=True),), meters=(MeterChange(0, 4, 4),), length=length)
    style = draw(st.sampled_from((None, *DRUMS.styles)))
    return piece, {"style": style, "meter": "4/4", "tempo": draw(st.none() | st.integers(20, 300))}


@st.composite
def primes(draw: st.DrawFn, percussion: bool = False) -> Piece:
    """A prime as read from a MIDI file: any division, notes off the grid, up to three tracks, changes anywhere."""
    ticks = draw(st.sampled_from([24, 25, 96, 120, 333, 480, 961]))
    tick, lines = draw(st.integers(0, 2 * ticks)), [[], [], []]
    pitches = st.sampled_from([36, 38, 42, 46, 49]) if percussion else st.integers(folk.LOWEST, folk.HIGHEST)
    spans = st.tuples(st.integers(0, ticks), st.integers(1, 3 * ticks), pitches, st.integers(1, 127), st.integers(0, 2))
    for rest, length, pitch, velocity, line in draw(st.lists(spans, min_size=1, max_size=10)):
        lines[line].append(Note(tick + rest, length, pitch, velocity))
        tick += rest + (0 if percussion else length)
    tracks = tuple(
        Track(tuple(sorted(notes)), 0 if percussion else 10 * number, percussion, f"line {number}")
        for number, notes in enumerate(lines)
        if notes
    )
    meters = [(4, 4), (3, 4), (4, 4), (5, 4), (7, 4), (3, 2)] if percussion else [(4, 4), (6, 8), (2, 2), (7, 8), (5, 4), (11, 4)]
    piece = Piece(
        ticks,
        tracks,
        tempos=tuple(TempoChange(at, speed) for at, speed in draw(_changes(tick, st.integers(200_000, 900_000)))),
        meters=tuple(MeterChange(at, *meter) for at, meter in draw(_changes(tick, st.sampled_from(meters)))),
        keys=tuple(KeyChange(at, sharps, mode) for at, (sharps, mode) in draw(_changes(tick, _SIGNATURES))),
        length=draw(st.sampled_from([0, tick + ticks // 2])),
    )
    return read_midi(write_midi(replace(piece, meters=_on_whole_ticks(piece))))


_SIGNATURES = st.tuples(st.integers(-7, 7), st.sampled_from(["major", "minor"]))


def _changes(until: int, values: st.SearchStrategy) -> st.SearchStrategy:
    """None, one at the start, or several anywhere, even after the end."""
    anywhere = st.dictionaries(st.integers(0, until + 1000), values, max_size=3).map(lambda found: sorted(found.items()))
    return st.one_of(st.just([]), values.map(lambda value: [(0, value)]), anywhere)


def _on_whole_ticks(piece: Piece) -> tuple[MeterChange, ...]:
    """Metres whose bar is a whole number of ticks: others have no exact bar lines in a file."""
    return tuple(meter for meter in piece.meters if piece.ticks_per_quarter * 4 * meter.numerator % meter.denominator == 0)
