"""The sizes of a network: what training, the torch path and the native kernel all build from. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

UNITS = 4
"""Hidden sizes are multiples of this: the native kernel multiplies four inputs at a time."""


@dataclass(frozen=True)
class Architecture:
    """Sizes that fix the shape of every weight."""

    vocabulary: int
    features: tuple[int, ...]
    """Table size of each input feature; the first is the previous token."""
    embedding: int
    hidden: int
    layers: int
    residual: bool = False
    head: int = 0
    """Width of the head's hidden layer; 0 is a linear head."""
    references: int = 0
    """Number of tables over (pitch − reference)."""
    pitch_tokens: tuple[int, int] = (0, 0)
    """First pitch token and how many follow it in semitone order; the tables add to their logits."""

    def __post_init__(self) -> None:
        if self.hidden % UNITS or self.head % UNITS:
            raise ValueError(f"hidden ({self.hidden}) and head ({self.head}) must be multiples of {UNITS}")

    @property
    def feature_starts(self) -> tuple[int, ...]:
        """Where each feature's table begins when all stand one after another, and where the last one ends."""
        starts = [0]
        for size in self.features:
            starts.append(starts[-1] + size)
        return tuple(starts)

    @classmethod
    def from_json(cls, sizes: Mapping[str, Any]) -> Architecture:
        values: dict[str, Any] = {name: tuple(size) if isinstance(size, list) else size for name, size in sizes.items()}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The sizes as JSON keeps them: lists for tuples."""
        sizes = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(size) if isinstance(size, tuple) else size for name, size in sizes.items()}
