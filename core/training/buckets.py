"""Which sequence stands in which row, and when: chunks without padding waste, whatever the sequences' lengths.

All rows of a chunk have one length, and a state is emptied only at a chunk's start, so the places after a sequence's end are
lost up to the end of the chunk. A sequence cut into equal *pieces* of at most `chunk` tokens loses none of them if the chunks
are as long as its pieces. So sequences whose pieces are equally long are trained side by side, however many pieces each has:
they are sorted within a bucket by the length of their pieces, rows take the next one as they become free, and the chunks'
length follows. Buckets come in random order; only where the length jumps do the rows in mid-sequence lose places.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

BUCKET = 4
"""Sequences a row in a bucket. Larger ones lose fewer places, at fewer jumps, but a folk tune's length tells its form: the
network learnt less from as many tokens when it met one form for longer (docs/decisions.md)."""
BUCKETS = 8
"""Buckets sorted at a time: the more, the more alike are the pieces in each."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """Tokens from START on. `weights`: one for each token (the first is never a target). `bars_total`: 0 when not told."""

    tokens: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any]
    bars_total: int = 0
    units: int = 0
    """What the score of this sequence is divided by: its notes, or its steps."""

    @property
    def places(self) -> int:
        """How many tokens are to be foreseen."""
        return len(self.tokens) - 1

    def piece(self, chunk: int) -> int:
        """The length of its pieces: as few as there can be of at most `chunk` places, all equally long."""
        return -(-self.places // -(-self.places // chunk))


@dataclass(frozen=True)
class Span:
    """The places of a sequence that a row plays in one chunk."""

    sequence: Sequence
    first: int
    last: int  # exclusive

    @property
    def ends(self) -> bool:
        return self.last == self.sequence.places


@dataclass(frozen=True)
class Chunk:
    """`time` places of every row; None is an idle row."""

    time: int
    spans: list[Span | None]


def endless(
    count: int, vary: Callable[[int, np.random.Generator], Sequence], rows: int, chunk: int, random: np.random.Generator
) -> Iterator[Sequence]:
    """`count` sequences epoch after epoch, each epoch in a new order, bucketed; `vary(place, random)` makes one of them."""
    order = _epochs(count, random)
    size = min(count, BUCKETS * BUCKET * rows)  # no more than an epoch: else the same ones would stand side by side
    while True:
        yield from bucketed([vary(place, random) for place in itertools.islice(order, size)], rows, chunk, random)


def _epochs(count: int, random: np.random.Generator) -> Iterator[int]:
    while True:
        yield from random.permutation(count).tolist()


def bucketed(sequences: list[Sequence], rows: int, chunk: int, random: np.random.Generator | None) -> list[Sequence]:
    """Sorted by the length of their pieces and, with `random`, the buckets shuffled."""
    ordered = sorted(sequences, key=lambda sequence: sequence.piece(chunk))  # stable: equal ones stay shuffled
    if random is None:
        return ordered
    count = max(1, len(ordered) // (BUCKET * rows))
    edges = [len(ordered) * number // count for number in range(count + 1)]
    return [sequence for number in random.permutation(count) for sequence in ordered[edges[number] : edges[number + 1]]]


def lay_out(sequences: Iterator[Sequence], rows: int, chunk: int) -> Iterator[Chunk]:
    """Each row plays one sequence after another, in the order in which rows become free, until there are no more."""
    playing: list[Sequence | None] = [None] * rows
    first, time = [0] * rows, chunk
    while True:
        for row in range(rows):
            if playing[row] is None and (sequence := next(sequences, None)) is not None:
                playing[row], first[row], time = sequence, 0, sequence.piece(chunk)
        left = [0 if sequence is None else sequence.places - done for sequence, done in zip(playing, first, strict=True)]
        if not any(left):
            return
        time = min(time, max(left))
        spans: list[Span | None] = []
        for row, sequence in enumerate(playing):
            if sequence is None:
                spans.append(None)
                continue
            span = Span(sequence, first[row], min(first[row] + time, sequence.places))
            spans.append(span)
            first[row] = span.last
            if span.ends:
                playing[row] = None
        yield Chunk(time, spans)


def wasted(chunks: Iterator[Chunk]) -> float:
    """The share of places that are computed in vain."""
    used = places = 0
    for chunk in chunks:
        used += sum(span.last - span.first for span in chunk.spans if span is not None)
        places += chunk.time * len(chunk.spans)
    return 1 - used / places
