"""`ritornello models` and docs/models.md say what the cards say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import main
from cli.model_page import model_page
from core.catalog import Catalog


@pytest.fixture(autouse=True)
def _no_server_here(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("RITORNELLO_URL", raising=False)
    monkeypatch.delenv("RITORNELLO_CHECKPOINTS", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path_factory.mktemp("data")))


def test_every_card_is_in_the_table_and_whole_in_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    cards = Catalog().cards
    with pytest.raises(SystemExit):
        main(["models"])
    heads, *rows = capsys.readouterr().out.splitlines()
    assert heads.split() == ["NAME", "KIND", "TASKS", "PARAMETERS", "MEASURES", "IS"]
    assert [row.split()[0] for row in rows] == list(cards)
    with pytest.raises(SystemExit):
        main(["models", "--json"])
    assert json.loads(capsys.readouterr().out)["models"] == [card.model_dump(mode="json") for card in cards.values()]


def test_docs_models_md_is_what_the_cards_say() -> None:
    page = Path(__file__).parents[2] / "docs" / "models.md"
    assert page.read_text() == model_page(list(Catalog().cards.values())), "run `make docs`"


def test_the_page_names_every_models_data_licences_figures_and_limits() -> None:
    cards = list(Catalog().cards.values())
    page = model_page(cards)
    for card in cards:
        assert f"## {card.name}" in page
        assert card.limits["en"] in page
        assert all(source.name in page and source.licence in page for source in card.data)
        assert all(f"{figure.value:.4g}" in page for figure in card.figures)
