"""What a generator is asked to make, once everything about the request has been settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.music.piece import Piece
from core.sampling_params import SamplingParams

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Brief:
    """An admitted request as the core sees it. `sampling.seed` is set; text asks for words or sentences, music for bars."""

    sampling: SamplingParams
    variations: int = 1
    prime: Piece | None = None
    attributes: Mapping[str, str | float | None] = field(default_factory=dict)
    """style, meter, key, tempo: None is the model's to decide."""
    bars: int = 8
    prompt: str = ""
    words: int | None = None
    sentences: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """One finished variation as a file, with what there is to say of it."""

    extension: str
    media_type: str
    data: bytes
    figures: dict[str, int | float]
    attributes: dict[str, str | float]
    """What the model was told or decided: style, meter, key, tempo. Empty for text."""


class Context(Protocol):
    """What the network sees at each place, for several sequences at once (core.music.context, core.text.context)."""

    def reset(self, row: int, bars_total: int = 0, bar_ticks: int = 0) -> None: ...

    def rest(self, row: int) -> None:
        """Nobody is in the row until it is reset or copied to."""

    def copy_row(self, row: int, source: Any, source_row: int) -> None: ...

    def inputs(self) -> tuple[Ints, Ints, Bools]: ...

    def advance(self, tokens: Ints) -> None: ...


class Plan(Protocol):
    """One variation under way: what is read first, what may be drawn, when it is over, and what it becomes."""

    prefix: list[int]
    """Read before the first token is drawn; its first is what `Context.reset` has read."""
    bars_total: int
    bar_ticks: int
    """Both for `Context.reset`; 0 where they do not apply, or are not known yet."""
    total: int
    """The size of the work, in the unit that `done` counts."""
    done: int
    budget: int
    """At most so many tokens are drawn."""
    wanted: Bools
    """(n, vocabulary): of what the grammar allows, what it wants as the k-th token; the last row is for all that follow."""

    def take(self, token: int) -> str | None:
        """Note a drawn token; the finish reason when the variation is over."""

    def fresh_text(self) -> str:
        """What was made since the last call, for people to watch."""

    def render(self) -> Rendered: ...


class Author(Protocol):
    """Knows one checkpoint's language: makes contexts and plans (core.music.composer, core.text.writer)."""

    def context(self, rows: int) -> Context: ...

    def plan(self, brief: Brief) -> Plan: ...
