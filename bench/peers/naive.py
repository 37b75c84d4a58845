"""The usual loop: nn.LSTM called with sequences of length 1, a sorted nucleus, torch.multinomial.

This is the denominator of the published ratios. oneDNN packs all of nn.LSTM's weights anew at every call.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.peers.peer import Sizes, Stepwise
from bench.peers.sampling import TOP_P, draw_usual


class Naive(Stepwise):
    """fp32; the same seed gives the same weights."""

    def __init__(self, sizes: Sizes, streams: int, top_p: float = TOP_P, seed: int = 1) -> None:
        super().__init__("nn.LSTM, a token a call", streams)
        torch.manual_seed(seed)
        self.top_p = top_p
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.hidden)
        self.lstm = nn.LSTM(sizes.hidden, sizes.hidden, sizes.layers)
        self.head = nn.Linear(sizes.hidden, sizes.vocabulary)
        shape = (sizes.layers, streams, sizes.hidden)
        self.state = torch.zeros(shape), torch.zeros(shape)

    @torch.inference_mode()
    def logits(self, tokens: Tensor) -> Tensor:
        """tokens (streams,) → (streams, vocabulary); the state moves on."""
        y, self.state = self.lstm(self.embedding(tokens)[None], self.state)  # (1, streams, hidden)
        out: Tensor = self.head(y[0])
        return out

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        return draw_usual(self.logits(tokens), self.top_p)
