from __future__ import annotations

import pytest

from core.music.dynamics import LOUDEST, SOFTEST, beat_ticks, shape_dynamics
from core.music.piece import Note, Piece, Track


def velocities(
    notes: list[Note], prime: Piece | None = None, percussion: bool = False, meter: tuple[int, int] = (4, 4)
) -> list[int]:
    bar = 480 * 4 * meter[0] // meter[1]
    return [note.velocity for note in shape_dynamics(notes, prime, percussion, 0, bar, beat_ticks(meter, 480))]


def test_the_bar_is_louder_than_the_beat_and_the_beat_than_what_lies_between() -> None:
    first, off, beat, next_bar = velocities([Note(0, 240, 60), Note(240, 240, 60), Note(480, 240, 60), Note(1920, 240, 60)])
    assert first == next_bar > beat > off


def test_a_jig_has_two_beats_in_a_bar() -> None:
    eighths = velocities([Note(240 * place, 240, 60) for place in range(6)], meter=(6, 8))
    assert eighths[0] > eighths[3] > eighths[1] == eighths[2] == eighths[4] == eighths[5]


@pytest.mark.parametrize(
    ("meter", "ticks"),
    [((4, 4), 480), ((2, 2), 960), ((6, 8), 720), ((12, 8), 720), ((3, 8), 240), ((6, 4), 1440), ((3, 4), 480)],
)
def test_the_beat_of_a_metre(meter: tuple[int, int], ticks: int) -> None:
    assert beat_ticks(meter, 480) == ticks


def test_the_drawn_notes_are_as_loud_as_the_prime() -> None:
    soft = Piece(480, (Track((Note(0, 480, 60, 40), Note(480, 480, 62, 44))),))
    loud = Piece(480, (Track((Note(0, 480, 60, 100),)),))
    new = [Note(1920, 240, 67)]
    assert velocities(new, soft)[0] < velocities(new)[0] < velocities(new, loud)[0]


def test_each_drum_is_as_loud_as_that_drum_was() -> None:
    kit = Piece(480, (Track((Note(0, 120, 36, 110), Note(0, 120, 42, 40)), percussion=True),))
    kick, hat = velocities([Note(1920, 120, 36), Note(1920, 120, 42)], kit, percussion=True)
    assert kick - hat == 70


def test_bars_are_counted_from_the_bar_line_that_is_given() -> None:
    (note,) = shape_dynamics([Note(720, 240, 60)], None, False, 720, 1920, 480)
    assert note.velocity == velocities([Note(0, 240, 60)])[0]


@pytest.mark.parametrize(("velocity", "bound"), [(1, SOFTEST), (127, LOUDEST)])
def test_nothing_is_too_soft_to_hear_or_too_loud(velocity: int, bound: int) -> None:
    prime = Piece(480, (Track((Note(0, 480, 60, velocity),)),))
    assert velocities([Note(1920, 240, 60)], prime) == [bound]
