"""A checkpoint is a folder: card.json and model.safetensors beside it, in half precision, checked by its sha256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from core.architecture import Architecture
from core.authors import author_of
from core.brief import Author
from core.catalog import CARD, WEIGHTS, Card
from core.errors import CheckpointError
from core.model import RecurrentModel


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint ready to be trained on or checked against: weights in float32, evaluation mode."""

    card: Card
    model: RecurrentModel
    author: Author


def pack_weights(model: RecurrentModel) -> bytes:
    """The weights in float16 as safetensors bytes: the same model, the same bytes."""
    weights = sorted(model.state_dict().items())
    return save({name: weight.detach().to("cpu", torch.float16).contiguous() for name, weight in weights})


def load_checkpoint(folder: Path, card: Card, device: str = "cpu") -> LoadedModel:
    """Raises CheckpointError when the weights are missing, changed, or of another shape than the card says."""
    try:
        data = (folder / card.name / WEIGHTS).read_bytes()
    except OSError as error:
        raise CheckpointError(f"The weights of {card.name!r} cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise CheckpointError(f"The weights of {card.name!r} are not those that its {CARD} was written for.")
    try:
        model = load_weights(data, card.architecture)
    except (SafetensorError, RuntimeError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"The weights of {card.name!r} do not fit its card: {error}") from error
    model.requires_grad_(False).to(device)
    return LoadedModel(card, model, author_of(card))


def load_weights(data: bytes, sizes: dict[str, Any]) -> RecurrentModel:
    """A model of those sizes (a card's `architecture`) with the weights of a safetensors file, in evaluation mode."""
    model = RecurrentModel(Architecture.from_json(sizes))
    model.load_state_dict({name: weight.float() for name, weight in load(data).items()})
    return model.eval()
