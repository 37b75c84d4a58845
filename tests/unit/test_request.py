from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from pydantic import ValidationError

from core.sampling_params import MAX_SEED, SamplingParams
from worker.jobs.request import GenerationRequest, SamplingChoice


def test_a_choice_has_the_knobs_of_the_sampler_with_the_same_ranges() -> None:
    sampler = get_type_hints(SamplingParams, include_extras=True)
    choice = get_type_hints(SamplingChoice, include_extras=True)
    for name in SamplingChoice.model_fields:
        assert choice[name] in (sampler[name], sampler[name] | None)
    assert set(SamplingChoice.model_fields) == {name for name in sampler if not name.startswith("_")}


def test_a_request_survives_json() -> None:
    request = GenerationRequest.model_validate({"prime": {"format": "notes", "notes": "C4:1"}, "sampling": {"seed": MAX_SEED}})
    assert GenerationRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    "fields",
    [
        {"variations": 9},
        {"variations": 0},
        {"version": 2},
        {"kind": "sentiment"},
        {"extra": 1},
        {"attributes": {"tempo": float("nan")}},
        {"attributes": {"bars": 0}},
        {"sampling": {"temperature": float("inf")}},
        {"sampling": {"temperature": 2.1}},
        {"sampling": {"top_p": 0}},
        {"sampling": {"seed": MAX_SEED + 1}},
        {"sampling": {"seed": 1.5}},
        {"sampling": {"taste": 1}},
        {"prompt": "a\0b"},
        {"prompt": "\ud800"},
        {"prompt": "x" * 200_001},
        {"prime": {"format": "midi", "notes": "C4:1"}},
        {"prime": {"format": "musicxml"}},
        {"stop": ["x"] * 9},
    ],
)
def test_what_is_out_of_range_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GenerationRequest.model_validate(fields)
