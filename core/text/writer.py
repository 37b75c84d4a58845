"""Makes a text plan of a brief: the prompt is read, then characters are drawn until the words or sentences are there."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from core.brief import Brief, Rendered
from core.text.characters import CharacterTokenizer
from core.text.context import TextContext

DEFAULT_WORDS = 200
CHARACTERS_PER_WORD = 12  # generous: a bound on what is drawn, not an estimate
CHARACTERS_PER_SENTENCE = 600
JOINERS = "'’-"  # they may stand inside a word
WORD = re.compile(rf"[^\W_]+(?:[{JOINERS}][^\W_]+)*")
SENTENCE_END = re.compile(r"[.!?][\"'’”)\]]*\Z")


class TextPlan:
    """One variation of a text. Keeps the Plan contract of core.brief."""

    bars_total = bar_ticks = 0

    def __init__(self, tokenizer: CharacterTokenizer, brief: Brief) -> None:
        self.tokenizer, self.brief = tokenizer, brief
        self.prefix = tokenizer.encode("\n" + brief.prompt)
        self.in_sentences = brief.sentences is not None
        self.total = brief.sentences if brief.sentences is not None else brief.words or DEFAULT_WORDS
        self.budget = self.total * (CHARACTERS_PER_SENTENCE if self.in_sentences else CHARACTERS_PER_WORD)
        self.wanted = np.ones((1, tokenizer.size), bool)
        self.wanted[:, tokenizer.UNKNOWN] = False
        self.text = ""
        self.done = 0
        self.drawn = 0
        self._shown = 0

    def take(self, token: int) -> str | None:
        """words, sentences, stop or length when the text is over; what was drawn beyond the end is cut off."""
        self.text += self.tokenizer.decode([token])
        self.drawn += 1
        for stop in self.brief.stop:
            if stop and self.text.endswith(stop):
                self.text = self.text[: -len(stop)]
                return "stop"
        if self._ended_before_last():
            self.done += 1
            if self.done >= self.total:
                self.text = self.text[:-1]
                return "sentences" if self.in_sentences else "words"
        return "length" if self.drawn >= self.budget else None

    def _ended_before_last(self) -> bool:
        """Whether the last character shows that a word (or a sentence, with its closing marks) was over before it."""
        last = self.text[-1]
        if self.in_sentences:
            return last.isspace() and SENTENCE_END.search(self.text[-8:-1]) is not None
        if last.isalnum():
            return False
        before = self.text[:-1][-2:]
        if before[-1:].isalnum():
            return last not in JOINERS
        return len(before) == 2 and before[0].isalnum() and before[1] in JOINERS  # it joined nothing

    def fresh_text(self) -> str:
        fresh, self._shown = self.text[self._shown :], len(self.text)
        return fresh

    def render(self) -> Rendered:
        """The prompt and what follows it, as UTF-8."""
        whole = self.brief.prompt + self.text
        figures = {
            "words": len(WORD.findall(self.text)),
            "characters": len(self.text),
            "tokens": self.drawn,
            "prompt_characters": len(self.brief.prompt),
        }
        return Rendered("txt", "text/plain; charset=utf-8", whole.encode(), dict(figures), {})


class Writer:
    """The author of a text checkpoint."""

    def __init__(self, tokenizer_config: dict[str, Any]) -> None:
        self.tokenizer = CharacterTokenizer.from_config(tokenizer_config)

    def context(self, rows: int) -> TextContext:
        return TextContext(self.tokenizer, rows)

    def plan(self, brief: Brief) -> TextPlan:
        return TextPlan(self.tokenizer, brief)
