from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidField
from core.sampling_params import MAX_SEED, SamplingParams

RANGES = {
    "temperature": (0.0, 2.0),
    "top_k": (0, 1000),
    "top_p": (0.01, 1.0),
    "repetition_penalty": (1.0, 2.0),
    "seed": (0, MAX_SEED),
}


def test_every_knob_has_a_range_here() -> None:
    assert {field.name for field in fields(SamplingParams)} == set(RANGES)


@pytest.mark.parametrize(("name", "bounds"), RANGES.items())
def test_both_ends_of_a_range_belong_to_it_and_nothing_beyond(name: str, bounds: tuple[float, float]) -> None:
    step = 1 if isinstance(bounds[0], int) else 1e-6
    for value in bounds:
        assert getattr(SamplingParams(**{name: value}), name) == value
    for value in (bounds[0] - step, bounds[1] + step):
        with pytest.raises(InvalidField) as refused:
            SamplingParams(**{name: value})
        assert refused.value.field == f"sampling.{name}"


@given(st.sampled_from(sorted(RANGES)), st.sampled_from([float("nan"), float("inf"), -float("inf"), "1", True, [1]]))
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidField):
        SamplingParams(**{name: value})


@pytest.mark.parametrize("name", ["top_k", "seed"])
def test_a_whole_number_is_asked_for_where_it_matters(name: str) -> None:
    with pytest.raises(InvalidField):
        SamplingParams(**{name: 1.5})


def test_a_knob_cannot_be_left_empty_but_the_seed_can() -> None:
    assert SamplingParams(seed=None).seed is None
    with pytest.raises(InvalidField):
        SamplingParams(temperature=None)  # type: ignore[arg-type]
