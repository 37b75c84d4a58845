"""Hypothesis strategies for pieces of music."""

from __future__ import annotations

from hypothesis import strategies as st

from core.music.piece import KeyChange, MeterChange, Note, Piece, TempoChange, Track

MODES = ("major", "minor")


@st.composite
def tracks(draw: st.DrawFn, longest: int = 2000) -> Track:
    """One to twelve notes, chords and repeated notes among them; no pitch sounds twice at once."""
    notes = []
    for pitch in draw(st.lists(st.integers(0, 127), min_size=1, max_size=4, unique=True)):
        at = 0
        for gap, duration in draw(st.lists(st.tuples(st.integers(0, longest), st.integers(1, longest)), min_size=1, max_size=3)):
            notes.append(Note(at + gap, duration, pitch, draw(st.integers(1, 127))))
            at += gap + duration
    notes.sort(key=lambda note: (note.start, note.pitch))
    name = draw(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12))
    return Track(tuple(notes), draw(st.integers(0, 127)), draw(st.booleans()), name)


def changes(values: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """Up to three values, each at a tick of its own."""
    return st.dictionaries(st.integers(0, 5000), values, max_size=3).map(
        lambda found: [(tick, *value) for tick, value in sorted(found.items())]
    )


@st.composite
def pieces(draw: st.DrawFn, modes: tuple[str, ...] = MODES) -> Piece:
    """All that a Piece can hold and a MIDI file too."""
    ticks_per_quarter = draw(st.sampled_from([24, 96, 480, 960, 9600]))
    parts = tuple(draw(st.lists(tracks(), min_size=1, max_size=4)))
    tempos = draw(changes(st.tuples(st.integers(1, 2**22))))
    meters = draw(changes(st.tuples(st.integers(1, 32), st.sampled_from([1, 2, 4, 8, 16, 32]))))
    keys = draw(changes(st.tuples(st.integers(-7, 7), st.sampled_from(modes))))
    return Piece(
        ticks_per_quarter,
        parts,
        tuple(TempoChange(*change) for change in tempos),
        tuple(MeterChange(*change) for change in meters),
        tuple(KeyChange(*change) for change in keys),
        length=draw(st.integers(0, 40_000)),
    )
