"""How much music a prime may hold. A recurrent network reads a prime of any length; these bounds keep reading it cheap."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import NotationError
from core.music.piece import DEFAULT_TEMPO_MICROSECONDS, Piece

MAX_NOTES = 20_000
MAX_MINUTES = 30
MAX_QUARTERS = 30_000  # 30 minutes at 1,000 quarter notes a minute: a bound that no tempo can stretch
MIN_TICKS_PER_QUARTER, MAX_TICKS_PER_QUARTER = 24, 9600


def too_much(notes: int, end_tick: int, ticks_per_quarter: int, tempos: Iterable[tuple[int, int]]) -> str | None:
    """What is too much about a piece, as a sentence, or None. `tempos` are (tick, microseconds a quarter note), by tick."""
    if notes > MAX_NOTES:
        return f"The music has {notes:,} notes; at most {MAX_NOTES:,} can be read."
    if end_tick > MAX_QUARTERS * ticks_per_quarter:
        return f"The music is {end_tick // ticks_per_quarter:,} quarter notes long; at most {MAX_QUARTERS:,} can be read."
    minutes = minutes_until(end_tick, ticks_per_quarter, tempos)
    if minutes > MAX_MINUTES:
        return f"The music lasts {minutes:,.1f} minutes; at most {MAX_MINUTES} can be read."
    return None


def minutes_until(end_tick: int, ticks_per_quarter: int, tempos: Iterable[tuple[int, int]]) -> float:
    """How long the music takes to reach a tick."""
    microseconds, tick, tempo = 0, 0, DEFAULT_TEMPO_MICROSECONDS
    for change_tick, changed in tempos:
        reached = min(change_tick, end_tick)
        microseconds += (reached - tick) * tempo
        tick, tempo = reached, changed
    microseconds += (end_tick - tick) * tempo
    return microseconds / ticks_per_quarter / 60e6


def check_limits(piece: Piece) -> None:
    """Raises NotationError for a piece from typed notation that is too much."""
    tempos = [(change.tick, change.microseconds_per_quarter) for change in piece.tempos]
    if problem := too_much(piece.note_count, piece.end, piece.ticks_per_quarter, tempos):
        raise NotationError(problem, field="prime")
