from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from web_app import toy_catalog

from core.catalog import Catalog
from worker.jobs.admission import admit
from worker.jobs.effort import (
    TOKENS_A_BAR,
    TOKENS_A_CHARACTER,
    TOKENS_A_PRIMES_NOTE,
    TOKENS_A_SENTENCE,
    TOKENS_A_WORD,
    tokens_asked_for,
)
from worker.jobs.request import GenerationRequest


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return toy_catalog(tmp_path)


def effort(catalog: Catalog, **fields: Any) -> int:
    return tokens_asked_for(admit(GenerationRequest.model_validate(fields), catalog))


def test_music_is_counted_in_bars_of_all_variations(catalog: Catalog) -> None:
    assert effort(catalog, attributes={"bars": 8}) == 8 * TOKENS_A_BAR
    assert effort(catalog, attributes={"bars": 8}, variations=4) == 4 * 8 * TOKENS_A_BAR
    assert effort(catalog, model="drums", attributes={"bars": 8}) > effort(catalog, attributes={"bars": 8})


def test_text_is_counted_in_words_or_sentences(catalog: Catalog) -> None:
    assert effort(catalog, kind="text", length={"words": 50}) == 50 * TOKENS_A_WORD
    assert effort(catalog, kind="text", length={"sentences": 3}, variations=2) == 2 * 3 * TOKENS_A_SENTENCE


def test_what_is_read_first_is_counted_once(catalog: Catalog) -> None:
    prime = {"format": "notes", "notes": "C4:1 D4:1 r:1 E4:1"}
    with_prime, without = (effort(catalog, prime=given, variations=3, attributes={"bars": 2}) for given in (prime, None))
    assert with_prime - without == 3 * TOKENS_A_PRIMES_NOTE
    assert effort(catalog, kind="text", prompt="abc", length={"words": 1}) == TOKENS_A_WORD + 3 * TOKENS_A_CHARACTER


def test_a_job_always_weighs_something(catalog: Catalog) -> None:
    assert effort(catalog, kind="text", length={"words": 1}) >= 1
