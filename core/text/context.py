"""What a text network sees at each place: the character before."""

from __future__ import annotations

import numpy as np

from core.brief import Bools, Ints
from core.text.characters import CharacterTokenizer


class TextContext:
    """`rows` texts side by side. A text begins as if after a line break."""

    def __init__(self, tokenizer: CharacterTokenizer, rows: int) -> None:
        self.start = tokenizer.encode("\n")[0]
        self.last = np.full(rows, self.start, np.int64)
        self._allowed = np.ones((rows, tokenizer.size), bool)  # text has no grammar

    def reset(self, row: int, bars_total: int = 0, bar_ticks: int = 0) -> None:
        self.last[row] = self.start

    def rest(self, row: int) -> None:
        """Nobody is in the row: a text has nothing to put away."""

    def copy_row(self, row: int, source: TextContext, source_row: int) -> None:
        self.last[row] = source.last[source_row]

    def inputs(self) -> tuple[Ints, Ints, Bools]:
        """features (rows, 1), references (rows, 0), allowed (rows, vocabulary)."""
        return self.last[:, None], np.zeros((len(self.last), 0), np.int64), self._allowed.copy()

    def advance(self, tokens: Ints) -> None:
        self.last = tokens.copy()
