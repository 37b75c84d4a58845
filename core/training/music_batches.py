"""Token sequences of music as batches: each row plays one sequence after another through a MusicContext."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.music.context import MusicContext
from core.music.vocabulary import END, MusicVocabulary
from core.training.batches import Batch, Tokens


@dataclass(frozen=True)
class Sequence:
    """Tokens from START on. `weights`: one for each token (the first is never a target). `bars_total`: 0 when not told."""

    tokens: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any]
    bars_total: int = 0
    units: int = 0
    """What the score of this sequence is divided by: its notes, or its steps."""


def architecture_sizes(vocabulary: MusicVocabulary) -> dict[str, Any]:
    context = MusicContext(vocabulary, 1)
    pitched = (0, 0) if vocabulary.percussion else (vocabulary.first_pitch, len(vocabulary.pitches))
    return {
        "vocabulary": vocabulary.size,
        "features": context.feature_sizes(),
        "references": context.reference_count(),
        "pitch_tokens": pitched,
    }


def play(
    vocabulary: MusicVocabulary, sequences: Iterable[Sequence], rows: int, chunk: int, ending: bool = True
) -> Iterator[tuple[Batch, int]]:
    """Chunks of `rows` sequences side by side, and beside each the units that it completes.

    A row whose sequence ends in mid-chunk idles to the chunk's end, so that states are emptied exactly at the starts.
    Without `ending` the END token is never offered: the score is of how a piece goes on, given that it does.
    """
    source = iter(sequences)
    context = MusicContext(vocabulary, rows)
    playing: list[Sequence | None] = [None] * rows
    place = np.zeros(rows, np.int64)
    while True:
        fresh = np.zeros(rows, bool)
        for row in range(rows):
            if playing[row] is None:
                playing[row] = next(source, None)
                fresh[row], place[row] = True, 0
                sequence = playing[row]
                if sequence is not None:
                    context.reset(row, sequence.bars_total)
        if all(sequence is None for sequence in playing):
            return
        yield _chunk(context, playing, place, fresh, chunk, ending)


def _chunk(
    context: MusicContext, playing: list[Sequence | None], place: Tokens, fresh: NDArray[np.bool_], chunk: int, ending: bool
) -> tuple[Batch, int]:
    rows = len(playing)
    targets = np.zeros((chunk, rows), np.int64)
    weights = np.zeros((chunk, rows), np.float32)
    features, references, allowed = [], [], []
    units = 0
    for time in range(chunk):
        here_features, here_references, here_allowed = context.inputs()
        for row, sequence in enumerate(playing):
            if sequence is None:
                continue
            place[row] += 1
            targets[time, row] = sequence.tokens[place[row]]
            weights[time, row] = sequence.weights[place[row]]
            if place[row] + 1 == len(sequence.tokens):
                units += sequence.units
                playing[row] = None
        if not ending:
            here_allowed[:, END] = False
        here_allowed[weights[time] == 0] = True  # nothing to score there, and never an empty choice
        features.append(here_features)
        references.append(here_references)
        allowed.append(here_allowed)
        context.advance(targets[time])
    return Batch(np.stack(features), np.stack(references), np.stack(allowed), targets, weights, fresh), units
