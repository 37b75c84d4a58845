"""From a finished run to a checkpoint folder: weights in half precision, and the card with what was measured on them."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

from safetensors.torch import load

from core.catalog import CARD, PACKED, WEIGHTS, Card, Figure
from core.checkpoint import pack_weights
from core.model import RecurrentModel
from core.packed import packed_bytes
from core.training.batches import Corpus
from core.training.calibration import measure_ranges, pack_model
from core.training.cards import prose
from core.training.loop import Trainer, evaluate
from core.training.recipes import Recipe


def export(name: str, recipe: Recipe, corpus: Corpus, trainer: Trainer, folder: Path) -> Card:
    """Write the card, the weights that validated best, and these packed, into `folder`; and measure them."""
    model = RecurrentModel(trainer.model.architecture)
    best = trainer.folder.load("best")
    assert best is not None, "a run ends with a validation, and the first one is the best so far"
    model.load_state_dict(best)
    data = pack_weights(model)
    model.load_state_dict({key: weight.float() for key, weight in load(data).items()})  # as it will be used, in half precision
    score = evaluate(model, corpus.validation(recipe.rows, recipe.chunk))
    packed = packed_bytes(pack_model(model, measure_ranges(model, corpus.validation(recipe.rows, recipe.chunk))))
    figure = Figure(
        what=f"nats per {corpus.unit}",
        value=round(score.nats_per_unit, 4),
        unit=f"nats per {corpus.unit}",
        better="lower",
        split="validation",
        command=f"ritornello train --config {name}",
    )
    card = Card(
        format=1,
        name=name,
        architecture=model.architecture.to_json(),
        tokenizer=dict(corpus.tokenizer_config()),
        parameters=sum(weight.numel() for weight in model.parameters()),
        sha256=hashlib.sha256(data).hexdigest(),
        packed_sha256=hashlib.sha256(packed).hexdigest(),
        figures=[figure],
        trained={
            "recipe": name,
            "date": datetime.now(UTC).date().isoformat(),
            "updates": trainer.updates,
            "tokens": trainer.tokens,
            "minutes": round(trainer.seconds / 60, 1),
            "device": trainer.device.type,
            "precision": str(trainer.precision.dtype).removeprefix("torch."),
            "processes": trainer.team.size,
            "seed": recipe.seed,
        },
        **prose(name),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(data)
    (folder / PACKED).write_bytes(packed)
    write_card(card, folder)
    return card


def write_card(card: Card, folder: Path) -> None:
    """The card as readable JSON; fields that say nothing are left out."""
    (folder / CARD).write_text(card.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")


def draw_curve(log: Path, picture: Path, unit: str) -> None:
    """The run's log.jsonl as a picture: training loss and gradient norm by tokens, validation beside them."""
    import json

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = [json.loads(line) for line in log.read_text().splitlines()]
    train = [entry for entry in entries if entry["kind"] == "train"]
    held_out = [entry for entry in entries if entry["kind"] == "validation"]
    figure, (losses, norms) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 6), height_ratios=(3, 1), layout="constrained")
    seen = [entry["tokens"] for entry in train]
    losses.plot(seen, [entry["loss"] for entry in train], label="training, nats per token (with dropout)", linewidth=0.8)
    at, nats = [entry["tokens"] for entry in held_out], [entry["nats"] for entry in held_out]
    losses.plot(at, nats, label=f"validation, nats per {unit}", marker="o", markersize=3)
    losses.set_ylabel("nats")
    losses.legend()
    norms.semilogy(seen, [entry["gradient_norm"] for entry in train], linewidth=0.8)
    norms.set_ylabel("gradient norm")
    norms.set_xlabel("tokens")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120)
    pyplot.close(figure)
    picture.write_bytes(buffer.getvalue())
