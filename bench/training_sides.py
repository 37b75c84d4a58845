"""Who races in bench.training: our training loop, the textbook's, and one without recurrence, each in processes of its own.

All train on the same number of random tokens in an update: the arithmetic does not depend on which ones. What differs is how,
and so each side has processes of its own (an allocator's settings are the whole process's).
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from core.architecture import Architecture
from core.model import Dropout, RecurrentModel
from core.training.allocator import keep_memory
from core.training.batches import ALL_ROWS, Batch
from core.training.loop import Trainer
from core.training.recipes import Recipe
from core.training.team import Team, joined

VOCABULARY = 384
CLIP, RATE = 0.5, 1e-3
Update = Callable[[], object]


@dataclass(frozen=True)
class Shape:
    """A network and the batch of each process. All have VOCABULARY tokens and a linear head."""

    name: str
    embedding: int
    hidden: int
    layers: int
    rows: int
    chunk: int

    @property
    def tokens(self) -> int:
        return self.rows * self.chunk


class RandomTokens:
    """A corpus of one batch, for ever."""

    unit = "token"

    def __init__(self, shape: Shape) -> None:
        generator = np.random.default_rng(1)
        tokens = generator.integers(0, VOCABULARY, (shape.chunk + 1, shape.rows))
        places = (shape.chunk, shape.rows)
        weights, fresh = np.ones(places, np.float32), np.zeros(shape.rows, bool)
        self.batch = Batch(tokens[:-1, :, None], np.zeros((*places, 0), np.int64), None, tokens[1:], weights, fresh)

    def architecture_sizes(self) -> dict[str, Any]:
        return {"vocabulary": VOCABULARY, "features": (VOCABULARY,), "references": 0, "pitch_tokens": (0, 0)}

    def tokenizer_config(self) -> dict[str, Any]:
        return {}

    def training(self, rows: int, chunk: int, seed: int, skip: int = 0, mine: slice = ALL_ROWS) -> Iterator[Batch]:
        while True:
            yield self.batch

    def validation(self, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        yield self.batch, self.batch.learnt


def ours(shape: Shape, team: Team, folder: Path) -> Update:
    """The update that `ritornello train` makes, without dropout, as the textbook's is."""
    corpus = RandomTokens(shape)
    sizes: dict[str, Any] = {"embedding": shape.embedding, "hidden": shape.hidden, "layers": shape.layers}
    recipe = Recipe(
        corpus="",
        **sizes,
        residual=False,
        head=0,
        dropout=Dropout(),
        rows=shape.rows * team.size,
        chunk=shape.chunk,
        learning_rate=RATE,
        weight_decay=0.01,
        minutes=1,
        clip=CLIP,
    )
    architecture = Architecture(**sizes, **corpus.architecture_sizes())
    trainer = Trainer(RecurrentModel(architecture), corpus, recipe, folder, team)
    return partial(trainer.update, corpus.batch)


class Textbook(nn.Module):
    """Embedding → nn.LSTM → linear; without layers, the embedding feeds the head."""

    def __init__(self, shape: Shape, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, shape.embedding)
        self.lstm = nn.LSTM(shape.embedding, shape.hidden, layers) if layers else None
        self.head = nn.Linear(shape.hidden if layers else shape.embedding, VOCABULARY)

    def forward(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        x = self.embedding(tokens)
        if self.lstm is not None:
            x, state = self.lstm(x, state)
        return self.head(x), state


def _textbook(shape: Shape, team: Team, layers: int) -> Update:
    """float32, AdamW, DistributedDataParallel when there are several: what the tutorials write."""
    model: nn.Module = Textbook(shape, layers)
    if team.size > 1:
        model = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    batch = RandomTokens(shape).batch
    tokens, targets = torch.from_numpy(batch.features[:, :, 0]), torch.from_numpy(batch.targets)
    state: Any = None

    def update() -> None:
        nonlocal state
        logits, state = model(tokens, state)
        state = state and tuple(part.detach() for part in state)
        optimizer.zero_grad()
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()

    return update


def side(name: str, shape: Shape, team: Team, folder: Path) -> Update:
    if name == "ours":
        return ours(shape, team, folder)
    return _textbook(shape, team, shape.layers if name == "textbook" else 0)


@dataclass(frozen=True)
class Side:
    """One side's processes, ready to run updates when they are told to."""

    name: str
    size: int
    orders: Sequence[Connection]

    def speed(self, shape: Shape, updates: int) -> float:
        """Tokens a second of all its processes together."""
        for order in self.orders:
            order.send((shape, updates))
        seconds: float = max(order.recv() for order in self.orders)
        return self.size * shape.tokens * updates / seconds


@contextmanager
def started(name: str, size: int) -> Iterator[Side]:
    """`size` processes of a side, one thread each; gone afterwards."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="ritornello-bench-") as folder:
        pipes = [spawn.Pipe() for _ in range(size)]
        places = ((name, Team(rank, size), Path(folder), theirs) for rank, (_, theirs) in enumerate(pipes))
        processes = [spawn.Process(target=_race, args=place, daemon=True) for place in places]
        try:
            for process, (_, theirs) in zip(processes, pipes, strict=True):
                process.start()
                theirs.close()  # so that the end of a process is heard
            yield Side(name, size, [ours for ours, _ in pipes])
        finally:
            for process in processes:
                process.kill()
                process.join()


def _race(name: str, place: Team, folder: Path, orders: Connection) -> None:
    torch.set_num_threads(1)
    if name == "ours":
        keep_memory()
    updates: dict[Shape, Update] = {}
    team_of = joined(place.rank, place.size, folder / "meeting") if place.size > 1 else nullcontext(place)
    with suppress(EOFError), team_of as team:  # until nobody gives orders any more
        while True:
            shape, count = orders.recv()
            if shape not in updates:
                torch.manual_seed(1)
                updates[shape] = side(name, shape, team, folder / str(place.rank))
            team.collect(None)  # all begin together
            began = time.perf_counter()
            for _ in range(count):
                updates[shape]()
            orders.send(time.perf_counter() - began)
