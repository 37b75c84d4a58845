"""`ritornello train`: the command line of core.training."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from cli.exits import Verb


@click.command("train", cls=Verb)
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="The data set.")
@click.option("--config", "config_name", required=True, help="Which model to train: drums, folk or shakespeare.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for checkpoint and card.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Train for about so many; default: the recipe's.")
@click.option("--updates", type=click.IntRange(min=1), help="Train for so many updates instead: a run that can be repeated.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="One for each core, or each GPU.")
@click.option("--resume/--fresh", default=True, help="Go on from what is in --out (the default), or begin again.")
def train(
    config_name: str, data: Path, out: Path, minutes: float | None, updates: int | None, processes: int, resume: bool
) -> None:
    """Train a model and write its checkpoint and card. Started again after a kill, it goes on where it was."""
    from core.training.run import train as run  # takes torch along

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run(config_name, data, out, resume=resume, minutes=minutes, updates=updates, processes=processes)
