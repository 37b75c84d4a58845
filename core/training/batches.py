"""What a corpus hands to the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
ALL_ROWS = slice(None)


@dataclass(frozen=True)
class Batch:
    """One chunk of `rows` sequences. Row r of the next batch goes on where row r of this one stopped, unless it is fresh."""

    features: Tokens  # (time, rows, n)
    references: Tokens  # (time, rows, r)
    allowed: NDArray[np.bool_] | None  # (time, rows, vocabulary): what the grammar lets follow; None is everything
    targets: Tokens  # (time, rows)
    weights: NDArray[np.float32]  # (time, rows): 0 where there is nothing to learn (padding)
    fresh: NDArray[np.bool_]  # (rows,): the row's state starts empty

    @property
    def learnt(self) -> int:
        """How many of the time · rows places have something to learn; the others are computed in vain."""
        return int(np.count_nonzero(self.weights))


@dataclass(frozen=True)
class Score:
    """Nats over a held-out set, and how many units (characters, notes, steps) they are spread over."""

    nats: float
    units: int

    @property
    def nats_per_unit(self) -> float:
        return self.nats / max(1, self.units)


class Corpus(Protocol):
    """Training data behind one tokenizer."""

    unit: str
    """What the score is per: character, note, step."""

    def architecture_sizes(self) -> dict[str, Any]:
        """vocabulary, features, references and pitch_tokens of the Architecture."""

    def tokenizer_config(self) -> dict[str, Any]: ...

    def training(self, rows: int, chunk: int, seed: int, skip: int = 0, mine: slice = ALL_ROWS) -> Iterator[Batch]:
        """Endless, shuffled, augmented: the stream that `seed` fixes, from its batch number `skip` on.

        What is skipped is planned, not made, so a resumed run finds its place at once. `mine`: the rows, of all `rows`, that
        this process trains on; the batches of several processes together are the one batch of a single process.
        """

    def validation(self, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        """The validation set once, or one process's share; beside each batch the units that it ends with. Weights mark what
        counts."""
