"""`ritornello train`: from a folder of data to a finished run."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

import torch

from core.errors import InvalidField
from core.model import Architecture, RecurrentModel
from core.training.batches import Corpus
from core.training.export import draw_curve, export
from core.training.loop import Trainer
from core.training.recipes import RECIPES, Recipe

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


def train(config: str, data: Path, out: Path, resume: bool = True, minutes: float | None = None) -> Path:
    """Train RECIPES[config] on `data` in the folder `out`; a killed run goes on where it was. Returns the checkpoint's folder.

    What remains in `out`: log.jsonl, loss.png, and the checkpoint <config>/{card.json, model.safetensors}.

    Raises InvalidField (unknown recipe, no data) and TrainingDiverged.
    """
    if config not in RECIPES:
        raise InvalidField(f"There is no recipe named {config!r}; there are: {', '.join(RECIPES)}.", field="config")
    recipe = RECIPES[config]
    if minutes is not None:
        recipe = dataclasses.replace(recipe, minutes=minutes)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.manual_seed(recipe.seed)
    corpus = open_corpus(recipe, data)
    model = build_model(recipe, corpus).to("cuda" if torch.cuda.is_available() else "cpu")
    logger.info("%s: %d weights", config, sum(weight.numel() for weight in model.parameters()))
    trainer = Trainer(model, corpus, recipe, out)
    if resume:
        trainer.resume()
    trainer.run()
    draw_curve(out / "log.jsonl", out / "loss.png", corpus.unit)
    export(config, recipe, corpus, trainer, out / config)
    return out / config
