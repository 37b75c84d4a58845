"""Toy checkpoints for tests: tiny networks with random weights on the real vocabularies, never downloaded."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import torch

from core.catalog import WEIGHTS, Card, Catalog
from core.checkpoint import AUTHORS, LoadedModel, architecture_to_card, pack_weights
from core.model import Architecture, RecurrentModel
from core.music.tokenizer import MusicTokenizer
from core.text.characters import CharacterTokenizer
from core.training import drums, folk
from core.training.cards import prose
from core.training.export import write_card
from core.training.music_batches import architecture_sizes

FOLK, DRUMS = MusicTokenizer(folk.VOCABULARY), MusicTokenizer(drums.VOCABULARY)
TEXT = CharacterTokenizer("\n !',-.?abcdefghijklmnopqrstuvwxyz")
NAMES = ("drums", "folk", "shakespeare")

torch.set_num_threads(1)  # as every entry point does


@cache
def toy(name: str, hidden: int = 16) -> LoadedModel:
    """A model of that name ready to decode, the same in every process. `hidden` makes it slower."""
    sizes, config = _language(name)
    architecture = Architecture(embedding=8, hidden=hidden, layers=2, residual=True, head=12, **sizes)
    generator = torch.Generator().manual_seed(len(name))
    model = RecurrentModel(architecture)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.5
    if name == "drums":  # fewer drums at once, so that a bar takes fewer tokens
        model.head.bias.data[drums.VOCABULARY.first_duration] += 3.0
    elif name == "shakespeare":  # words of a usual length
        model.head.bias.data[TEXT.encode(" ")[0]] += 3.0
    model.half().float().eval().requires_grad_(False)  # as it is when it has been saved
    data = pack_weights(model)
    card = Card(
        format=1,
        name=name,
        architecture=architecture_to_card(architecture),
        tokenizer=config,
        parameters=sum(weight.numel() for weight in model.parameters()),
        sha256=hashlib.sha256(data).hexdigest(),
        figures=[],
        trained={},
        **prose(name),
    )
    return LoadedModel(card, model, AUTHORS[config["kind"]](config))


def write_toys(folder: Path, hidden: int = 16) -> Catalog:
    """The three toys as checkpoints on disk."""
    for name in NAMES:
        loaded = toy(name, hidden)
        (folder / name).mkdir(parents=True)
        (folder / name / WEIGHTS).write_bytes(pack_weights(loaded.model))
        write_card(loaded.card, folder / name)
    return Catalog(folder)


def _language(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the vocabulary fixes of the architecture, and the tokenizer's configuration."""
    if name == "shakespeare":
        return {"vocabulary": TEXT.size, "features": (TEXT.size,)}, TEXT.config()
    vocabulary = {"folk": folk, "drums": drums}[name].VOCABULARY
    return architecture_sizes(vocabulary), vocabulary.config()
