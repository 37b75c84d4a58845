from __future__ import annotations

import json
from pathlib import Path

import pytest
from toys import write_toys

from core.catalog import CARD, Catalog
from core.errors import CheckpointError, UnknownModel


def test_the_cards_of_a_folder_by_name(tmp_path: Path) -> None:
    catalog = write_toys(tmp_path)
    assert list(catalog.cards) == ["drums", "folk", "shakespeare"]
    assert catalog.card("folk").kind == "music"


def test_a_request_that_names_no_model_means_the_one_of_its_kind(tmp_path: Path) -> None:
    catalog = write_toys(tmp_path)
    assert catalog.default_for("music").name == "folk"
    assert catalog.default_for("music", percussion=True).name == "drums"
    assert catalog.default_for("text").name == "shakespeare"


def test_an_unknown_model_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=r"'jazz'.*drums, folk, shakespeare") as unknown:
        write_toys(tmp_path).card("jazz")
    assert unknown.value.field == "model"


def test_a_folder_without_checkpoints_is_an_empty_catalog(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "nothing")
    assert catalog.cards == {}
    with pytest.raises(UnknownModel, match="none"):
        catalog.card("folk")
    with pytest.raises(UnknownModel):
        catalog.default_for("text")


@pytest.mark.parametrize("spoilt", ["{", '{"format": 2}', "[]", "\udcff"])
def test_a_card_that_cannot_be_read_is_named(tmp_path: Path, spoilt: str) -> None:
    write_toys(tmp_path)
    (tmp_path / "folk" / CARD).write_bytes(spoilt.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=r"folk/card\.json"):
        Catalog(tmp_path)


def test_a_card_with_a_field_too_many_is_refused(tmp_path: Path) -> None:
    write_toys(tmp_path)
    path = tmp_path / "folk" / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | {"licens": "MIT"}))
    with pytest.raises(CheckpointError, match="licens"):
        Catalog(tmp_path)


def test_a_copied_folder_does_not_take_the_place_of_its_model(tmp_path: Path) -> None:
    write_toys(tmp_path)
    (tmp_path / "folk").rename(tmp_path / "folk-2")
    with pytest.raises(CheckpointError, match="folk-2"):
        Catalog(tmp_path)
