"""What draws tokens, as the engine and the reference loop see it: streams of one model, advanced together.

Two decoders keep this contract: `core.native.decoder` (the C++ kernel, on any CPU) and `core.torch_decoder` (CUDA, and CPUs
without a compiler). A stream is one sequence under way. It may be advanced in any company, wait, and be copied: none of that
changes a token of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.brief import Author, Bools, Ints, Plan
from core.catalog import Card
from core.sampling_params import SamplingParams


@dataclass(frozen=True)
class Drawing:
    """How a stream draws. `sampling.seed` is set; `variation` and `take` count from 1.

    wanted (n, vocabulary): what may be drawn as the k-th token, besides what the grammar says; the last row holds for all
    that follow.
    """

    sampling: SamplingParams
    variation: int
    take: int
    wanted: Bools


class Stream(Protocol):
    """One sequence: its recurrent state, its context, its random stream. Its memory goes when it is forgotten."""

    @property
    def unread(self) -> int:
        """Tokens that it has yet to read before it draws."""

    def copy(self) -> Any:
        """A stream that goes on from the same place by itself."""

    def sample(self, drawing: Drawing) -> None:
        """From now on it draws once it has read everything; before, `advance` stops there."""


class Decoder(Protocol):
    """One loaded model. Use it from one thread."""

    card: Card
    author: Author
    numerics: str
    """Names the arithmetic: equal requests give equal bytes wherever this id is the same."""
    size_bytes: int
    """Memory that the model takes; a stream's few kB come on top."""

    def begin(self, plan: Plan) -> Any:
        """A stream that has yet to read the plan's prefix."""

    def advance(self, streams: Sequence[Any], steps: int) -> Ints:
        """Up to `steps` places of each stream: (streams, steps), the tokens drawn, −1 where none was.

        A stream that has nothing to draw from any more draws nothing.
        """
