from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.native.library import SamplingSpec, best_path, load
from core.sampling import RECENT_TOKENS, UNIT, Knobs, draw, seen, uniform, uniforms, weigh
from core.sampling_params import SamplingParams

SIZE = 12
LOGITS = arrays(np.int8, SIZE).map(lambda eighths: (eighths / 8).astype(np.float32))  # often two alike
MASKS = arrays(bool, SIZE).filter(lambda mask: mask.any())
few = settings(deadline=None, max_examples=30)
PARAMS = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.05, 0.7, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 50]),
    top_p=st.sampled_from([0.01, 0.3, 0.9, 1.0]),
    repetition_penalty=st.sampled_from([1.0, 1.3, 2.0]),
)
Row = tuple[np.ndarray, np.ndarray, SamplingParams, np.ndarray]
ROWS = st.tuples(LOGITS, MASKS, PARAMS, arrays(bool, SIZE))
WHOLE = 2.0**-30  # of the likeliest token's weight; what is less is rounded off

torch.set_num_threads(1)


def weights(*rows: Row) -> torch.Tensor:
    logits, allowed, params, repeated = zip(*rows, strict=True)
    masks = torch.from_numpy(np.stack(allowed)), torch.from_numpy(np.stack(repeated))
    return weigh(torch.from_numpy(np.stack(logits)), *masks, Knobs.of(params))


def distribution(*rows: Row) -> np.ndarray:
    """What is drawn from, as probabilities."""
    weighed = weights(*rows).numpy()
    return weighed / weighed.sum(axis=1, keepdims=True)


def of(
    logits: Sequence[float], params: SamplingParams, allowed: Sequence[bool] = (), repeated: Sequence[bool] = ()
) -> np.ndarray:
    size = len(logits)
    row = (np.array(logits, np.float32), np.array(allowed or [True] * size), params, np.array(repeated or [False] * size))
    return distribution(row)[0]


def drawn(weighed: torch.Tensor, numbers: Sequence[float]) -> list[int]:
    return draw(weighed, torch.tensor(numbers, dtype=torch.float64)).tolist()


PLAIN = SamplingParams(top_p=1.0)


def test_nothing_asked_for_is_the_softmax() -> None:
    logits = [0.5, -1.0, 2.0, 0.0]
    np.testing.assert_allclose(of(logits, PLAIN), np.exp(logits) / np.exp(logits).sum(), rtol=1e-6)


def test_the_order_is_penalty_then_mask_then_temperature_then_top_k_then_top_p() -> None:
    logits, repeated, allowed = [4.0, 3.0, 2.0, -1.0, 9.0], [True, False, False, True, False], [True] * 4 + [False]
    params = SamplingParams(temperature=0.5, top_k=3, top_p=0.8, repetition_penalty=2.0)
    # penalty: 4 → 2, −1 → −2; masked: the 9; temperature: [4, 6, 4, −4]; top_k 3 keeps the first three; of their mass
    # e⁶ has 0.787, so that one more belongs to the nucleus: of two alike the first
    kept = np.array([np.exp(4.0), np.exp(6.0), 0.0, 0.0, 0.0])
    np.testing.assert_allclose(of(logits, params, allowed, repeated), kept / kept.sum(), rtol=1e-6)


def test_top_p_counts_the_mass_that_top_k_has_left() -> None:
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    kept = of(logits, SamplingParams(top_k=2, top_p=0.5))  # 0.4 of 0.7 is more than half; 0.4 of 1 is not
    np.testing.assert_array_equal(kept, [1, 0, 0, 0])
    np.testing.assert_allclose(of(logits, SamplingParams(top_p=0.5)), [4 / 7, 3 / 7, 0, 0], rtol=1e-6)


@given(LOGITS, MASKS, st.sampled_from([0.01, 0.5, 1.0]), st.integers(0, 5))
@few
def test_temperature_zero_is_the_likeliest_allowed_token(
    logits: np.ndarray, allowed: np.ndarray, top_p: float, top_k: int
) -> None:
    greedy = SamplingParams(temperature=0.0, top_p=top_p, top_k=top_k)
    best = int(np.argmax(np.where(allowed, logits, -np.inf)))  # of equally likely ones the first
    expected = np.zeros(SIZE)
    expected[best] = 1.0
    np.testing.assert_array_equal(distribution((logits, allowed, greedy, np.zeros(SIZE, bool)))[0], expected)


@given(LOGITS, MASKS, st.floats(0.01, 1.0))
@few
def test_the_nucleus_is_the_smallest_set_that_reaches_p_and_sums_to_one(
    logits: np.ndarray, allowed: np.ndarray, top_p: float
) -> None:
    nothing_seen = np.zeros(SIZE, bool)
    whole = weights((logits, allowed, PLAIN, nothing_seen))[0].numpy()
    kept = weights((logits, allowed, SamplingParams(top_p=top_p), nothing_seen))[0].numpy()
    inside = kept > 0
    enough = float(np.float32(top_p)) * whole.sum()  # in whole numbers: nothing is rounded off here
    assert (kept / kept.sum()).sum() == pytest.approx(1.0, abs=1e-12)
    assert whole[inside].sum() >= np.floor(enough)
    assert whole[inside].sum() - whole[inside].min() <= enough  # without its least likely it would not reach
    assert whole[inside].min() >= whole[~inside].max(initial=0)
    np.testing.assert_array_equal(kept[inside], whole[inside])


@given(LOGITS, MASKS, st.integers(1, SIZE))
@few
def test_top_k_keeps_the_k_likeliest(logits: np.ndarray, allowed: np.ndarray, top_k: int) -> None:
    kept = distribution((logits, allowed, SamplingParams(top_k=top_k, top_p=1.0), np.zeros(SIZE, bool)))[0]
    highest = np.where(allowed, logits, -np.inf).max()
    possible = allowed & (np.exp(logits.astype(float) - highest) > 2 * WHOLE)
    assert min(top_k, possible.sum()) <= (kept > 0).sum() <= min(top_k, allowed.sum())
    assert logits[kept > 0].min() >= np.where(possible & (kept == 0), logits, -np.inf).max()


@given(ROWS, st.floats(0, 1, exclude_max=True))
@few
def test_what_is_not_allowed_is_never_drawn(row: Row, number: float) -> None:
    one = weights(row)
    assert not one[0].numpy()[~row[1]].any()
    (token,) = drawn(one, [number])
    assert row[1][token]
    assert one[0, token] > 0


@given(ROWS, st.floats(0, 1, exclude_max=True))
@few
def test_where_nothing_is_allowed_nothing_is_drawn(row: Row, number: float) -> None:
    nothing = (row[0], np.zeros(SIZE, bool), row[2], row[3])
    assert drawn(weights(nothing, row), [number, number])[0] == -1


@given(st.lists(ROWS, min_size=2, max_size=6), st.integers(0, 1000))
@settings(deadline=None, max_examples=15)
def test_a_row_does_not_depend_on_its_company(rows: list[Row], seed: int) -> None:
    numbers = [uniform(seed, 1, 1, step) for step in range(len(rows))]
    together = weights(*rows)
    tokens = drawn(together, numbers)
    for place, row in enumerate(rows):
        alone = weights(row)
        assert torch.equal(alone[0], together[place])
        assert drawn(alone, [numbers[place]]) == [tokens[place]]


@given(
    st.sampled_from([3, 16, 48, 157]).flatmap(
        lambda size: st.tuples(arrays(np.float32, size, elements=st.floats(-20, 20, width=32)), arrays(bool, size))
    ),
    PARAMS,
    st.lists(st.integers(0, 2), max_size=2 * RECENT_TOKENS),
    st.integers(0, 2**53 - 1),
)
@settings(deadline=None, max_examples=150)
def test_the_kernel_draws_the_same_tokens(
    row: tuple[np.ndarray, np.ndarray], params: SamplingParams, before: list[int], seed: int
) -> None:
    logits, allowed = row
    size = len(logits)
    recent = torch.tensor([([size] * RECENT_TOKENS + before)[-RECENT_TOKENS:]])
    number = torch.from_numpy(uniforms(seed, 3, 2, len(before), 1))
    mine = draw(
        weigh(torch.from_numpy(logits)[None], torch.from_numpy(allowed)[None], seen(recent, size), Knobs.of([params])), number
    )
    masks, everything, past = allowed.astype(np.uint8), np.ones(size, np.uint8), np.array(before, np.int32)
    spec = SamplingSpec(
        temperature=params.temperature,
        top_p=params.top_p,
        repetition_penalty=params.repetition_penalty,
        top_k=params.top_k,
        key=(seed, (3 << 32) | 2),
        wanted=everything.ctypes.data,
        wanted_rows=1,
    )
    theirs = load(best_path()).ritornello_draw(spec, logits.ctypes.data, masks.ctypes.data, size, past.ctypes.data, len(past))
    assert mine.tolist() == [theirs]


def test_only_the_last_64_tokens_are_seen() -> None:
    recent = torch.tensor([[*range(RECENT_TOKENS)], [9] * RECENT_TOKENS, [70] * RECENT_TOKENS])  # 70: none
    marks = seen(recent, 70)
    assert marks.sum(dim=1).tolist() == [RECENT_TOKENS, 1, 0]
    assert marks[1, 9]


def test_the_random_stream_is_the_same_for_ever() -> None:
    assert uniform(42, 1, 1, 0) == 0.2894954618906297
    assert uniform(42, 1, 1, 1) == 0.6431829554424392
    assert uniform(2**53 - 1, 8, 2, 4000) == 0.4237558128241844


def test_numbers_ahead_are_those_of_each_step() -> None:
    ahead = uniforms(7, 2, 1, 5, 20)
    assert ahead.tolist() == [uniform(7, 2, 1, step) for step in range(5, 25)]


def test_seed_variation_take_and_step_each_give_other_numbers() -> None:
    numbers = {
        uniform(seed, variation, take, step)
        for seed in (0, 1, 2**53 - 1)
        for variation in (1, 2, 8)
        for take in (1, 2)
        for step in range(20)
    }
    assert len(numbers) == 3 * 3 * 2 * 20
    assert all(0 <= number < 1 for number in numbers)


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    wanted = np.array([0.5, 0.0, 0.25, 0.15, 0.1])
    draws = 4000
    weighed = torch.tensor((wanted * UNIT).astype(np.int64)).expand(draws, -1)
    counts = np.bincount(drawn(weighed, uniforms(7, 1, 1, 0, draws).tolist()), minlength=5)
    assert counts[1] == 0
    expected = wanted[wanted > 0] * draws
    assert ((counts[wanted > 0] - expected) ** 2 / expected).sum() < 16.3  # chi-square, 3 degrees of freedom, one in a thousand


@pytest.mark.parametrize(("number", "token"), [(0.0, 1), (0.2499, 1), (0.25, 3), (0.9999999999999999, 3)])
def test_the_edges_of_the_distribution_fall_to_tokens_that_have_a_share(number: float, token: int) -> None:
    assert drawn(torch.tensor([[0, UNIT, 0, 3 * UNIT, 0]]), [number]) == [token]
