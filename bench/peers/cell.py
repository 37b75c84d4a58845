"""The careful loop in plain PyTorch: an LSTMCell for each layer, which packs nothing anew, and a draw at a given u."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.peers.naive import Naive
from bench.peers.peer import Sizes, Stepwise
from bench.peers.sampling import TOP_P, draw_given


class Cell(Stepwise):
    """fp32; the weights are those of `Naive` with the same seed."""

    def __init__(self, sizes: Sizes, streams: int, top_p: float = TOP_P, seed: int = 1) -> None:
        super().__init__("LSTMCell", streams)
        self.top_p = top_p
        network = Naive(sizes, 1, seed=seed)
        self.embedding, self.head = network.embedding, network.head
        self.cells = [nn.LSTMCell(sizes.hidden, sizes.hidden) for _ in range(sizes.layers)]
        for cell, weights in zip(self.cells, network.lstm.all_weights, strict=True):
            cell.load_state_dict(dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), weights, strict=True)))
        empty = torch.zeros(streams, sizes.hidden)
        self.state = [(empty, empty)] * sizes.layers
        self.random = torch.Generator().manual_seed(seed)

    @torch.inference_mode()
    def logits(self, tokens: Tensor) -> Tensor:
        """tokens (streams,) → (streams, vocabulary); the state moves on."""
        x = self.embedding(tokens)
        for depth, cell in enumerate(self.cells):
            self.state[depth] = cell(x, self.state[depth])
            x = self.state[depth][0]
        out: Tensor = self.head(x)
        return out

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        return draw_given(self.logits(tokens), torch.rand(self.streams, generator=self.random), self.top_p)
