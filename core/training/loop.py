"""The training loop: bf16 autocast, AdamW, cosine, gradient clipping, a running mean of the weights, exact resume."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from core.errors import TrainingDiverged
from core.model import RecurrentModel, State
from core.training.batches import Batch, Corpus, Score
from core.training.recipes import Recipe

logger = logging.getLogger(__name__)

FINAL_RATE = 0.01  # the cosine ends at this share of the learning rate
VANISHED_NORM = 1e-6
PATIENCE_WITH_VANISHED = 100  # updates
SAVE_EVERY_SECONDS = 60.0


def negative_log_likelihood(logits: Tensor, batch: Batch) -> Tensor:
    """Nats of each target among what the grammar allows there: (time, rows), zero where the weight is."""
    if batch.allowed is not None:
        logits = logits.masked_fill(~torch.from_numpy(batch.allowed).to(logits.device), float("-inf"))
    targets = torch.from_numpy(batch.targets).to(logits.device)
    nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    weights = torch.from_numpy(batch.weights).to(logits.device)
    return torch.where(weights > 0, nats * weights, 0.0)


def advance(model: RecurrentModel, batch: Batch, state: State) -> tuple[Tensor, State]:
    """Logits of the batch, rows marked fresh starting from an empty state."""
    device = model.tables.device
    kept = (~torch.from_numpy(batch.fresh)).to(device)[None, :, None]
    state = (state[0] * kept, state[1] * kept)
    features, references = torch.from_numpy(batch.features).to(device), torch.from_numpy(batch.references).to(device)
    result: tuple[Tensor, State] = model(features, references, state)
    return result


@torch.no_grad()
def evaluate(model: RecurrentModel, batches: Iterator[tuple[Batch, int]]) -> Score:
    """Total nats of the weighted targets over the units counted."""
    model.eval()
    nats, units, state = 0.0, 0, None
    for batch, count in batches:
        if state is None or state[0].shape[1] != batch.fresh.shape[0]:
            state = model.empty_state(batch.fresh.shape[0])
        logits, state = advance(model, batch, state)
        nats += float(negative_log_likelihood(logits, batch).double().sum())
        units += count
    return Score(nats, units)


class Trainer:
    """One run in one folder: log.jsonl, last.pt (to resume), best.pt (the mean weights that validated best)."""

    def __init__(self, model: RecurrentModel, corpus: Corpus, recipe: Recipe, out: Path) -> None:
        self.model, self.corpus, self.recipe, self.out = model, corpus, recipe, out
        self.mean = copy.deepcopy(model).eval()
        rate, decay = recipe.learning_rate, recipe.weight_decay
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=decay)
        self.updates, self.tokens, self.seconds = 0, 0, 0.0
        self.best, self.stale, self.vanished = math.inf, 0, 0
        out.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Take up the run where last.pt left it; a run without one starts anew."""
        path = self.out / "last.pt"
        if not path.exists():
            return
        saved = torch.load(path, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.mean.load_state_dict(saved["mean"])
        self.optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        for name, value in saved["counters"].items():
            setattr(self, name, value)
        logger.info("resumed at update %d, %.1f minutes", self.updates, self.seconds / 60)

    def run(self) -> None:
        """Train until the minutes are over, validation stops improving, or the gradients do. Raises TrainingDiverged."""
        recipe = self.recipe
        budget = recipe.minutes * 60
        # Each resume shuffles anew: the place in the stream is not worth storing, the seed moves with the updates.
        batches = self.corpus.training(recipe.rows, recipe.chunk, recipe.seed + self.updates)
        state = self.model.empty_state(recipe.rows)
        next_evaluation = self.seconds + recipe.evaluate_every_minutes * 60
        last_save = time.monotonic()
        total, shown = round(budget), round(self.seconds)
        with tqdm(total=total, initial=shown, unit="s", desc="training") as bar:
            while self.seconds < budget and self.stale < recipe.patience:
                began = time.monotonic()
                batch = next(batches)
                loss, norm, state = self._update(batch, state)
                self.seconds += time.monotonic() - began
                bar.update(min(round(self.seconds), total) - shown)
                shown = min(round(self.seconds), total)
                if self.updates % 20 == 0:
                    bar.set_postfix(loss=f"{loss:.3f}", norm=f"{norm:.2f}")
                    self._log(kind="train", loss=loss, gradient_norm=norm, rate=self._rate())
                if self.seconds >= next_evaluation or self.seconds >= budget:
                    self._evaluate()
                    next_evaluation += recipe.evaluate_every_minutes * 60
                if time.monotonic() - last_save > SAVE_EVERY_SECONDS:
                    self._save()
                    last_save = time.monotonic()
        self._save()

    def _rate(self) -> float:
        progress = min(1.0, self.seconds / (self.recipe.minutes * 60))
        cosine = FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
        return self.recipe.learning_rate * cosine * min(1.0, (self.updates + 1) / self.recipe.warmup_updates)

    def _update(self, batch: Batch, state: State) -> tuple[float, float, State]:
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        device = self.model.tables.device
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits, state = advance(self.model, batch, state)
            nats = negative_log_likelihood(logits, batch)
        weight = float(batch.weights.sum())
        loss = nats.sum() / weight
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip))
        measured = float(loss.detach())
        self._check(measured, norm)
        self.optimizer.step()
        self.updates += 1
        self.tokens += int(weight)
        decay = min(self.recipe.averaging, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            for mean, weight_now in zip(self.mean.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(weight_now, 1 - decay)
        return measured, norm, (state[0].detach().float(), state[1].detach().float())

    def _check(self, loss: float, norm: float) -> None:
        self.vanished = self.vanished + 1 if norm < VANISHED_NORM else 0
        if not (math.isfinite(loss) and math.isfinite(norm)):
            told = f"loss {loss}, norm {norm}"
            raise TrainingDiverged(f"The gradients exploded at update {self.updates}: {told}. Lower the learning rate.")
        if self.vanished >= PATIENCE_WITH_VANISHED:
            told = f"under {VANISHED_NORM} for {self.vanished} updates"
            raise TrainingDiverged(f"The gradients vanished: their norm stayed {told}.")

    def _evaluate(self) -> None:
        score = evaluate(self.mean, self.corpus.validation(self.recipe.rows, self.recipe.chunk)).nats_per_unit
        self._log(kind="validation", nats=score, unit=self.corpus.unit)
        tqdm.write(f"{self.seconds / 60:6.1f} min  update {self.updates}  validation {score:.4f} nats per {self.corpus.unit}")
        if score < self.best:
            self.best, self.stale = score, 0
            self._write("best", self.mean.state_dict())
        else:
            self.stale += 1

    def _log(self, **entry: Any) -> None:
        entry |= {"update": self.updates, "tokens": self.tokens, "seconds": round(self.seconds, 1)}
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def _save(self) -> None:
        counters = {name: getattr(self, name) for name in ("updates", "tokens", "seconds", "best", "stale", "vanished")}
        saved = {
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "counters": counters,
        }
        self._write("last", saved)

    def _write(self, name: str, saved: dict[str, Any]) -> None:
        unfinished = self.out / f"{name}.tmp"
        torch.save(saved, unfinished)
        unfinished.replace(self.out / f"{name}.pt")  # a kill in mid-write must not cost the run
