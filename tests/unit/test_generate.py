from __future__ import annotations

from typing import Any

import pytest
from core_strategies import primes
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import toy, toy_decoder

from core.brief import Brief
from core.generate import READ_STEPS, Result, generate
from core.music.composer import bar_lines_after, without_afterthoughts
from core.music.midi import read_midi
from core.music.piece import Note, Piece, Track
from core.sampling_params import SamplingParams

LINE = Piece(480, (Track(tuple(Note(240 * place, 240, 60 + place) for place in range(8))),))


def made(name: str, seed: int = 1, sampling: dict[str, Any] | None = None, **brief: Any) -> list[Result]:
    return generate(toy_decoder(name), Brief(SamplingParams(seed=seed, **(sampling or {})), **brief))


def data(results: list[Result]) -> list[bytes]:
    return [result.rendered.data for result in results]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("folk", {"prime": LINE, "bars": 2, "attributes": {"key": "C major"}}),
    ("folk", {"bars": 2}),
    ("drums", {"bars": 1}),
    ("shakespeare", {"prompt": "to be", "words": 6}),
]


@pytest.mark.parametrize(("name", "brief"), CASES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_or_variation_others(name: str, brief: dict[str, Any]) -> None:
    first = data(made(name, variations=2, **brief))
    assert data(made(name, variations=2, **brief)) == first
    assert data(made(name, variations=1, **brief)) == first[:1]
    assert first[0] != first[1]
    assert data(made(name, seed=2, **brief))[0] not in first


def test_every_variation_says_its_number_and_the_seed() -> None:
    results = made("shakespeare", seed=9, words=3, variations=3)
    assert [(result.variation, result.seed, result.finish_reason) for result in results] == [(n, 9, "words") for n in (1, 2, 3)]


def check_continuation(name: str, prime: Piece, bars: int, seed: int) -> None:
    (result,) = made(name, seed, prime=prime, bars=bars, attributes={"key": "C major"})
    piece = read_midi(result.rendered.data)
    boundary = result.rendered.figures["prime_end_tick"]
    assert result.finish_reason == "bars"
    assert result.rendered.figures["bars"] == bars
    assert piece.ticks_per_quarter == prime.ticks_per_quarter
    assert boundary >= prime.end
    heard = [(track.name, track.program, track.percussion, track.notes) for track in prime.tracks]
    told = [
        (track.name, track.program, track.percussion, tuple(note for note in track.notes if note.start < boundary))
        for track in piece.tracks
    ]
    assert told == heard
    kept = without_afterthoughts(prime)
    assert piece.tempos == kept.tempos
    assert piece.meters[: len(kept.meters)] == kept.meters
    lines = bar_lines_after(kept)
    ends = [next(lines) for _ in range(bars + 2)]
    assert piece.end == ends[bars] or (boundary > ends[0] and piece.end == ends[bars + 1])
    new = sum(note.start >= boundary for track in piece.tracks for note in track.notes)
    assert new == result.rendered.figures["notes"]


@given(primes(), st.integers(1, 2), st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_a_continued_melody_begins_with_the_prime_tick_for_tick_and_ends_on_a_bar_line(
    prime: Piece, bars: int, seed: int
) -> None:
    check_continuation("folk", prime, bars, seed)


@given(primes(percussion=True), st.integers(1, 2), st.integers(0, 99))
@settings(deadline=None, max_examples=15)
def test_a_continued_beat_begins_with_the_prime_tick_for_tick_and_ends_on_a_bar_line(
    prime: Piece, bars: int, seed: int
) -> None:
    check_continuation("drums", prime, bars, seed)


def test_a_prime_longer_than_one_reading_is_continued() -> None:
    notes = tuple(Note(120 * place, 120, 50 + place * 7 % 40) for place in range(4 * READ_STEPS))
    check_continuation("folk", Piece(480, (Track(notes),)), 1, 3)


@given(
    st.sampled_from(toy("folk").card.attributes.meter),
    st.sampled_from(toy("folk").card.attributes.key),
    st.sampled_from([None, *toy("folk").card.attributes.style]),
    st.integers(1, 3),
)
@settings(deadline=None, max_examples=12)
def test_a_new_melody_has_the_bars_and_the_attributes_asked_for(meter: str, key: str, style: str | None, bars: int) -> None:
    asked = {"meter": meter, "key": key, "style": style, "tempo": 90.0}
    (result,) = made("folk", bars=bars, attributes=asked)
    told = result.rendered.attributes
    assert {**told, **{name: value for name, value in asked.items() if value}} == told
    assert told["style"] in toy("folk").card.attributes.style
    piece = read_midi(result.rendered.data)
    assert f"{piece.meters[0].numerator}/{piece.meters[0].denominator}" == meter
    assert piece.end == bars * piece.bar_ticks()
    assert piece.microseconds_per_quarter == 666_667
    assert min(note.start for track in piece.tracks for note in track.notes) == 0
    assert result.rendered.figures["prime_end_tick"] == 0


@pytest.mark.parametrize("temperature", [0.0, 2.0])
@pytest.mark.parametrize(("name", "brief"), CASES)
def test_every_request_ends_within_its_budget(name: str, brief: dict[str, Any], temperature: float) -> None:
    settled = Brief(SamplingParams(seed=1), **brief)
    (result,) = made(name, sampling={"temperature": temperature}, **brief)
    assert result.rendered.figures["tokens"] <= toy(name).author.plan(settled).budget
    assert result.finish_reason in ("bars", "words", "length")
    if result.finish_reason == "length":
        assert name == "shakespeare"  # one that says one letter for ever; music always fills its bars


def test_greedy_is_the_same_whatever_the_seed() -> None:
    greedy = {"temperature": 0.0}
    assert data(made("folk", 1, greedy, bars=1)) == data(made("folk", 2, greedy, bars=1))


def test_a_penalty_on_repetition_changes_the_text() -> None:
    plain, penalised = (made("shakespeare", 1, {"repetition_penalty": penalty}, words=10) for penalty in (1.0, 2.0))
    assert data(plain) != data(penalised)


def test_a_prompt_survives_verbatim_with_characters_the_model_does_not_know() -> None:
    prompt = "Ação — 東京 ☃\r\n\tX "
    (result,) = made("shakespeare", prompt=prompt, words=3)
    text = result.rendered.data.decode()
    assert text.startswith(prompt)
    assert len(prompt) == result.rendered.figures["prompt_characters"]


def test_the_prompt_and_the_prime_matter() -> None:
    one, other = (made("shakespeare", prompt=prompt, words=5)[0] for prompt in ("to be", "to go"))
    assert one.rendered.data[5:] != other.rendered.data[5:]


def test_progress_counts_up_over_all_variations() -> None:
    seen: list[tuple[int, int]] = []
    generate(toy_decoder("shakespeare"), Brief(SamplingParams(seed=1), variations=2, words=4), lambda *at: seen.append(at))
    assert seen == sorted(seen)
    assert seen[-1] == (8, 8)
    assert {total for _, total in seen} == {8}
