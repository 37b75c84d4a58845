"""Writes what a bench measured on the test split into the model's card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.report import Measurement
from core.catalog import Card, Figure
from core.training.export import write_card


def update_card(card: Card, checkpoints: Path, measurements: Iterable[Measurement], command: str) -> Card:
    """The card with the new figures first; older ones of the same name and split make way."""
    fresh = [
        Figure(
            what=m.what,
            value=round(m.value, 4),
            unit=m.unit,
            better=m.better,
            floor=None if m.floor is None else round(m.floor, 4),
            floor_is=m.floor_is,
            split=m.split,
            command=command,
        )
        for m in measurements
        if m.split == "test"
    ]
    replaced = {(figure.what, figure.split) for figure in fresh}
    kept = [figure for figure in card.figures if (figure.what, figure.split) not in replaced]
    updated = card.model_copy(update={"figures": [*fresh, *kept]})
    write_card(updated, checkpoints / card.name)
    return updated
