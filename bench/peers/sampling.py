"""Two ways to draw from the nucleus at temperature 1, many rows at once. Nucleus: Holtzman et al. 2020, arXiv:1904.09751."""

from __future__ import annotations

import torch
from torch import Tensor

TOP_P = 0.95


def draw_usual(logits: Tensor, top_p: float = TOP_P) -> Tensor:
    """The usual code: sort, cut, torch.multinomial. logits (rows, vocabulary) → (rows,) i64."""
    ranked, tokens = torch.sort(torch.softmax(logits, dim=-1), descending=True)
    ranked[torch.cumsum(ranked, dim=-1) - ranked >= top_p] = 0.0
    return tokens.gather(1, torch.multinomial(ranked, 1)).squeeze(1)


def draw_given(logits: Tensor, u: Tensor, top_p: float = TOP_P) -> Tensor:
    """By inverting the distribution at u, (rows,) in [0, 1): one sort and one search, where multinomial goes row by row.

    logits (rows, vocabulary) → (rows,) i64. `top_p` 1 draws from all tokens, without a sort.
    """
    chances = torch.softmax(logits, dim=-1)
    if top_p >= 1.0:
        cumulative = torch.cumsum(chances, dim=-1)
        return _find(cumulative, u[:, None] * cumulative[:, -1:]).squeeze(1)
    ranked, tokens = torch.sort(chances, descending=True)
    cumulative = torch.cumsum(ranked, dim=-1)  # (rows, vocabulary)
    last = torch.searchsorted(cumulative, torch.full_like(u, top_p)[:, None])  # the token that fills the nucleus
    mass = cumulative.gather(1, last.clamp_(max=logits.shape[1] - 1))
    return tokens.gather(1, _find(cumulative, u[:, None] * mass)).squeeze(1)


def _find(cumulative: Tensor, target: Tensor) -> Tensor:
    """The first place where the cumulative distribution passes the target: (rows, 1)."""
    return torch.searchsorted(cumulative, target, right=True).clamp_(max=cumulative.shape[1] - 1)
