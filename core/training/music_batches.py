"""Sequences of music as batches: what a MusicContext sees at each place, read ahead and cut into chunks."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.music.context import MusicContext
from core.music.vocabulary import END, MusicVocabulary
from core.training.batches import ALL_ROWS, Batch
from core.training.buckets import Chunk, Sequence, Span, lay_out

READ_TOGETHER = 96
"""Sequences read side by side: a step of the context costs hardly more for so many than for the rows of one process."""
READ_STEPS = 32
CHUNKS_AHEAD = 24
"""So far ahead are sequences begun to be read, to have enough of them."""


def architecture_sizes(vocabulary: MusicVocabulary) -> dict[str, Any]:
    context = MusicContext(vocabulary, 1)
    pitched = (0, 0) if vocabulary.percussion else (vocabulary.first_pitch, len(vocabulary.pitches))
    return {
        "vocabulary": vocabulary.size,
        "features": context.feature_sizes(),
        "references": context.reference_count(),
        "pitch_tokens": pitched,
    }


@dataclass(eq=False)
class Reading:
    """What the network sees at the first `done` places of a sequence."""

    sequence: Sequence
    features: NDArray[np.int16]  # (places, n)
    references: NDArray[np.int16]  # (places, r)
    allowed: NDArray[np.bool_]  # (places, vocabulary)
    done: int = 0


@dataclass(eq=False)
class Reader:
    """Reads sequences in the order in which they are begun, many at a time and no further than is asked for."""

    vocabulary: MusicVocabulary
    waiting: deque[Reading] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.context = MusicContext(self.vocabulary, READ_TOGETHER)
        self.slots: list[Reading | None] = [None] * READ_TOGETHER
        n, r, size = len(self.context.feature_sizes()), self.context.reference_count(), self.vocabulary.size
        self.features = np.zeros((READ_STEPS, READ_TOGETHER, n), np.int16)
        self.references = np.zeros((READ_STEPS, READ_TOGETHER, r), np.int16)
        self.allowed = np.zeros((READ_STEPS, READ_TOGETHER, size), bool)

    def begin(self, sequence: Sequence) -> Reading:
        places = sequence.places
        features, references, allowed = (
            np.empty((places, block.shape[2]), block.dtype) for block in (self.features, self.references, self.allowed)
        )
        reading = Reading(sequence, features, references, allowed)
        self.waiting.append(reading)
        return reading

    def read(self, reading: Reading, places: int) -> None:
        """Read on until so many of its places are done."""
        while reading.done < places:
            self._read_on()

    def _read_on(self) -> None:
        tokens = np.zeros((READ_STEPS, READ_TOGETHER), np.int64)
        for slot, reading in enumerate(self.slots):
            if reading is None and self.waiting:
                reading = self.slots[slot] = self.waiting.popleft()
                self.context.reset(slot, reading.sequence.bars_total)
            if reading is not None:
                here = reading.sequence.tokens[1 + reading.done :][:READ_STEPS]
                tokens[: len(here), slot] = here
        for step in range(READ_STEPS):
            self.features[step], self.references[step], self.allowed[step] = self.context.inputs()
            self.context.advance(tokens[step])
        for slot, reading in enumerate(self.slots):
            if reading is None:
                continue
            places = slice(reading.done, min(reading.done + READ_STEPS, reading.sequence.places))
            steps = places.stop - places.start
            reading.features[places] = self.features[:steps, slot]
            reading.references[places] = self.references[:steps, slot]
            reading.allowed[places] = self.allowed[:steps, slot]
            reading.done = places.stop
            if reading.done == reading.sequence.places:
                self.slots[slot] = None
                self.context.rest(slot)


def play(
    vocabulary: MusicVocabulary,
    sequences: Iterator[Sequence],
    rows: int,
    chunk: int,
    ending: bool = True,
    skip: int = 0,
    mine: slice = ALL_ROWS,
) -> Iterator[tuple[Batch, int]]:
    """Chunks of `rows` sequences side by side, and beside each the units that it completes. `skip`, `mine`: as in Corpus.

    Without `ending` the END token is never offered: the score is of how a piece goes on, given that it does.
    """
    layout = (Chunk(chunk_.time, chunk_.spans[mine]) for chunk_ in itertools.islice(lay_out(sequences, rows, chunk), skip, None))
    reader, readings, ahead = Reader(vocabulary), dict[Sequence, Reading](), deque[Chunk]()
    while True:
        for coming in itertools.islice(layout, CHUNKS_AHEAD - len(ahead)):
            ahead.append(coming)
            for span in coming.spans:
                if span is not None and span.sequence not in readings:
                    readings[span.sequence] = reader.begin(span.sequence)
        if not ahead:
            return
        now = ahead.popleft()
        yield _batch(reader, readings, now, ending), sum(span.sequence.units for span in now.spans if span and span.ends)
        for span in now.spans:
            if span is not None and span.ends:
                del readings[span.sequence]


def _batch(reader: Reader, readings: dict[Sequence, Reading], chunk: Chunk, ending: bool) -> Batch:
    shape = (chunk.time, len(chunk.spans))
    features = np.zeros((*shape, reader.features.shape[2]), np.int64)
    references = np.zeros((*shape, reader.references.shape[2]), np.int64)
    allowed = np.ones((*shape, reader.vocabulary.size), bool)
    targets, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    for row, span in enumerate(chunk.spans):
        if span is None:
            continue
        reading, here, places = readings[span.sequence], slice(0, span.last - span.first), slice(span.first, span.last)
        reader.read(reading, span.last)
        features[here, row], references[here, row] = reading.features[places], reading.references[places]
        allowed[here, row] = reading.allowed[places]
        targets[here, row] = span.sequence.tokens[1 + span.first : 1 + span.last]
        weights[here, row] = span.sequence.weights[1 + span.first : 1 + span.last]
    if not ending:
        allowed[:, :, END] = False
    allowed[weights == 0] = True  # nothing to score there, and never an empty choice
    fresh = np.array([_starts(span) for span in chunk.spans])
    return Batch(features, references, allowed, targets, weights, fresh)


def _starts(span: Span | None) -> bool:
    return span is None or span.first == 0
