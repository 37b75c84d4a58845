"""The catalogues of the pages' sentences are complete and up to date."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from web.languages import LANGUAGES

WEB = Path(__file__).parents[2] / "web"
TRANSLATIONS = WEB / "translations"
OTHERS = [code for code in LANGUAGES if code != "en"]


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def po(language: str) -> Path:
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def sentences(messages: Catalog) -> set[str | tuple[str, ...]]:
    return {message.id for message in messages if message.id}


def test_the_template_has_every_sentence_of_the_code() -> None:
    with (TRANSLATIONS / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(WEB, methods, options, keywords=DEFAULT_KEYWORDS | {"_l": None})
    assert sentences(catalog(TRANSLATIONS / "messages.pot")) == {message for _file, _line, message, _comments, _context in found}


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_translated(language: str) -> None:
    translated = catalog(po(language))
    assert sentences(translated) == sentences(catalog(TRANSLATIONS / "messages.pot"))
    for message in translated:
        if message.id:
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            assert all(texts), f"missing: {message.id!r}"
            assert not message.fuzzy, f"fuzzy: {message.id!r}"


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_places_and_tags_of_its_sentence(language: str) -> None:
    marks = re.compile(r"%\(\w+\)[sd]|</?\w+[^>]*>")
    for message in catalog(po(language)):
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[-1]
            text = message.string if isinstance(message.string, str) else message.string[-1]
            assert sorted(marks.findall(english)) == sorted(marks.findall(text)), english


@pytest.mark.parametrize("language", OTHERS)
def test_the_compiled_catalogue_is_that_of_the_text(language: str) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalog(po(language)))
    assert po(language).with_suffix(".mo").read_bytes() == compiled.getvalue(), "run: pybabel compile -d web/translations"
