"""Reads the model cards: what each checkpoint is, can do, was trained on and measures. Torch-free: web reads only this."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import CheckpointError, UnknownModel

CHECKPOINTS = Path(__file__).parent / "checkpoints"
CARD = "card.json"
WEIGHTS = "model.safetensors"
PACKED = "packed.safetensors"


class CardPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(CardPart):
    minimum: float
    maximum: float
    default: float | None = None


class AttributeChoices(CardPart):
    """What the model understands of each attribute; an empty list means that it has no such choice."""

    style: list[str] = []
    key: list[str] = []
    meter: list[str] = []
    tempo: Range
    bars: Range


class Playable(CardPart):
    """What a prime may contain: MIDI pitches (for drums: every percussion note that it knows), and voices at once."""

    percussion: bool
    pitches: list[int]
    voices: int
    ticks_per_quarter: int
    """The grid on which the network reads; a prime keeps its own ticks in the result."""


class DataSource(CardPart):
    name: str
    licence: str
    source: str
    used: str
    """How much of it, and how."""


class Figure(CardPart):
    what: str
    value: float
    unit: str
    better: Literal["lower", "higher"]
    floor: float | None = None
    floor_is: str | None = None
    split: str
    command: str


class Card(CardPart):
    """One model card (after Mitchell et al. 2019, arXiv:1810.03993), and what is needed to load the weights beside it."""

    format: Literal[1]
    name: str
    title: dict[str, str]
    """By language: en, pt."""
    summary: dict[str, str]
    kind: Literal["music", "text"]
    tasks: list[Literal["continue", "compose"]]
    architecture: dict[str, Any]
    tokenizer: dict[str, Any]
    parameters: int
    sha256: str
    """Of model.safetensors: the weights in half precision, for training and for checking."""
    packed_sha256: str
    """Of packed.safetensors: the weights in 8 bits, for decoding."""
    attributes: AttributeChoices | None = None
    playable: Playable | None = None
    words: Range | None = None
    """Text: how many words may be asked for."""
    characters: str | None = None
    """Text: the characters it can write; a prompt may hold any."""
    default_sampling: dict[str, float]
    data: list[DataSource]
    licence: str
    figures: list[Figure]
    limits: dict[str, str]
    """By language: what the model is not good for."""
    trained: dict[str, Any]
    """Date, updates, tokens, minutes, seed, and the configuration's name."""


class Catalog:
    """The cards of one folder of checkpoints, by name."""

    def __init__(self, folder: Path = CHECKPOINTS) -> None:
        self.folder = folder
        self.cards: dict[str, Card] = {}
        for path in sorted(folder.glob(f"*/{CARD}")):
            try:
                card = Card.model_validate_json(path.read_bytes())
            except (ValidationError, OSError) as error:
                raise CheckpointError(f"The model card {path} cannot be read: {error}") from error
            if card.name != path.parent.name:
                raise CheckpointError(f"The model card {path} is of {card.name!r}: a checkpoint's folder bears its name.")
            self.cards[card.name] = card

    def card(self, name: str) -> Card:
        """Raises UnknownModel, which names the models that there are."""
        if name not in self.cards:
            known = ", ".join(self.cards) or "none"
            raise UnknownModel(f"There is no model named {name!r}; there are: {known}.", field="model")
        return self.cards[name]

    def default_for(self, kind: str, percussion: bool = False) -> Card:
        """The model that a request of this kind means when it names none."""
        for card in self.cards.values():
            if card.kind == kind and (card.playable is None or card.playable.percussion == percussion):
                return card
        raise UnknownModel(f"There is no model for {kind}.", field="model")
