from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toys import write_toys

from core.catalog import Catalog
from core.decoders import Decoders
from core.errors import UnknownModel
from worker.engine.models import Models


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return write_toys(tmp_path)


def models(catalog: Catalog, most_bytes: int) -> Models:
    """Each takes 100 bytes."""

    def load(_folder: Path, card: Any) -> Any:
        return SimpleNamespace(card=card, size_bytes=100)

    return Models(catalog, Decoders("toy-1", load), most_bytes)


def test_a_model_is_opened_once(catalog: Catalog) -> None:
    held = models(catalog, 1000)
    assert held.get("folk") is held.get("folk")
    assert held.size_bytes == 100


def test_the_least_recently_used_is_closed_when_they_take_too_much(catalog: Catalog) -> None:
    held = models(catalog, 200)
    for name in ("folk", "drums", "folk", "shakespeare"):
        held.get(name)
    assert held.names == ["folk", "shakespeare"]


def test_one_that_is_busy_stays_open_and_the_newest_always_does(catalog: Catalog) -> None:
    held = models(catalog, 100)
    held.get("folk")
    held.get("drums", busy={"folk"})
    assert held.names == ["folk", "drums"]
    held.get("shakespeare")
    assert held.names == ["shakespeare"]


def test_an_unknown_model_is_named(catalog: Catalog) -> None:
    with pytest.raises(UnknownModel, match="techno"):
        models(catalog, 100).get("techno")
