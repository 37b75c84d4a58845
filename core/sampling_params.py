"""How tokens are drawn: the knobs of the sampler, each with its range."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
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
        for bounds in _bounds():
            bounds.check(getattr(self, bounds.name))


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What one field may hold, as its annotation says."""

    name: str
    whole: bool
    low: Any
    high: Any
    optional: bool

    @classmethod
    def of(cls, name: str, hint: Any) -> _Bounds:
        optional = get_origin(hint) is not Annotated  # Annotated[...] | None
        annotated = next(arm for arm in get_args(hint) if get_origin(arm) is Annotated) if optional else hint
        base, *limits = get_args(annotated)
        low: Any = next(limit.ge for limit in limits if isinstance(limit, Ge))
        high: Any = next(limit.le for limit in limits if isinstance(limit, Le))
        return cls(name, base is int, low, high, optional)

    def check(self, value: Any) -> None:
        if value is None and self.optional:
            return
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise InvalidField(f"{self.name} must be a number, not {value!r}.", field=f"sampling.{self.name}")
        if math.isnan(value) or not self.low <= value <= self.high:
            raise InvalidField(f"{self.name} must lie between {self.low} and {self.high}.", field=f"sampling.{self.name}")


@cache
def _bounds() -> tuple[_Bounds, ...]:
    """Of every field; kept, for evaluating annotations takes longer than all else that a request's settings need."""
    hints = get_type_hints(SamplingParams, include_extras=True)
    return tuple(_Bounds.of(field.name, hints[field.name]) for field in fields(SamplingParams))
