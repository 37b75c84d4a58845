"""The weights as decoders read them: packed.safetensors beside the card, checked by its sha256. Torch-free."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.catalog import CARD, PACKED, Card
from core.errors import CheckpointError
from core.native.packing import Arrays


def packed_bytes(arrays: Arrays) -> bytes:
    """As safetensors: the same arrays, the same bytes."""
    return save(dict(sorted(arrays.items())))


def read_packed(folder: Path, card: Card) -> Arrays:
    """Of the checkpoint in `folder`/<name>. Raises CheckpointError when they are missing, or not those of the card."""
    try:
        data = (folder / card.name / PACKED).read_bytes()
    except OSError as error:
        raise CheckpointError(f"The packed weights of {card.name!r} cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != card.packed_sha256:
        raise CheckpointError(f"The packed weights of {card.name!r} are not those that its {CARD} was written for.")
    try:
        return load(data)
    except SafetensorError as error:
        raise CheckpointError(f"The packed weights of {card.name!r} cannot be read: {error}") from error
