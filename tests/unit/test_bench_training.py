"""bench.training races what it says, on toy shapes and in this one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import training
from bench.training_sides import Shape, Textbook, side
from core.training.buckets import Sequence
from core.training.team import Team

SHAPE = Shape("tiny", embedding=8, hidden=12, layers=2, rows=3, chunk=5)


@pytest.mark.parametrize("name", ["ours", "textbook", "floor"])
def test_every_side_learns_its_tokens(name: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    update = side(name, SHAPE, Team(), tmp_path)
    for _ in range(3):
        update()


def test_operations_are_six_for_each_weight_of_a_matrix() -> None:
    named = Textbook(SHAPE, 2).named_parameters()
    weights = sum(weight.numel() for name, weight in named if "weight" in name and "emb" not in name)
    assert training.operations(SHAPE, SHAPE.hidden) == 6 * weights


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    speeds = {("ours", 2): [2.0, 9.0, 3.0], ("textbook", 2): [1.0, 1.0, 1.0]}
    assert training.against(speeds, 2) == 3.0


def test_padding_is_told_beside_what_it_was() -> None:
    random = np.random.default_rng(1)

    def sequences() -> Iterator[Sequence]:
        while True:
            length = int(random.integers(100, 130))
            yield Sequence(np.zeros(length, np.int64), np.ones(length, np.float32))

    found = training.padding("folk", sequences())
    assert 0 < found.value < 100
    assert found.floor == pytest.approx(100 * (1 - 114 / 130), abs=4)
