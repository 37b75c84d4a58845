"""Interpolated Witten-Bell n-grams: the floor that every sequence model here has to beat.

    P(w | c₁ … cₖ) = (N(c₁ … cₖ, w) + T(c₁ … cₖ) · P(w | c₁ … cₖ₋₁)) / (N(c₁ … cₖ) + T(c₁ … cₖ))

N counts in training, T is how many different w followed the context there, and below k = 0 stands the uniform
distribution. A context never seen leaves the shorter one's word for it. Source: Witten & Bell 1991,
https://doi.org/10.1109/18.87000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]
Floats = NDArray[np.float64]

PLACES_AT_ONCE = 4096  # bounds the memory of whole distributions


@dataclass(frozen=True)
class _Level:
    """The counts under contexts of one length; each array but the last two has one entry for each context."""

    keys: Ints
    """Ascending: the shorter context's number × symbols + the symbol that makes it longer."""
    totals: Floats
    kinds: Ints
    starts: Ints
    """Where the context's followers begin in the next two."""
    followers: Ints
    counts: Floats


class WittenBell:
    """`columns[k]` holds symbol cₖ₊₁ of every place's context: the first is given up last. `targets`: what stood there.

    Symbols of contexts are below `symbols`, those of targets below `vocabulary`.
    """

    def __init__(self, columns: Sequence[Ints], targets: Ints, symbols: int, vocabulary: int) -> None:
        self.symbols, self.vocabulary = symbols, vocabulary
        self._levels: list[_Level] = []
        context = np.zeros(len(targets), np.int64)
        keys = np.zeros(1, np.int64)
        for depth in range(len(columns) + 1):
            if depth:
                keys, context = np.unique(context * symbols + columns[depth - 1], return_inverse=True)
            events, counts = np.unique(context * vocabulary + targets, return_counts=True)
            owners, followers = np.divmod(events, vocabulary)
            kinds = np.bincount(owners, minlength=len(keys))
            totals = np.bincount(owners, weights=counts, minlength=len(keys)).astype(np.float64)
            starts = np.cumsum(kinds) - kinds
            self._levels.append(_Level(keys, totals, kinds, starts, followers, counts.astype(np.float64)))

    def distributions(self, columns: Sequence[Ints], places: int) -> Iterator[Floats]:
        """(places, vocabulary) under no context, under the first column, under the first two, …

        Each is the array of the one before, changed in place.
        """
        distribution = np.full((places, self.vocabulary), 1 / self.vocabulary)
        context = np.zeros(places, np.int64)
        known = np.arange(places)  # the places whose context was seen, so far as it goes
        for depth, level in enumerate(self._levels):
            if depth:
                wanted = context * self.symbols + columns[depth - 1][known]
                context = np.minimum(np.searchsorted(level.keys, wanted), len(level.keys) - 1)
                seen = level.keys[context] == wanted
                known, context = known[seen], context[seen]
            kinds = level.kinds[context]
            mass = level.totals[context] + kinds
            distribution[known] *= (kinds / mass)[:, None]
            ends = np.cumsum(kinds)
            entries = np.repeat(level.starts[context] - (ends - kinds), kinds) + np.arange(ends[-1] if len(ends) else 0)
            added = level.counts[entries] / np.repeat(mass, kinds)
            distribution[np.repeat(known, kinds), level.followers[entries]] += added
            yield distribution

    def nats(self, columns: Sequence[Ints], targets: Ints, allowed: NDArray[np.bool_] | None = None) -> Floats:
        """−log P of each target under every length of context: (len(columns) + 1, places).

        `allowed` (places, vocabulary): where it is given, the probability is that among what is allowed.
        """
        result = np.empty((len(columns) + 1, len(targets)))
        for first in range(0, len(targets), PLACES_AT_ONCE):
            some = slice(first, first + PLACES_AT_ONCE)
            here = targets[some]
            for depth, distribution in enumerate(self.distributions([column[some] for column in columns], len(here))):
                chosen = distribution[np.arange(len(here)), here]
                if allowed is not None:
                    chosen = chosen / np.where(allowed[some], distribution, 0.0).sum(axis=1)
                result[depth, some] = -np.log(chosen)
        return result


def preceding(symbols: Ints, places: Ints, depth: int, nothing: int) -> list[Ints]:
    """Context columns of a stream of pieces: the symbol before, the one before that, … `depth` of them.

    `places` is where in its piece each symbol stands; before the piece began there is `nothing`.
    """
    columns = []
    for distance in range(1, depth + 1):
        before = np.full_like(symbols, nothing)
        before[distance:] = symbols[:-distance]
        columns.append(np.where(places >= distance, before, nothing).astype(symbols.dtype))
    return columns


@dataclass(frozen=True)
class Floor:
    """One n-gram's nats per unit on both held-out splits."""

    name: str
    validation: float
    test: float

    def on(self, split: str) -> float:
        return {"validation": self.validation, "test": self.test}[split]


def strongest(floors: Iterable[Floor]) -> Floor:
    """Chosen on validation; the test split has no say."""
    return min(floors, key=lambda floor: floor.validation)
