"""How tokens are drawn: the knobs of the sampler, each with its range."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le

from core.errors import InvalidField

MAX_SEED = 2**53 - 1  # the largest integer that survives JSON in a browser

Temperature = Annotated[float, Ge(0.0), Le(2.0)]
TopK = Annotated[int, Ge(0), Le(1000)]
TopP = Annotated[float, Ge(0.01), Le(1.0)]
RepetitionPenalty = Annotated[float, Ge(1.0), Le(2.0)]
Seed = Annotated[int, Ge(0), Le(MAX_SEED)]


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Applied in a fixed order: repetition penalty → temperature → top_k → top_p.

    `temperature=0` is greedy; `top_k=0` and `top_p=1` mean off; `seed=None` lets the server draw one.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": False}

    temperature: Temperature = 1.0
    """Divides the logits: below 1 surer, above 1 wilder, 0 always the likeliest token."""

    top_k: TopK = 0
    """Keep only the k likeliest tokens; 0 keeps all."""

    top_p: TopP = 0.95
    """Keep the smallest set of tokens whose probabilities reach p (nucleus, arXiv:1904.09751)."""

    repetition_penalty: RepetitionPenalty = 1.0
    """Weakens tokens seen among the last 64 (CTRL, arXiv:1909.05858); 1 is off."""

    seed: Seed | None = None
    """Starts the random stream; the same request with the same seed gives the same bytes."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for field in fields(self):
            _check_range(field.name, getattr(self, field.name), hints[field.name])


def _check_range(name: str, value: Any, hint: Any) -> None:
    bounds = hint
    if get_origin(hint) is not Annotated:  # Annotated[...] | None
        bounds = next(arm for arm in get_args(hint) if get_origin(arm) is Annotated)
        if value is None:
            return
    base, *limits = get_args(bounds)
    if isinstance(value, bool) or not isinstance(value, (int, float) if base is float else int):
        raise InvalidField(f"{name} must be a number, not {value!r}.", field=f"sampling.{name}")
    low: Any = next(limit.ge for limit in limits if isinstance(limit, Ge))
    high: Any = next(limit.le for limit in limits if isinstance(limit, Le))
    if math.isnan(value) or not low <= value <= high:
        raise InvalidField(f"{name} must lie between {low} and {high}.", field=f"sampling.{name}")
