"""`ritornello train`: from a folder of data to a finished run."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import torch

from core.architecture import Architecture
from core.errors import InvalidField
from core.model import RecurrentModel
from core.training.allocator import keep_memory
from core.training.batches import Corpus
from core.training.export import draw_curve, export
from core.training.launch import run_together
from core.training.loop import Trainer
from core.training.recipes import RECIPES, Recipe
from core.training.team import Team

logger = logging.getLogger(__name__)


def open_corpus(recipe: Recipe, data: Path) -> Corpus:
    """Read the data that a recipe names. Raises InvalidField when it is not there."""
    if not data.exists():
        raise InvalidField(f"There is no training data at {data}.", field="data")
    if recipe.corpus == "shakespeare":
        from core.training.shakespeare import TextCorpus

        return TextCorpus(data, recipe.options)
    if recipe.corpus == "folk":
        from core.training.folk import FolkCorpus

        return FolkCorpus(data, recipe.options)
    from core.training.drums import DrumCorpus

    return DrumCorpus(data, recipe.options)


def build_model(recipe: Recipe, corpus: Corpus) -> RecurrentModel:
    architecture = Architecture(
        embedding=recipe.embedding,
        hidden=recipe.hidden,
        layers=recipe.layers,
        residual=recipe.residual,
        head=recipe.head,
        **corpus.architecture_sizes(),
    )
    return RecurrentModel(architecture, recipe.dropout)


def train(
    config: str,
    data: Path,
    out: Path,
    resume: bool = True,
    minutes: float | None = None,
    updates: int | None = None,
    processes: int = 1,
) -> Path:
    """Train RECIPES[config] on `data` in the folder `out`; a killed run goes on where it was. Returns the checkpoint's folder.

    `minutes` or `updates` replace the recipe's. Several `processes` share each batch's rows: one a core, or one a GPU. What
    remains in `out`: log.jsonl, loss.png, and the checkpoint <config>/{card.json, model.safetensors}.

    Raises InvalidField (unknown recipe, no data, processes), TrainingDiverged, and WorkerLost when a process of several dies.
    """
    if config not in RECIPES:
        raise InvalidField(f"There is no recipe named {config!r}; there are: {', '.join(RECIPES)}.", field="config")
    recipe = dataclasses.replace(RECIPES[config], updates=updates or 0)
    if minutes is not None:
        recipe = dataclasses.replace(recipe, minutes=minutes)
    _check_processes(processes, recipe)
    if not data.exists():
        raise InvalidField(f"There is no training data at {data}.", field="data")
    if processes == 1:
        train_in_team(Team(), config, recipe, data, out, resume)
    else:
        run_together(train_in_team, processes, config, recipe, data, out, resume)
    return out / config


def _check_processes(processes: int, recipe: Recipe) -> None:
    if processes < 1 or recipe.rows % processes:
        raise InvalidField(f"The {recipe.rows} rows of a batch cannot be shared by {processes} processes.", field="processes")
    if processes > 1 and torch.cuda.is_available() and processes > torch.cuda.device_count():
        raise InvalidField(f"There are {torch.cuda.device_count()} GPUs for {processes} processes.", field="processes")


def train_in_team(team: Team, config: str, recipe: Recipe, data: Path, out: Path, resume: bool) -> None:
    """What each process of `train` does."""
    torch.set_num_threads(1)  # cores are used by processes: threads that wait for each other on a busy machine take minutes
    keep_memory()
    torch.manual_seed(recipe.seed)
    corpus = open_corpus(recipe, data)
    model = build_model(recipe, corpus).to(f"cuda:{team.rank}" if torch.cuda.is_available() else "cpu")
    if not team.leads:
        torch.manual_seed(recipe.seed + team.rank)  # the weights are the same, the dropout masks are each one's own
    trainer = Trainer(model, corpus, recipe, out, team)
    logger.info("%s: %d weights, %s", config, sum(weight.numel() for weight in model.parameters()), trainer.precision)
    if resume:
        trainer.resume()
    trainer.run()
    if team.leads:
        draw_curve(trainer.folder.log_path, out / "loss.png", corpus.unit)
        export(config, recipe, corpus, trainer, out / config)
