"""The n-gram floor is a true interpolated Witten-Bell model."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.ngram import Floor, WittenBell, preceding, strongest

VOCABULARY = 4
NOTHING = VOCABULARY
DEPTH = 3

texts = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=40).map(np.array)


def columns(tokens: np.ndarray) -> list[np.ndarray]:
    return preceding(tokens, np.arange(len(tokens)), DEPTH, NOTHING)


def model_of(tokens: np.ndarray) -> WittenBell:
    return WittenBell(columns(tokens), tokens, VOCABULARY + 1, VOCABULARY)


def slow_probability(learned: list[int], context: tuple[int, ...], token: int) -> float:
    """The recursion of the module's docstring, as it stands there. `context`: the last token first."""
    shorter = slow_probability(learned, context[:-1], token) if context else 1 / VOCABULARY
    followers: dict[int, int] = defaultdict(int)
    for place, here in enumerate(learned):
        before = tuple(learned[place - back] if place >= back else NOTHING for back in range(1, len(context) + 1))
        if before == context:
            followers[here] += 1
    seen, kinds = sum(followers.values()), len(followers)
    return (followers[token] + kinds * shorter) / (seen + kinds) if seen else shorter


@given(texts, texts)
@settings(deadline=None, max_examples=40)
def test_every_order_agrees_with_the_slow_recursion(learned: np.ndarray, scored: np.ndarray) -> None:
    nats = model_of(learned).nats(columns(scored), scored)
    for place, token in enumerate(scored.tolist()):
        for depth in range(DEPTH + 1):
            context = tuple(int(scored[place - back]) if place >= back else NOTHING for back in range(1, depth + 1))
            assert math.isclose(math.exp(-nats[depth, place]), slow_probability(learned.tolist(), context, token), rel_tol=1e-9)


@given(texts, texts)
@settings(deadline=None)
def test_every_distribution_sums_to_one(learned: np.ndarray, scored: np.ndarray) -> None:
    for distribution in model_of(learned).distributions(columns(scored), len(scored)):
        assert np.allclose(distribution.sum(axis=1), 1)
        assert (distribution > 0).all()


def test_what_is_not_allowed_leaves_its_probability_to_the_rest() -> None:
    tokens = np.array([0, 1, 2, 0, 1, 3, 0, 1, 2])
    allowed = np.zeros((len(tokens), VOCABULARY), bool)
    allowed[:, :3] = True
    allowed[np.arange(len(tokens)), tokens] = True
    free, held = (model_of(tokens).nats(columns(tokens), tokens, rules) for rules in (None, allowed))
    assert (held <= free + 1e-12).all()
    only = allowed.copy()
    only[:] = False
    only[np.arange(len(tokens)), tokens] = True
    assert np.allclose(model_of(tokens).nats(columns(tokens), tokens, only), 0)


def test_a_long_row_is_scored_as_its_parts_are(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, 50)
    whole = model_of(tokens).nats(columns(tokens), tokens)
    monkeypatch.setattr("bench.ngram.PLACES_AT_ONCE", 7)
    assert np.array_equal(model_of(tokens).nats(columns(tokens), tokens), whole)


def test_no_context_reaches_back_into_the_piece_before() -> None:
    tokens, places = np.array([5, 6, 7, 8, 9]), np.array([0, 1, 2, 0, 1])
    last, before_last = preceding(tokens, places, 2, nothing=99)
    assert last.tolist() == [99, 5, 6, 99, 8]
    assert before_last.tolist() == [99, 99, 5, 99, 99]


def test_validation_alone_chooses() -> None:
    assert strongest([Floor("a", 2.0, 1.0), Floor("b", 1.5, 3.0)]).name == "b"
