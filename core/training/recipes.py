"""How each shipped checkpoint is trained: sizes, rates, lengths. The figures behind the choices are in docs/decisions.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.model import Dropout


@dataclass(frozen=True)
class Recipe:
    """One training run. Its length is a number of updates, over which the learning rate's cosine runs."""

    corpus: str
    """shakespeare, folk or drums: the module of core.training that reads the data."""
    embedding: int
    hidden: int
    layers: int
    residual: bool
    head: int
    dropout: Dropout
    rows: int
    chunk: int
    """Back-propagation reaches this many tokens; the state goes on from chunk to chunk."""
    learning_rate: float
    weight_decay: float
    minutes: float
    """Training time proper. How many updates that is, is measured on the first ones and then kept, also by a resumed run."""
    updates: int = 0
    """The length itself, in place of `minutes`: then the whole run can be repeated. 0: as many as fit into the minutes."""
    averaging: float = 0.999
    """Decay of the running mean of the weights, which is what is validated and kept."""
    warmup_updates: int = 100
    clip: float = 0.5
    evaluate_every_minutes: float = 2.0
    """Of `minutes`; where `updates` are given, the same share of them."""
    patience: int = 15
    """Evaluations without a better one before the run stops early."""
    seed: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    """The corpus's own choices."""


RECIPES: dict[str, Recipe] = {
    "shakespeare": Recipe(
        corpus="shakespeare",
        embedding=128,
        hidden=512,
        layers=2,
        residual=True,
        head=0,
        dropout=Dropout(input=0.1, between=0.3, output=0.3, recurrent=0.3),
        rows=64,
        chunk=96,
        learning_rate=6e-3,
        weight_decay=0.03,
        minutes=38,
    ),
    "folk": Recipe(
        corpus="folk",
        embedding=96,
        hidden=320,
        layers=2,
        residual=True,
        head=192,
        dropout=Dropout(rows=0.15, input=0.2, between=0.35, output=0.35, head=0.2, recurrent=0.4),
        rows=48,
        chunk=128,
        learning_rate=5e-3,
        weight_decay=0.1,
        minutes=45,
        averaging=0.998,
    ),
    "drums": Recipe(
        corpus="drums",
        embedding=96,
        hidden=256,
        layers=2,
        residual=True,
        head=192,
        dropout=Dropout(rows=0.1, input=0.2, between=0.4, output=0.4, head=0.2, recurrent=0.4),
        rows=48,
        chunk=160,
        learning_rate=4e-3,
        weight_decay=0.1,
        minutes=25,
        averaging=0.998,
    ),
}
