"""A small training run as a program that saves all the time, to be killed: CONFIG DATA OUT UPDATES PROCESSES."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from core.model import Dropout
from core.training import loop, run
from core.training.recipes import RECIPES, Recipe

SIZES = {"embedding": 8, "hidden": 16, "layers": 2, "head": 0, "rows": 6, "chunk": 24, "warmup_updates": 5}
DROPOUT = Dropout(rows=0.1, input=0.1, between=0.2, output=0.2, recurrent=0.2)


def small(config: str) -> Recipe:
    return replace(RECIPES[config], **SIZES, dropout=DROPOUT)


def main() -> None:
    config, data, out, updates, processes = sys.argv[1:]
    RECIPES[config] = small(config)
    run.train(config, Path(data), Path(out), updates=int(updates), processes=int(processes))


if __name__ in ("__main__", "__mp_main__"):  # the latter in the processes of a team
    loop.SAVE_EVERY_SECONDS = 0.01
if __name__ == "__main__":
    main()
