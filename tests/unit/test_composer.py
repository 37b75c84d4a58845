from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toys import DRUMS, FOLK, toy

from core.brief import Brief, Rendered
from core.errors import InvalidField
from core.music.composer import MusicPlan, bar_lines_after, without_afterthoughts
from core.music.midi import read_midi
from core.music.piece import KeyChange, MeterChange, Note, Piece, TempoChange, Track
from core.music.tokenizer import MusicTokenizer
from core.music.vocabulary import END
from core.sampling_params import SamplingParams

QUARTER = 480
SEED = SamplingParams(seed=1)


def plan(name: str, **brief: Any) -> MusicPlan:
    return toy(name).author.plan(Brief(SEED, **brief))


def wanted(plan: MusicPlan) -> Any:
    """What the plan wants as the token that comes next, (vocabulary,) bool."""
    return plan.wanted[min(len(plan.tokens), len(plan.wanted) - 1)]


def play(plan: MusicPlan, tokenizer: MusicTokenizer, *steps: tuple[list[int], int], header: tuple[Any, ...] = ()) -> Rendered:
    """Draw these: header values in order, then steps as (pitches, grid ticks)."""
    v = tokenizer.vocabulary
    tokens = [v.attribute_token(name, value) for name, value in zip(v.attributes, header, strict=False)]
    for pitches, ticks in steps:
        tokens += [v.first_pitch + v.pitch_index[pitch] for pitch in pitches]
        tokens.append(v.first_duration + v.durations.index(ticks))
    *before, last = [plan.take(token) for token in tokens]
    assert before == [None] * len(before)
    assert last == "bars"
    return plan.render()


def tune(quarters: int, ticks: int = QUARTER, **more: Any) -> Piece:
    """A scale in quarter notes."""
    notes = tuple(Note(ticks * place, ticks, 60 + place % 12) for place in range(quarters))
    return Piece(ticks, (Track(notes, 40, False, "fiddle"),), **more)


def meters(piece: Piece) -> list[tuple[int, int, int]]:
    return [(change.tick, change.numerator, change.denominator) for change in piece.meters]


def test_the_drawn_notes_follow_the_prime_in_its_own_track() -> None:
    rendered = play(plan("folk", prime=tune(4), bars=1), FOLK, ([67], 48), ([], 24), ([69], 24))
    piece = read_midi(rendered.data)
    (track,) = piece.tracks
    assert (track.name, track.program) == ("fiddle", 40)
    assert track.notes[:4] == tune(4).tracks[0].notes
    assert [(note.start, note.duration, note.pitch) for note in track.notes[4:]] == [(1920, 960, 67), (3360, 480, 69)]
    assert rendered.figures == {"notes": 2, "bars": 1, "tokens": 5, "prime_end_tick": 1920}
    assert piece.end == 3840


def test_an_unfinished_last_bar_is_completed_and_not_counted() -> None:
    going = plan("folk", prime=tune(5), bars=1)
    v = FOLK.vocabulary
    assert going.take(v.first_duration + v.durations.index(72)) is None
    assert going.done == 0
    assert going.take(v.first_duration + v.durations.index(96)) == "bars"
    rendered = going.render()
    assert rendered.figures["prime_end_tick"] == 5 * QUARTER
    assert read_midi(rendered.data).end == 3 * 4 * QUARTER


def test_a_pickup_is_no_bar() -> None:
    prime = tune(5, meters=(MeterChange(0, 1, 4), MeterChange(QUARTER, 4, 4)))
    rendered = play(plan("folk", prime=prime, bars=1), FOLK, ([60], 96))
    assert read_midi(rendered.data).end == 9 * QUARTER


def test_the_prime_says_what_the_brief_leaves_open() -> None:
    prime = tune(
        3,
        tempos=(TempoChange(0, 500_000), TempoChange(QUARTER, 400_000)),
        meters=(MeterChange(0, 3, 4),),
        keys=(KeyChange(0, -1, "minor"),),
    )
    rendered = play(plan("folk", prime=prime, bars=1), FOLK, ([60], 72))
    assert rendered.attributes == {"meter": "3/4", "key": "D minor", "tempo": 150.0}
    piece = read_midi(rendered.data)
    assert (piece.tempos, piece.meters, piece.keys) == (prime.tempos, prime.meters, prime.keys)


def test_a_prime_that_says_nothing_gets_the_midi_defaults_and_the_key_that_is_heard() -> None:
    scale = tuple(Note(QUARTER * place, QUARTER, pitch) for place, pitch in enumerate((62, 66, 69, 74, 73, 71, 69, 62)))
    rendered = play(plan("folk", prime=Piece(QUARTER, (Track(scale),)), bars=1), FOLK, ([60], 96))
    assert rendered.attributes == {"meter": "4/4", "key": "D major"}
    piece = read_midi(rendered.data)
    assert piece.tempos == ()  # it sounds as fast as it did
    assert piece.keys == (KeyChange(0, 2, "major"),)


def test_what_is_asked_for_begins_where_the_drawn_part_begins() -> None:
    prime = tune(4, tempos=(TempoChange(0, 500_000),), meters=(MeterChange(0, 4, 4),), keys=(KeyChange(0, 0, "major"),))
    asked = {"tempo": 96.0, "meter": "6/8", "key": "E minor"}
    rendered = play(plan("folk", prime=prime, bars=2, attributes=asked), FOLK, ([60], 72), ([62], 72))
    piece = read_midi(rendered.data)
    assert piece.tempos == (TempoChange(0, 500_000), TempoChange(1920, 625_000))
    assert meters(piece) == [(0, 4, 4), (1920, 6, 8)]
    assert piece.keys == (KeyChange(0, 0, "major"), KeyChange(1920, 1, "minor"))
    assert piece.end == 1920 + 2 * 1440


def test_what_is_asked_for_as_it_already_is_changes_nothing() -> None:
    prime = tune(4, tempos=(TempoChange(0, 500_000),), meters=(MeterChange(0, 4, 4),), keys=(KeyChange(0, 0, "major"),))
    asked = {"tempo": 120.0, "meter": "4/4", "key": "C major"}
    piece = read_midi(play(plan("folk", prime=prime, bars=1, attributes=asked), FOLK, ([60], 96)).data)
    assert (piece.tempos, piece.meters, piece.keys) == (prime.tempos, prime.meters, prime.keys)


def test_another_metre_begins_when_the_last_bar_of_the_old_one_is_complete() -> None:
    prime = tune(5, meters=(MeterChange(0, 4, 4),))
    going = plan("folk", prime=prime, bars=1, attributes={"meter": "6/8"})
    piece = read_midi(play(going, FOLK, ([60], 72), ([62], 72)).data)  # three quarters to complete, then the bar
    assert meters(piece) == [(0, 4, 4), (8 * QUARTER, 6, 8)]
    assert piece.end == 8 * QUARTER + 1440


def test_a_metre_asked_for_a_prime_without_one_is_that_of_the_whole() -> None:
    going = plan("folk", prime=tune(4), bars=1, attributes={"meter": "6/8"})
    piece = read_midi(play(going, FOLK, ([60], 48), ([62], 72)).data)  # 96 ticks are a bar and a third of 6/8
    assert meters(piece) == [(0, 6, 8)]
    assert piece.end == 3 * 1440


@pytest.mark.parametrize(("meter", "bar"), [((7, 8), 84), ((7, 4), 168), ((5, 4), 120), ((4, 2), 192)])
def test_bars_of_a_metre_that_the_model_never_read_are_as_long_as_they_should_be(meter: tuple[int, int], bar: int) -> None:
    going = plan("folk", prime=tune(1, meters=(MeterChange(0, *meter),)), bars=3)
    context = toy("folk").author.context(1)
    context.reset(0, going.bars_total, going.bar_ticks)
    for token in going.prefix[1:]:
        assert context.inputs()[2][0, token]
        context.advance(np.array([token]))
    random, reason = np.random.default_rng(bar), None
    while reason is None:
        allowed = context.inputs()[2][0] & wanted(going)
        token = int(random.choice(np.flatnonzero(allowed)))
        context.advance(np.array([token]))
        reason = going.take(token)
    assert reason == "bars"
    assert read_midi(going.render().data).end == 4 * bar * 20
    assert len(going.tokens) <= going.budget
    assert context.inputs()[2][0, END]  # the model was told the same length


def test_a_metre_that_the_grid_cannot_hold_is_refused_with_its_name() -> None:
    prime = Piece(QUARTER, (Track((Note(0, 120, 36),), percussion=True),), meters=(MeterChange(0, 5, 32),))
    with pytest.raises(InvalidField, match="5/32"):
        plan("drums", prime=prime, bars=1)


def test_a_last_note_that_is_early_for_a_bar_line_belongs_to_the_next_bar() -> None:
    prime = Piece(QUARTER, (Track((Note(0, 100, 36), Note(1880, 30, 38)), percussion=True),))
    rendered = play(plan("drums", prime=prime, bars=1), DRUMS, *[([36], 1)] * 15, *[([], 1)] * 16)
    piece = read_midi(rendered.data)
    assert rendered.figures["prime_end_tick"] == 2040
    assert piece.tracks[0].notes[:2] == prime.tracks[0].notes
    assert piece.end == 3 * 1920


def test_changes_after_the_end_of_the_prime_do_not_reach_into_what_is_drawn() -> None:
    def changed_at(tick: int) -> Piece:
        return tune(
            4, tempos=(TempoChange(tick, 1),), meters=(MeterChange(tick, 3, 4),), keys=(KeyChange(tick, 3, "major"),)
        )

    assert without_afterthoughts(changed_at(1921)) == tune(4)
    assert without_afterthoughts(changed_at(1920)) == changed_at(1920)


def test_bar_lines_go_on_from_the_last_metre_change() -> None:
    lines = bar_lines_after(tune(6, meters=(MeterChange(0, 4, 4), MeterChange(480, 3, 4))))
    assert [next(lines) for _ in range(3)] == [480 + 2 * 1440, 480 + 3 * 1440, 480 + 4 * 1440]
    assert next(bar_lines_after(tune(8))) == 8 * QUARTER


def test_a_new_piece_has_the_attributes_asked_for_and_the_model_chooses_the_others() -> None:
    v = FOLK.vocabulary
    going = plan("folk", bars=1, attributes={"meter": "6/8", "key": "Gb major", "tempo": 90.0})
    narrowed = wanted(going)
    start = v.attribute_starts["style"]
    assert np.flatnonzero(narrowed).tolist() == [n for n in range(v.size) if n not in (END, start)]  # any style but "unknown"
    going.take(v.attribute_token("style", "jig"))
    for name, value in (("meter", "6/8"), ("key", "F# major")):
        assert np.flatnonzero(wanted(going)).tolist() == [v.attribute_token(name, value)]
        going.take(v.attribute_token(name, value))
    first = wanted(going)
    assert not first[v.first_duration :].any()  # it begins with a note
    for token in (v.first_pitch, v.first_duration + v.durations.index(72)):
        reason = going.take(token)
    assert reason == "bars"
    rendered = going.render()
    assert rendered.attributes == {"style": "jig", "meter": "6/8", "key": "Gb major", "tempo": 90.0}
    piece = read_midi(rendered.data)
    assert meters(piece) == [(0, 6, 8)]
    assert piece.keys == (KeyChange(0, -6, "major"),)
    assert piece.end == 1440


def test_what_the_model_decided_is_told() -> None:
    rendered = play(plan("drums", bars=1), DRUMS, *[([36, 42], 1)] * 16, header=("funk", "4/4", 100))
    assert rendered.attributes == {"style": "funk", "meter": "4/4", "tempo": 105}
    piece = read_midi(rendered.data)
    assert piece.tracks[0].percussion
    assert piece.microseconds_per_quarter == round(60e6 / 105)


def test_the_last_note_of_the_prime_is_not_held_on() -> None:
    going = plan("folk", prime=tune(4), bars=1)
    assert not wanted(going)[FOLK.vocabulary.hold]
    going.take(FOLK.vocabulary.first_pitch)
    going.take(FOLK.vocabulary.first_duration)
    assert wanted(going)[FOLK.vocabulary.hold]


def test_what_was_drawn_is_shown_once() -> None:
    going = plan("folk", prime=tune(4), bars=1)
    v = FOLK.vocabulary
    going.take(v.first_pitch)
    assert going.fresh_text() == "48"
    going.take(v.first_duration + v.durations.index(24))
    assert going.fresh_text() == ":1 "
    assert going.fresh_text() == ""
