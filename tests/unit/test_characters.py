from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.characters import UNKNOWN_CHARACTER, CharacterTokenizer


@given(st.text())
def test_a_text_over_its_own_alphabet_comes_back_exactly(text: str) -> None:
    tokenizer = CharacterTokenizer.of_text(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.unknown_in(text) == []
    assert CharacterTokenizer.from_config(tokenizer.config()).alphabet == tokenizer.alphabet


@given(st.lists(st.integers(0, 5)))
def test_any_token_list_decodes_to_a_text_of_its_length(tokens: list[int]) -> None:
    assert len(CharacterTokenizer("abcde").decode(tokens)) == len(tokens)


def test_a_character_outside_the_alphabet_is_read_as_unknown() -> None:
    tokenizer = CharacterTokenizer("ab")
    assert tokenizer.encode("aéb☃é") == [1, 0, 2, 0, 0]
    assert tokenizer.decode([1, 0]) == "a" + UNKNOWN_CHARACTER
    assert tokenizer.unknown_in("aéb☃é") == ["é", "☃"]
    assert tokenizer.size == 3


def test_an_alphabet_names_each_character_once() -> None:
    with pytest.raises(ValueError, match="once"):
        CharacterTokenizer("aba")
