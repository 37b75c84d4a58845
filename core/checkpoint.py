"""A checkpoint is a folder: card.json and model.safetensors beside it, in half precision, checked by its sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from core.brief import Author
from core.catalog import CARD, WEIGHTS, Card
from core.errors import CheckpointError
from core.model import Architecture, RecurrentModel
from core.music.composer import Composer
from core.text.writer import Writer

AUTHORS: dict[str, Callable[[dict[str, Any]], Author]] = {"music": Composer, "characters": Writer}
"""By the tokenizer's kind."""


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint ready to decode: weights in float32, evaluation mode."""

    card: Card
    model: RecurrentModel
    author: Author


def architecture_from_card(card: Card) -> Architecture:
    sizes: dict[str, Any] = {name: tuple(size) if isinstance(size, list) else size for name, size in card.architecture.items()}
    return Architecture(**sizes)


def architecture_to_card(architecture: Architecture) -> dict[str, Any]:
    """The sizes as JSON keeps them: lists for tuples."""
    sizes = {field.name: getattr(architecture, field.name) for field in fields(architecture)}
    return {name: list(size) if isinstance(size, tuple) else size for name, size in sizes.items()}


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
        weights = {name: weight.float() for name, weight in load(data).items()}
        model = RecurrentModel(architecture_from_card(card))
        model.load_state_dict(weights)
        author = AUTHORS[card.tokenizer["kind"]](card.tokenizer)
    except (SafetensorError, RuntimeError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"The weights of {card.name!r} do not fit its card: {error}") from error
    model.eval().requires_grad_(False).to(device)
    return LoadedModel(card, model, author)
