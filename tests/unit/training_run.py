"""A small training run as a program, to be killed: python training_run.py CONFIG DATA OUT UPDATES PROCESSES."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from core.model import Dropout
from core.training import loop, run
from core.training.recipes import RECIPES

SMALL = {"embedding": 8, "hidden": 16, "layers": 2, "head": 0, "rows": 6, "chunk": 24, "warmup_updates": 5}
DROPOUT = Dropout(rows=0.1, input=0.1, between=0.2, output=0.2, recurrent=0.2)

# Also in the processes of a team, which import this file: saved after nearly every update, and no picture of the curve.
loop.SAVE_EVERY_SECONDS = 0.01
run.draw_curve = lambda *_: None


def main() -> None:
    config, data, out, updates, processes = sys.argv[1:]
    RECIPES[config] = replace(RECIPES[config], **SMALL, dropout=DROPOUT)
    run.train(config, Path(data), Path(out), updates=int(updates), processes=int(processes))


if __name__ == "__main__":
    main()
