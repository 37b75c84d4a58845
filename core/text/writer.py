"""Makes a text plan of a brief: the prompt is read, then characters are drawn until the words or sentences are there."""

from __future__ import annotations

import re
from typing import Any

from core.brief import Bools, Brief, Rendered
from core.text.characters import CharacterTokenizer
from core.text.context import TextContext

DEFAULT_WORDS = 200
CHARACTERS_PER_WORD = 12  # generous: a bound on what is drawn, not an estimate
CHARACTERS_PER_SENTENCE = 600
SENTENCE_END = re.compile(r"[.!?][\"'’”)\]]*$")


class TextPlan:
    """One variation of a text. Keeps the Plan contract of core.brief."""

    bars_total = 0

    def __init__(self, tokenizer: CharacterTokenizer, brief: Brief) -> None:
        self.tokenizer, self.brief = tokenizer, brief
        self.prefix = tokenizer.encode("\n" + brief.prompt)
        self.in_sentences = brief.sentences is not None
        self.total = brief.sentences if brief.sentences is not None else brief.words or DEFAULT_WORDS
        self.budget = self.total * (CHARACTERS_PER_SENTENCE if self.in_sentences else CHARACTERS_PER_WORD)
        self.text = ""
        self.done = 0
        self.drawn = 0
        self._shown = 0

    def narrow(self, allowed: Bools) -> Bools:
        return allowed

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
                if not self.in_sentences:
                    self.text = self.text[:-1]
                return "sentences" if self.in_sentences else "words"
        return "length" if self.drawn >= self.budget else None

    def _ended_before_last(self) -> bool:
        """Whether the last character is the first after a word, or after a sentence's closing marks."""
        if not self.in_sentences:
            return len(self.text) > 1 and self.text[-2].isalnum() and not (self.text[-1].isalnum() or self.text[-1] in "'’-")
        return self.text[-1].isspace() and SENTENCE_END.search(self.text[-8:-1]) is not None

    def fresh_text(self) -> str:
        fresh, self._shown = self.text[self._shown :], len(self.text)
        return fresh

    def render(self) -> Rendered:
        """The prompt and what follows it, as UTF-8."""
        whole = self.brief.prompt + self.text
        figures = {
            "words": len(self.text.split()),
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
