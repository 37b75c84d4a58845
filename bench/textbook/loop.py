"""A job in a child of the textbook's worker: the usual nn.LSTM loop, with the model that this process has loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from bench.lstm_loop import generate_in_loop
from core.catalog import CHECKPOINTS, Catalog
from core.checkpoint import LoadedModel, load_checkpoint
from worker.jobs.admission import admit
from worker.jobs.briefing import brief_of
from worker.jobs.request import GenerationRequest


def midi_file(request: dict[str, Any], checkpoints: Path | None) -> bytes:
    """The prime and its continuation; `request` as our API takes it, so that both services do the same work."""
    catalog = _catalog(checkpoints or CHECKPOINTS)
    admitted = admit(GenerationRequest.model_validate(request), catalog)
    loaded = _loaded(catalog.folder, admitted.request.model or catalog.default_for("music").name)
    return generate_in_loop(loaded, brief_of(admitted.request, admitted.prime)).data


@cache
def _catalog(folder: Path) -> Catalog:
    return Catalog(folder)


@cache
def _loaded(folder: Path, name: str) -> LoadedModel:
    return load_checkpoint(folder, _catalog(folder).card(name))
