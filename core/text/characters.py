"""Characters as tokens: the alphabet is the training text's, and lossless on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"


class CharacterTokenizer:
    """Token 0 stands for any character outside the alphabet: it can be read, and is never drawn."""

    UNKNOWN = 0

    def __init__(self, alphabet: str) -> None:
        if len(set(alphabet)) != len(alphabet):
            raise ValueError("an alphabet names each character once")
        self.alphabet = alphabet
        self._token = {character: token for token, character in enumerate(alphabet, start=1)}
        self.size = len(alphabet) + 1

    @classmethod
    def of_text(cls, text: str) -> CharacterTokenizer:
        return cls("".join(sorted(set(text))))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CharacterTokenizer:
        return cls(config["alphabet"])

    def config(self) -> dict[str, Any]:
        return {"kind": "characters", "alphabet": self.alphabet}

    def encode(self, text: str) -> list[int]:
        return [self._token.get(character, self.UNKNOWN) for character in text]

    def decode(self, tokens: Iterable[int]) -> str:
        return "".join(self.alphabet[token - 1] if token else UNKNOWN_CHARACTER for token in tokens)

    def unknown_in(self, text: str) -> Sequence[str]:
        """The characters of the text that the network cannot tell apart, each once, in order."""
        return list(dict.fromkeys(character for character in text if character not in self._token))
