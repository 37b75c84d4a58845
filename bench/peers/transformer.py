"""A decoder-only transformer of about the LSTM's size, as one serves it: a preallocated key-value cache, one token a step.

Pre-norm blocks with GELU, as GPT-2: Radford et al. 2019; fixed sinusoids for the places: Vaswani et al. 2017,
arXiv:1706.03762. What a step costs grows with the position, so the speed is measured in a window after a chosen one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.peers.peer import LARGE, SMALL, Sizes, Stepwise, race
from bench.peers.sampling import TOP_P, draw_given

WINDOW = 16
RANDOM_PAGE = 64  # positions of random numbers, repeated over the cache: drawing a gigabyte of them takes longer than the bench
PRECISIONS = {torch.float32: "fp32", torch.bfloat16: "bf16"}
CHOICE_ROUNDS = 3


@dataclass(frozen=True)
class Shape:
    """Depth and width of the transformer; heads have `width / heads` numbers."""

    layers: int
    width: int
    heads: int

    @property
    def weights(self) -> int:
        """The numbers in the blocks' matrices, without biases, norms, table and head."""
        return self.layers * 12 * self.width**2


SHAPES = {SMALL: Shape(5, 128, 2), LARGE: Shape(5, 320, 5)}
"""About as many weights in the blocks as the LSTM has in its layers: 0.98 M for 1.05 M, 6.14 M for 6.29 M."""


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm, self.project, self.merge = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.second_norm, self.widen, self.narrow = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def heads_of(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, width) → query, key, value, each (B, heads, T, width / heads)."""
        q, k, v = self.project(self.norm(x)).view(*x.shape[:2], 3 * self.heads, -1).transpose(1, 2).chunk(3, dim=1)
        return q, k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """x (B, T, width), attended (B, heads, T, width / heads) → (B, T, width)."""
        x = x + self.merge(attended.transpose(1, 2).reshape(x.shape))
        out: Tensor = x + self.narrow(F.gelu(self.widen(self.second_norm(x))))
        return out


class Transformer(Stepwise):
    """Begins at `position`, its cache filled with random contents before it; after `window` steps it goes back there.

    So its speed at that position can be measured for as long as one likes. The cache is (layers, 2, streams, heads,
    position + window, width / heads) numbers.
    """

    def __init__(
        self,
        sizes: Sizes,
        streams: int,
        position: int = 0,
        window: int = WINDOW,
        precision: torch.dtype = torch.float32,
        top_p: float = TOP_P,
        seed: int = 1,
    ) -> None:
        shape = SHAPES[sizes]
        described = f"transformer {shape.layers}x{shape.width}, {PRECISIONS[precision]}, position {position:,}"
        super().__init__(described, streams)
        torch.manual_seed(seed)
        self.top_p, self.start, self.end = top_p, position, position + window
        self.position = position
        self.embedding = nn.Embedding(sizes.vocabulary, shape.width, dtype=precision)
        self.blocks = [Block(shape).to(precision) for _ in range(shape.layers)]
        self.norm = nn.LayerNorm(shape.width, dtype=precision)
        self.head = nn.Linear(shape.width, sizes.vocabulary, dtype=precision)
        self.places = sinusoids(self.end, shape.width).to(precision)
        self.cache = torch.empty(
            shape.layers, 2, streams, shape.heads, self.end, shape.width // shape.heads, dtype=precision
        )  # fmt: skip
        page = torch.randn(*self.cache.shape[:4], RANDOM_PAGE, self.cache.shape[5]).to(precision)
        for first in range(0, position, RANDOM_PAGE):
            count = min(RANDOM_PAGE, position - first)
            self.cache[..., first : first + count, :] = page[..., :count, :]
        self.random = torch.Generator().manual_seed(seed)

    @property
    def state_bytes(self) -> int:
        """What one stream has to keep at the start of the window."""
        return self.cache[:, :, :1, :, : self.start].numel() * self.cache.element_size()

    @torch.inference_mode()
    def logits(self, tokens: Tensor) -> Tensor:
        """tokens (streams,) → (streams, vocabulary); the position moves on, and back to the start at the window's end."""
        if self.position == self.end:
            self.position = self.start
        here = self.position
        x = (self.embedding(tokens) + self.places[here])[:, None]  # (streams, 1, width)
        for block, (keys, values) in zip(self.blocks, self.cache, strict=True):
            query, key, value = block.heads_of(x)
            keys[:, :, here : here + 1], values[:, :, here : here + 1] = key, value
            attended = F.scaled_dot_product_attention(query, keys[:, :, : here + 1], values[:, :, : here + 1])
            x = block.finish(x, attended)
        self.position += 1
        out: Tensor = self.head(self.norm(x[:, 0])).float()
        return out

    @torch.inference_mode()
    def all_logits(self, tokens: Tensor) -> Tensor:
        """The same network without a cache, from position 0: tokens (B, T) → (B, T, vocabulary)."""
        x = self.embedding(tokens) + self.places[: tokens.shape[1]]
        for block in self.blocks:
            x = block.finish(x, F.scaled_dot_product_attention(*block.heads_of(x), is_causal=True))
        out: Tensor = self.head(self.norm(x)).float()
        return out

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        return draw_given(self.logits(tokens), torch.rand(self.streams, generator=self.random), self.top_p)


def sinusoids(places: int, width: int) -> Tensor:
    """(places, width)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-torch.log(torch.tensor(10_000.0)) / width))
    angles = torch.arange(places)[:, None] * rates  # (places, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def faster_transformer(sizes: Sizes, streams: int, position: int, seconds: float = 0.5) -> Transformer:
    """In the precision that this machine is faster in there; its name says which."""
    both = [Transformer(sizes, streams, position, precision=precision) for precision in PRECISIONS]
    speeds = race(both, seconds, CHOICE_ROUNDS)
    return both[max(range(len(both)), key=lambda which: sorted(speeds[which])[CHOICE_ROUNDS // 2])]
