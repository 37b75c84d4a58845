from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from toys import toy, write_toys

from core.architecture import Architecture
from core.catalog import CHECKPOINTS, WEIGHTS, Card, Catalog
from core.checkpoint import load_checkpoint, pack_weights
from core.errors import CheckpointError


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return write_toys(tmp_path)


def changed(card: Card, **fields: Any) -> Card:
    return Card.model_validate(card.model_dump() | fields)


def with_weights(catalog: Catalog, data: bytes) -> Card:
    """The folk toy's card, made out for other bytes, which take the place of its weights."""
    (catalog.folder / "folk" / WEIGHTS).write_bytes(data)
    return changed(catalog.card("folk"), sha256=hashlib.sha256(data).hexdigest())


def test_a_checkpoint_comes_back_as_it_was_saved(catalog: Catalog) -> None:
    loaded = load_checkpoint(catalog.folder, catalog.card("folk"))
    saved = toy("folk")
    assert loaded.model.architecture == saved.model.architecture
    for name, weight in saved.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight)
    assert not loaded.model.training
    assert not any(weight.requires_grad for weight in loaded.model.parameters())
    assert all(weight.dtype == torch.float32 for weight in loaded.model.parameters())


def test_the_same_model_packs_to_the_same_bytes_at_half_precision(catalog: Catalog) -> None:
    first = pack_weights(toy("drums").model)
    assert pack_weights(load_checkpoint(catalog.folder, catalog.card("drums")).model) == first
    assert {weight.dtype for weight in load(first).values()} == {torch.float16}


def test_an_architecture_comes_back_from_its_card() -> None:
    for name in ("folk", "drums", "shakespeare"):
        loaded = toy(name)
        card = Card.model_validate_json(loaded.card.model_dump_json())
        assert Architecture.from_json(card.architecture) == loaded.model.architecture
        assert loaded.model.architecture.to_json() == loaded.card.architecture


def test_missing_weights_are_a_checkpoint_error(catalog: Catalog) -> None:
    (catalog.folder / "folk" / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="'folk' cannot be read"):
        load_checkpoint(catalog.folder, catalog.card("folk"))


def test_weights_that_changed_by_one_bit_are_not_loaded(catalog: Catalog) -> None:
    path = catalog.folder / "folk" / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="not those that its card"):
        load_checkpoint(catalog.folder, catalog.card("folk"))


@pytest.mark.parametrize("data", [b"", b"not safetensors at all", b"\xff" * 64])
def test_a_file_of_another_kind_is_a_checkpoint_error(catalog: Catalog, data: bytes) -> None:
    with pytest.raises(CheckpointError, match="do not fit its card"):
        load_checkpoint(catalog.folder, with_weights(catalog, data))


def test_weights_of_another_shape_than_the_card_says_are_a_checkpoint_error(catalog: Catalog) -> None:
    card = with_weights(catalog, pack_weights(toy("drums").model))
    with pytest.raises(CheckpointError, match="do not fit its card"):
        load_checkpoint(catalog.folder, card)


def test_a_weight_too_few_is_a_checkpoint_error(catalog: Catalog) -> None:
    weights = load(pack_weights(toy("folk").model))
    del weights["tables"]
    with pytest.raises(CheckpointError, match="tables"):
        load_checkpoint(catalog.folder, with_weights(catalog, save(weights)))


@pytest.mark.parametrize(
    "fields",
    [
        {"architecture": {"vocabulary": 4}},
        {"architecture": {"voices": 4}},
        {"tokenizer": {"kind": "words"}},
        {"tokenizer": {}},
        {"tokenizer": {"kind": "characters", "alphabet": "aa"}},
    ],
)
def test_a_card_that_describes_no_model_of_ours_is_a_checkpoint_error(catalog: Catalog, fields: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"do not fit its card|cannot be made from its card"):
        load_checkpoint(catalog.folder, changed(catalog.card("folk"), **fields))


def test_the_checkpoints_that_ship_can_be_loaded() -> None:
    shipped = Catalog(CHECKPOINTS)
    for card in shipped.cards.values():
        assert load_checkpoint(shipped.folder, card).model.architecture.vocabulary > 0
        assert (shipped.folder / card.name / WEIGHTS).stat().st_size <= 8_000_000
