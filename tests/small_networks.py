"""Small random networks in each shape that there is, packed for decoding: for the tests of what decodes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from core.architecture import Architecture
from core.brief import Author
from core.catalog import Card
from core.model import RecurrentModel
from core.music.composer import Composer
from core.native.packing import Arrays, Ranges, pack
from core.text.characters import CharacterTokenizer
from core.text.writer import Writer
from core.training import drums, folk
from core.training.music_batches import architecture_sizes

TEXT = CharacterTokenizer("\n !',-.?abcdefghijklmnopqrstuvwxyz")
NAMES = ("text", "text with a hidden head", "folk", "drums")


@dataclass(frozen=True)
class Small:
    """A network as training has it, and as decoding has it."""

    card: Card
    author: Author
    model: RecurrentModel
    arrays: Arrays

    @property
    def architecture(self) -> Architecture:
        return self.model.architecture


@cache
def small(name: str, hidden: int = 20, spread: float = 0.5) -> Small:
    """The same in every process. `spread` of the weights: a small one keeps what is rounded off small too."""
    sizes: dict[str, Any] = {"head": 12, "embedding": 8}
    author: Author
    if name.startswith("text"):
        author = Writer(TEXT.config())
        sizes |= {"vocabulary": TEXT.size, "features": (TEXT.size,), "head": 12 if "head" in name else 0}
    else:
        vocabulary = {"folk": folk, "drums": drums}[name].VOCABULARY
        author = Composer(vocabulary.config())
        sizes |= architecture_sizes(vocabulary)
    architecture = Architecture(hidden=hidden, layers=2, residual=True, **sizes)
    generator = torch.Generator().manual_seed(len(name))
    model = RecurrentModel(architecture).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.copy_(torch.randn(weight.shape, generator=generator) * spread)
    if name == "drums":  # fewer drums at once, so that a bar takes fewer tokens
        model.head.bias[drums.VOCABULARY.first_duration] += 3.0
    elif name == "folk":
        model.relative.mul_(0.3)
    summed = spread * 4 * len(architecture.features) ** 0.5
    ranges = Ranges(embedded=summed, layers=(1.0, 2.0), hidden=12 * spread)
    arrays = pack({key: weight.numpy() for key, weight in model.state_dict().items()}, architecture, ranges)
    card = Card.model_construct(name=name, architecture=architecture.to_json())
    return Small(card, author, model, arrays)
