from __future__ import annotations

from itertools import pairwise

import pytest
from toys import DRUMS, FOLK

from core.errors import InvalidField
from core.music.vocabulary import MusicVocabulary

VOCABULARIES = [FOLK.vocabulary, DRUMS.vocabulary]


@pytest.mark.parametrize("v", VOCABULARIES)
def test_a_vocabulary_comes_back_from_its_card(v: MusicVocabulary) -> None:
    assert MusicVocabulary.from_config(v.config()) == v


@pytest.mark.parametrize("v", VOCABULARIES)
def test_every_token_has_one_meaning(v: MusicVocabulary) -> None:
    edges = [*v.attribute_starts.values(), v.hold, v.first_pitch, v.first_duration, v.size]
    counts = [*(1 + len(v.choices(name)) for name in v.attributes), 1, len(v.pitches), len(v.durations)]
    assert edges[0] == 2
    assert [after - before for before, after in pairwise(edges)] == counts


@pytest.mark.parametrize("v", VOCABULARIES)
def test_every_choice_of_an_attribute_comes_back(v: MusicVocabulary) -> None:
    for name in v.attributes:
        start = v.attribute_starts[name]
        assert v.attribute_value(name, start) is None
        assert v.attribute_token(name, None) == start
        for place in range(len(v.choices(name))):
            token = start + 1 + place
            assert v.attribute_token(name, v.attribute_value(name, token)) == token


def test_what_the_vocabulary_has_not_is_unknown() -> None:
    v = FOLK.vocabulary
    assert v.attribute_token("style", "tango") == v.attribute_starts["style"]
    assert v.attribute_token("meter", "5/4") == v.attribute_starts["meter"]
    assert v.reading(20) is None
    assert DRUMS.vocabulary.reading(60) is not None
    assert DRUMS.vocabulary.reading(81) is None


def test_a_key_is_known_by_its_sound_however_it_is_spelt() -> None:
    v = FOLK.vocabulary
    assert v.attribute_token("key", "Db major") == v.attribute_token("key", "C# major") != v.attribute_starts["key"]
    assert v.attribute_token("key", "D dorian") != v.attribute_token("key", "D minor")


def test_a_tempo_falls_into_its_class_and_beyond_the_edges_into_the_nearest() -> None:
    v = DRUMS.vocabulary
    start = v.attribute_starts["tempo"]
    assert v.attribute_token("tempo", 20) == start + 1
    assert v.attribute_token("tempo", 99.9) == v.attribute_token("tempo", 90)
    assert v.attribute_token("tempo", 400) == start + len(v.tempos)


@pytest.mark.parametrize(
    ("v", "meter", "bar", "counted"),
    [
        (FOLK.vocabulary, "4/4", 96, 96),
        (FOLK.vocabulary, "7/8", 84, 84),
        (FOLK.vocabulary, "7/4", 168, 84),
        (FOLK.vocabulary, "32/4", 768, 128),
        (DRUMS.vocabulary, "3/4", 12, 12),
        (DRUMS.vocabulary, "5/4", 20, 10),
        (DRUMS.vocabulary, "17/16", 17, 1),
    ],
)
def test_a_bar_longer_than_any_known_is_counted_in_equal_parts(v: MusicVocabulary, meter: str, bar: int, counted: int) -> None:
    assert (v.bar_ticks(meter), v.counted_bar(meter)) == (bar, counted)


@pytest.mark.parametrize("meter", ["5/32", "4/5", "waltz"])
def test_a_metre_that_the_grid_cannot_hold_is_refused(meter: str) -> None:
    with pytest.raises(InvalidField) as refused:
        DRUMS.vocabulary.bar_ticks(meter)
    assert refused.value.field == "attributes.meter"
