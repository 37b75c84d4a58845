from __future__ import annotations

import numpy as np
import pytest
from core_strategies import beats, melodies
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import DRUMS, FOLK

from core.music.context import MATCH_LENGTH_CLASSES, MATCH_MEMORY, MATCH_MINIMUM, MusicContext
from core.music.tokenizer import MusicTokenizer
from core.music.vocabulary import END, START, MusicVocabulary
from core.training.music_batches import Sequence, play

VOCABULARIES = st.sampled_from([FOLK.vocabulary, DRUMS.vocabulary])
SEEDS = st.integers(0, 2**32)


def tokens_of(case: tuple, tokenizer: MusicTokenizer) -> list[int]:
    return tokenizer.encode(*case)


ENCODED = st.one_of(
    melodies().map(lambda case: (FOLK.vocabulary, tokens_of(case, FOLK))),
    beats().map(lambda case: (DRUMS.vocabulary, tokens_of(case, DRUMS))),
)


Seen = tuple[np.ndarray, ...]


def walk(v: MusicVocabulary, seed: int, bars: int = 0, most: int = 250) -> tuple[list[int], list[Seen]]:
    """A piece drawn at random under the grammar, from START to END or as far as `most` tokens; and what was seen on the way."""
    random = np.random.default_rng(seed)
    context = MusicContext(v, 1)
    context.reset(0, bars)
    tokens, seen = [START], [of_row(context.inputs(), 0)]
    while tokens[-1] != END and len(tokens) < most:
        tokens.append(int(random.choice(np.flatnonzero(seen[-1][2]))))
        context.advance(np.array(tokens[-1:]))
        seen.append(of_row(context.inputs(), 0))
    return tokens, seen


def alone(v: MusicVocabulary, tokens: list[int], bars: int = 0) -> list[Seen]:
    """features, references and allowed at each place of one sequence, in a context of one row."""
    context = MusicContext(v, 1)
    context.reset(0, bars)
    seen = [of_row(context.inputs(), 0)]
    for token in tokens[1:]:
        context.advance(np.array([token]))
        seen.append(of_row(context.inputs(), 0))
    return seen


def of_row(seen: Seen, row: int) -> Seen:
    return tuple(part[row] for part in seen)


def same(left: Seen, right: Seen) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))


@given(VOCABULARIES, SEEDS, st.integers(0, 3))
@settings(deadline=None, max_examples=12)
def test_a_running_piece_always_has_a_next_token_and_every_feature_a_row_in_its_table(
    v: MusicVocabulary, seed: int, bars: int
) -> None:
    sizes = np.array(MusicContext(v, 1).feature_sizes())
    tokens, seen = walk(v, seed, bars)
    for features, references, allowed in seen[: len(tokens) - (tokens[-1] == END)]:
        assert allowed.any()
        assert (features >= 0).all()
        assert (features < sizes).all()
        assert ((references >= 0) & (references <= len(v.pitches))).all()


@given(VOCABULARIES, SEEDS, st.integers(1, 3))
@settings(deadline=None, max_examples=12)
def test_what_is_drawn_under_the_grammar_has_exactly_the_bars_asked_for(v: MusicVocabulary, seed: int, bars: int) -> None:
    tokens, _ = walk(v, seed, bars, most=10_000)
    tokenizer = MusicTokenizer(v)
    steps, attributes = tokenizer.parse(tokens)
    bar = v.bar_ticks(str(attributes["meter"] or "4/4"))
    assert tokens[-1] == END
    assert sum(step.duration for step in steps) == bars * bar
    assert tokenizer.step_tokens(steps) == tokens[v.header_length : -1]  # nothing of it had to be passed over


@given(ENCODED, st.booleans())
@settings(deadline=None, max_examples=30)
def test_every_token_of_an_encoded_piece_is_allowed_in_its_place(case: tuple[MusicVocabulary, list[int]], told: bool) -> None:
    v, tokens = case
    steps, attributes = MusicTokenizer(v).parse(tokens)
    bars = sum(step.duration for step in steps) // v.bar_ticks(str(attributes["meter"]))
    for token, (_, _, allowed) in zip(tokens[1:], alone(v, tokens, bars if told else 0), strict=False):
        assert allowed[token]


@given(VOCABULARIES, SEEDS, st.data())
@settings(deadline=None, max_examples=15)
def test_what_comes_later_changes_nothing_before(v: MusicVocabulary, seed: int, data: st.DataObject) -> None:
    tokens, _ = walk(v, seed, most=80)
    place = data.draw(st.integers(1, len(tokens) - 1))
    other = [*tokens[:place], *data.draw(st.lists(st.integers(2, v.size - 1), min_size=1, max_size=20))]

    def seen(sequence: list[int]) -> list[Seen]:
        played = Sequence(np.array(sequence), np.ones(len(sequence), np.float32))
        batches = [batch for batch, _ in play(v, iter([played]), rows=1, chunk=16)]
        return [
            (batch.features[time, 0], batch.references[time, 0], batch.allowed[time, 0])
            for batch in batches
            for time in range(len(batch.targets))
        ][: len(sequence) - 1]

    for before, after in zip(seen(tokens)[:place], seen(other)[:place], strict=True):
        assert same(before, after)


@given(VOCABULARIES, st.lists(st.tuples(SEEDS, st.integers(0, 2), st.integers(0, 30)), min_size=2, max_size=4))
@settings(deadline=None, max_examples=10)
def test_a_row_sees_the_same_alone_and_in_any_company(v: MusicVocabulary, rows: list[tuple[int, int, int]]) -> None:
    sequences, expected = zip(*(walk(v, seed, bars, most=50) for seed, bars, _ in rows), strict=True)
    context = MusicContext(v, len(rows))
    for time in range(max(start + len(tokens) for tokens, (_, _, start) in zip(sequences, rows, strict=True))):
        told = np.zeros(len(rows), np.int64)
        for row, (tokens, (_, bars, start)) in enumerate(zip(sequences, rows, strict=True)):
            if time == start:
                context.reset(row, bars)
            if start <= time < start + len(tokens) - 1:
                told[row] = tokens[time - start + 1]
        seen = context.inputs()
        for row, (tokens, (_, _, start)) in enumerate(zip(sequences, rows, strict=True)):
            if start <= time < start + len(tokens):
                assert same(of_row(seen, row), expected[row][time - start])
        context.advance(told)


@given(VOCABULARIES, SEEDS, st.integers(1, 60))
@settings(deadline=None, max_examples=12)
def test_a_copied_row_goes_on_as_its_source_would(v: MusicVocabulary, seed: int, place: int) -> None:
    tokens, seen = walk(v, seed, most=80)
    place = min(place, len(tokens) - 1)
    source, target = MusicContext(v, 1), MusicContext(v, 4)
    source.reset(0)
    for token in tokens[1:place]:
        source.advance(np.array([token]))
        target.advance(np.array([3, 5, 7, 2]))  # whatever was there before
    target.copy_row(2, source, 0)
    for token, expected in zip(tokens[place:], seen[place - 1 :], strict=False):
        assert same(of_row(target.inputs(), 2), expected)
        target.advance(np.array([0, 0, token, 0]))
    assert same(of_row(source.inputs(), 0), seen[place - 1])  # and the source stays as it was


@given(SEEDS)
@settings(deadline=None, max_examples=10)
def test_the_match_points_to_what_followed_the_longest_earlier_occurrence(seed: int) -> None:
    v = FOLK.vocabulary
    random = np.random.default_rng(seed)
    few = [v.first_pitch + 12, v.first_pitch + 14, v.first_duration, v.first_duration + 1]
    said = random.choice(few, 100).tolist()
    header = FOLK.header({})
    seen = alone(v, [*header, *said])[v.header_length - 1 :]
    for count, (features, references, _) in enumerate(seen):
        best, token = 0, v.size
        for end in range(count - 1):  # an earlier occurrence may overlap with the present one
            length = 0
            while length <= end and said[end - length] == said[count - 1 - length]:
                length += 1
            if length >= max(best, 1):
                best, token = length, said[end + 1]
        found = best >= MATCH_MINIMUM
        length_class = sum(edge <= best for edge in MATCH_LENGTH_CLASSES)
        assert features[-2:].tolist() == ([token, length_class] if found else [v.size, 0])
        pitched = found and v.first_pitch <= token < v.first_duration
        assert references[-1] == (token - v.first_pitch if pitched else len(v.pitches))


def test_the_match_still_finds_the_phrase_when_older_tokens_are_forgotten() -> None:
    v = FOLK.vocabulary
    phrase = [token for index in (3, 9, 4, 17, 22) for token in (v.first_pitch + index, v.first_duration + index)]
    said = phrase * (2 * MATCH_MEMORY // len(phrase))
    context = MusicContext(v, 2)
    context.reset(0)
    for token in FOLK.header({})[1:]:
        context.advance(np.array([token, 0]))
    for place, token in enumerate(said):
        if place >= len(phrase) + MATCH_MINIMUM:
            features, _, _ = context.inputs()
            assert features[0, -2] == token
        context.advance(np.array([token, 0]))


def test_a_row_at_rest_stays_as_it_is_and_begins_anew_when_it_is_reset() -> None:
    v = FOLK.vocabulary
    tokens, seen = walk(v, seed=4, most=60)
    context = MusicContext(v, 3)
    context.reset(0)
    for token in tokens[1:]:
        context.advance(np.array([token, 0, 5]))
    context.rest(0)
    for _ in range(MATCH_MEMORY):
        context.advance(np.array([3, v.first_pitch, v.first_duration]))
    assert not context.count.any()
    assert not context.said_count.any()
    context.reset(0)
    for token, expected in zip(tokens[1:], seen, strict=False):
        assert same(of_row(context.inputs(), 0), expected)
        context.advance(np.array([token, 0, 0]))


@pytest.mark.parametrize("bar", [7, 60, 84, 120])
def test_a_bar_that_no_metre_token_says_is_told_at_the_start(bar: int) -> None:
    v = FOLK.vocabulary
    random = np.random.default_rng(bar)
    context = MusicContext(v, 1)
    context.reset(0, 2, bar)
    for token in FOLK.header({"meter": "5/4"})[1:]:
        context.advance(np.array([token]))
    ticks, token = 0, START
    while token != END:
        token = int(random.choice(np.flatnonzero(context.inputs()[2][0])))
        ticks += v.durations[token - v.first_duration] if token >= v.first_duration else 0
        context.advance(np.array([token]))
    assert ticks == 2 * bar
