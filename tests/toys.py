"""Toy checkpoints for tests: tiny networks with random weights on the real vocabularies, never downloaded."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import load

from core.architecture import Architecture
from core.authors import AUTHORS
from core.catalog import PACKED, WEIGHTS, Card, Catalog
from core.checkpoint import LoadedModel, pack_weights
from core.decoding import Decoder
from core.model import RecurrentModel
from core.music.tokenizer import MusicTokenizer
from core.native.decoder import NativeDecoder
from core.native.packing import Ranges
from core.packed import packed_bytes
from core.text.characters import CharacterTokenizer
from core.training import drums, folk
from core.training.calibration import pack_model
from core.training.cards import prose
from core.training.export import write_card
from core.training.music_batches import architecture_sizes

FOLK, DRUMS = MusicTokenizer(folk.VOCABULARY), MusicTokenizer(drums.VOCABULARY)
TEXT = CharacterTokenizer("\n !',-.?abcdefghijklmnopqrstuvwxyz")
NAMES = ("drums", "folk", "shakespeare")

torch.set_num_threads(1)  # as every entry point does


@cache
def toy(name: str, hidden: int = 16) -> LoadedModel:
    """A model of that name ready to be checked against, the same in every process. `hidden` makes it slower."""
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
    data, packed = pack_weights(model), packed_toy(model)
    card = Card(
        format=1,
        name=name,
        architecture=architecture.to_json(),
        tokenizer=config,
        parameters=sum(weight.numel() for weight in model.parameters()),
        sha256=hashlib.sha256(data).hexdigest(),
        packed_sha256=hashlib.sha256(packed).hexdigest(),
        figures=[],
        trained={},
        **prose(name),
    )
    return LoadedModel(card, model, AUTHORS[config["kind"]](config))


@cache
def toy_decoder(name: str) -> Decoder:
    """What a worker decodes the toy with."""
    loaded = toy(name)
    return NativeDecoder(loaded.card, loaded.author, load(packed_toy(loaded.model)))


def packed_toy(model: RecurrentModel) -> bytes:
    """As export packs it, with ranges that are about what random weights reach."""
    return packed_bytes(pack_model(model, Ranges(embedded=8.0, layers=(1.0, 2.0), hidden=8.0)))


def write_toys(folder: Path, hidden: int = 16) -> Catalog:
    """The three toys as checkpoints on disk."""
    for name in NAMES:
        loaded = toy(name, hidden)
        (folder / name).mkdir(parents=True)
        (folder / name / WEIGHTS).write_bytes(pack_weights(loaded.model))
        (folder / name / PACKED).write_bytes(packed_toy(loaded.model))
        write_card(loaded.card, folder / name)
    return Catalog(folder)


def _language(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the vocabulary fixes of the architecture, and the tokenizer's configuration."""
    if name == "shakespeare":
        return {"vocabulary": TEXT.size, "features": (TEXT.size,)}, TEXT.config()
    vocabulary = {"folk": folk, "drums": drums}[name].VOCABULARY
    return architecture_sizes(vocabulary), vocabulary.config()
