"""What a peer of our decoder is, and how fast one is: tokens a second of wall time, several peers taking turns."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import torch
from torch import Tensor

ROUNDS = 5
WARM_STEPS = 2


@dataclass(frozen=True)
class Sizes:
    """Embedding (dim = hidden) → LSTM layers → untied linear head."""

    layers: int
    hidden: int
    vocabulary: int = 384

    @property
    def recurrent_weights(self) -> int:
        """The numbers in the layers' matrices, without biases, tables and head."""
        return self.layers * 8 * self.hidden**2

    def __str__(self) -> str:
        return f"{self.layers}x{self.hidden}"


SMALL, LARGE = Sizes(2, 256), Sizes(3, 512)


class Peer(Protocol):
    """A network with random weights that samples its own next tokens, in `streams` sequences side by side."""

    name: str
    streams: int

    def run(self, steps: int) -> None:
        """Draw so many tokens in every stream, going on from where the last call ended."""


class Stepwise(ABC):
    """A peer that goes token by token: `step` is what it does, `run` repeats it on its own output."""

    def __init__(self, name: str, streams: int) -> None:
        self.name, self.streams = name, streams
        self.tokens = torch.zeros(streams, dtype=torch.int64)

    @abstractmethod
    def step(self, tokens: Tensor) -> Tensor:
        """tokens (streams,) i64, the last of each stream → (streams,) i64, the next."""

    @torch.inference_mode()
    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.tokens = self.step(self.tokens)


def tokens_per_second(peer: Peer, seconds: float, rounds: int = ROUNDS) -> float:
    """Of all streams together: the median of rounds that take `seconds` in all."""
    return median(race([peer], seconds, rounds)[0])


def race(peers: Sequence[Peer], seconds: float, rounds: int = ROUNDS) -> list[list[float]]:
    """Each peer's tokens a second, round by round; in a round they take turns, so that what disturbs one disturbs all.

    `seconds` is what one peer gets in all rounds together; one step is the least that it is given a turn. Figures of the
    same round belong together: compare peers by the median of the rounds' ratios.
    """
    steps = []
    for peer in peers:
        peer.run(WARM_STEPS)
        steps.append(max(1, round(seconds / rounds / _clock(peer, WARM_STEPS))))
    found: list[list[float]] = [[] for _ in peers]
    for _ in range(rounds):
        for peer, count, speeds in zip(peers, steps, found, strict=True):
            speeds.append(peer.streams / _clock(peer, count))
    return found


def _clock(peer: Peer, steps: int) -> float:
    """Seconds a step."""
    start = time.perf_counter()
    peer.run(steps)
    return (time.perf_counter() - start) / steps
