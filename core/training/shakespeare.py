"""Plain text by characters: tiny-shakespeare, split at 90 % as everybody splits it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.text.characters import CharacterTokenizer
from core.training.batches import ALL_ROWS, Batch

TRAIN_SHARE = 0.9
VALIDATION_FROM, VALIDATION_TO = 0.49, 0.51
"""The part of the training 90 % on which choices are made: from its middle. The final 10 % is the published figure's and stays
unseen, and it goes on in the play that the 90 % end with: who holds out that end holds out the names of the test's speakers."""


class TextCorpus:
    """`path` is a text file, or a folder with input.txt."""

    unit = "character"

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        text = (path / "input.txt" if path.is_dir() else path).read_text(encoding="utf-8")
        split = int(len(text) * TRAIN_SHARE)
        self.text, self.test_text = text[:split], text[split:]
        self.tokenizer = CharacterTokenizer.of_text(text)
        self.tokens = np.array(self.tokenizer.encode(self.text), dtype=np.int64)
        first, last = int(split * VALIDATION_FROM), int(split * VALIDATION_TO)
        self.validation_tokens = self.tokens[first:last]
        self.training_tokens = np.concatenate([self.tokens[:first], self.tokens[last:]])
        self.reset_probability = float(options.get("reset_probability", 0.05))

    def architecture_sizes(self) -> dict[str, Any]:
        size = self.tokenizer.size
        return {"vocabulary": size, "features": (size,), "references": 0, "pitch_tokens": (0, 0)}

    def tokenizer_config(self) -> dict[str, Any]:
        return self.tokenizer.config()

    def training(self, rows: int, chunk: int, seed: int, skip: int = 0, mine: slice = ALL_ROWS) -> Iterator[Batch]:
        """Rows read on from random places; now and then a row jumps and starts with an empty state, so that one is familiar."""
        random = np.random.default_rng(seed)
        tokens = self.training_tokens
        last_start = len(tokens) - chunk - 1
        places = random.integers(0, last_start, rows)
        fresh = np.ones(rows, dtype=bool)
        for number in itertools.count():
            if number >= skip:
                window = places[None, mine] + np.arange(chunk + 1)[:, None]  # (time + 1, rows)
                yield _batch(tokens[window], fresh[mine])
            places = places + chunk
            fresh = (random.random(rows) < self.reset_probability) | (places > last_start)
            jump = places > last_start
            places = np.where(jump, random.integers(0, last_start, rows), places)

    def validation(self, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        """Windows with an empty state at each start, as the published figure is measured."""
        yield from windows(self.validation_tokens, 256, rows, (0,), mine)


def windows(
    tokens: np.ndarray[Any, Any], length: int, rows: int, offsets: tuple[int, ...], mine: slice = ALL_ROWS
) -> Iterator[tuple[Batch, int]]:
    """All disjoint windows of `length` at each offset, `rows` at a time; every window's state starts empty."""
    starts = [start for offset in offsets for start in range(offset, len(tokens) - length, length)][mine]
    rows = len(range(rows)[mine])
    for first in range(0, len(starts), rows):
        group = np.array(starts[first : first + rows])
        batch = _batch(tokens[group[None, :] + np.arange(length + 1)[:, None]], np.ones(len(group), dtype=bool))
        yield batch, batch.targets.size


def _batch(window: np.ndarray[Any, Any], fresh: np.ndarray[Any, Any]) -> Batch:
    inputs, targets = window[:-1], window[1:]
    return Batch(
        features=inputs[:, :, None],
        references=np.zeros((*inputs.shape, 0), dtype=np.int64),
        allowed=None,
        targets=targets,
        weights=np.ones(targets.shape, dtype=np.float32),
        fresh=fresh,
    )
