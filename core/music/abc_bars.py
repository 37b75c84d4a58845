"""Puts the measures of an ABC tune on one clock, so that bar lines fall where the metre says."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from core.music.piece import KeyChange, MeterChange, Note, TempoChange

Change = TempoChange | MeterChange | KeyChange
Ticks = Fraction | int  # exact; an int where it can be, which is several times faster


@dataclass(slots=True)
class Event:
    """A note, chord or rest: MIDI pitches, those that are tied to what follows, and a length in ticks."""

    length: Ticks
    pitches: tuple[int, ...] = ()
    tied: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Measure:
    """What stands between two bar lines. `bar_ticks` is what the metre asks for, 0 where it is free."""

    bar_ticks: int
    section: bool = False  # a double bar, a repeat or a new metre stands before it
    ending: int = 0  # the number of the ending that begins with it: `|1`, `:|2`
    events: list[Event] = field(default_factory=list)
    changes: list[tuple[Ticks, Change]] = field(default_factory=list)  # at an offset into the measure

    @property
    def length(self) -> Ticks:
        return sum(event.length for event in self.events)


@dataclass(slots=True)
class Placed:
    """Notes and changes on one clock; `bars` are the ticks of the bar lines, without those that stand within a bar."""

    notes: list[Note] = field(default_factory=list)
    changes: list[tuple[int, Change]] = field(default_factory=list)
    bars: list[int] = field(default_factory=list)
    end: int = 0


def place(measures: list[Measure]) -> Placed:
    """Lay the measures end to end.

    A pickup starts late in its bar. A short bar before a double bar or repeat is completed by the pickup that follows, or else by
    a rest. A second ending starts where in the bar the first one did. A bar that is too long or too short for no such reason
    stays as it is, so that its line is off the metre's grid.
    """
    placed = Placed()
    open_ties: dict[int, int] = {}  # pitch → index of the note that its tie continues
    at: Ticks = 0
    phase: Ticks = 0  # how far into a bar we are
    ending_phase: Ticks = 0
    bar = measures[0].bar_ticks
    for number, measure in enumerate(measures):
        gap, line = _before(measures, number, bar, phase, ending_phase)
        if line is not None and number:
            placed.bars.append(round(at + line))
        if measure.ending == 1:
            ending_phase = phase
        bar = measure.bar_ticks
        changes_at = at + (gap if line is None else line)
        at += gap
        phase = (phase + gap) % bar if bar else 0
        open_ties = _sound(measure, at, changes_at, placed, open_ties)
        at += measure.length
        phase += measure.length
        if bar and phase > bar and phase % bar and number < len(measures) - 1:
            placed.bars.append(round(at))  # too long: what comes next may be put right, but this line is off the grid
        phase = phase % bar if bar else 0
    if phase == 0:
        placed.bars.append(round(at))
    placed.bars = sorted(set(placed.bars))
    placed.end = round(at)
    return placed


def _before(measures: list[Measure], number: int, bar: int, phase: Ticks, ending_phase: Ticks) -> tuple[Ticks, Ticks | None]:
    """The rest before a measure, and where in that rest the bar line stands: None where we are within a bar."""
    measure = measures[number]
    to_bar_end = -phase % bar if bar else 0
    if measure.bar_ticks != bar:
        return to_bar_end + _pickup_gap(measures, number), to_bar_end
    if not bar:
        return 0, 0
    if measure.ending > 1:
        return (ending_phase - phase) % bar, to_bar_end
    if phase == 0:
        return (0 if measure.ending or not measure.section else _pickup_gap(measures, number)), 0
    if measure.ending or phase + measure.length == bar:
        return 0, None
    if not measure.section:
        return 0, 0
    if measure.length < to_bar_end and number < len(measures) - 1:
        return to_bar_end - measure.length, None
    return to_bar_end + _pickup_gap(measures, number), to_bar_end


def _pickup_gap(measures: list[Measure], number: int) -> Ticks:
    """Rest before a measure that begins a section on the first beat of a bar: above 0 for a pickup."""
    measure = measures[number]
    missing = measure.bar_ticks - measure.length
    if missing <= 0 or number == len(measures) - 1:
        return 0
    after = measures[number + 1]
    split_bar = (number > 0 or after.ending) and measure.length + after.length == measure.bar_ticks
    return 0 if split_bar else missing


def _sound(measure: Measure, start: Ticks, changes_at: Ticks, placed: Placed, open_ties: dict[int, int]) -> dict[int, int]:
    """Add a measure's notes and changes, joining tied notes. Returns the ties that are open at its end."""
    placed.changes += [(round(start + offset if offset else changes_at), change) for offset, change in measure.changes]
    at = start
    for event in measure.events:
        onset, at = round(at), at + event.length
        end = round(at)
        sounding: dict[int, int] = {}
        for pitch in event.pitches:
            index = open_ties.get(pitch, -1)
            if index >= 0 and placed.notes[index].end == onset:
                first = placed.notes[index]
                placed.notes[index] = Note(first.start, end - first.start, pitch)
            else:
                index = len(placed.notes)
                placed.notes.append(Note(onset, end - onset, pitch))
            sounding[pitch] = index
        open_ties = {pitch: sounding[pitch] for pitch in event.tied}
    return open_ties
