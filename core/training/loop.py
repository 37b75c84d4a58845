"""The training loop: autocast, AdamW, cosine, gradient clipping, a running mean of the weights, exact resume.

One process of a team or alone. All that decides the weights is counted in updates, so that a run which is killed and resumed
ends, on a CPU and with as many processes, with the bits of one that was not.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from core.errors import TrainingDiverged
from core.model import RecurrentModel, State
from core.training.batches import Batch, Corpus, Score
from core.training.precision import fastest_precision
from core.training.recipes import Recipe
from core.training.run_folder import RunFolder
from core.training.team import Team

logger = logging.getLogger(__name__)

FINAL_RATE = 0.01  # the cosine ends at this share of the learning rate
VANISHED_NORM = 1e-6
PATIENCE_WITH_VANISHED = 100  # updates
SAVE_EVERY_SECONDS = 60.0
LOG_EVERY = 20  # updates
SHORTEST_INTERVAL = 20  # updates between validations
MEASURED = 20  # updates that tell how many fit into the recipe's minutes
COUNTERS = ("updates", "total", "tokens", "learnt", "places", "seconds", "best", "stale", "vanished")


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


@dataclass(frozen=True)
class Measured:
    """One update of the whole team. `loss`: nats per token, dropout on. `save`: the leader asks all to save now."""

    loss: float
    gradient_norm: float
    save: bool


class Trainer:
    """One run in one folder, see RunFolder; of a team only the leader writes."""

    def __init__(self, model: RecurrentModel, corpus: Corpus, recipe: Recipe, out: Path, team: Team | None = None) -> None:
        self.model, self.corpus, self.recipe = model, corpus, recipe
        self.team, self.folder = team or Team(), RunFolder(out)
        self.device = model.tables.device
        self.precision = fastest_precision(self.device)
        self.mean = copy.deepcopy(model).eval()
        rate, decay = recipe.learning_rate, recipe.weight_decay
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        self.state = model.empty_state(len(range(recipe.rows)[self.team.rows]))
        self.updates, self.total, self.tokens, self.learnt, self.places = 0, recipe.updates, 0, 0, 0
        self.seconds, self.best, self.stale, self.vanished = 0.0, math.inf, 0, 0

    def resume(self) -> None:
        """Take up the run where last.pt left it; a run without one starts anew."""
        saved = self.folder.load("last")
        if saved is None:
            return
        self.model.load_state_dict(saved["model"])
        self.mean.load_state_dict(saved["mean"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for name, value in saved["counters"].items():
            setattr(self, name, value)
        self.total = self.recipe.updates or round(self.total * self.recipe.minutes / saved["minutes"])
        h, c = (part[:, self.team.rows].to(self.device) for part in saved["state"])
        self.state = h, c
        then, now = len(saved["random"]), self.team.size
        if then == now:
            _set_random(saved["random"][self.team.rank])
        else:  # the run goes on as well, with other dropout masks
            torch.manual_seed(self.recipe.seed + self.updates + self.team.rank)
            logger.info("%d processes then, %d now: the weights will not be those of an unbroken run", then, now)
        logger.info("resumed at update %d, %.1f minutes", self.updates, self.seconds / 60)

    def run(self) -> None:
        """Train until the updates are done, validation stops improving, or the gradients do. Raises TrainingDiverged."""
        recipe, team = self.recipe, self.team
        if team.leads:
            self.folder.forget_after(self.updates)
        self._log(kind="start", precision=str(self.precision), processes=team.size)
        batches = self.corpus.training(recipe.rows, recipe.chunk, recipe.seed, skip=self.updates, mine=team.rows)
        last_save = time.monotonic()
        with tqdm(total=self.total or None, initial=self.updates, unit="update", desc="training", disable=not team.leads) as bar:
            while not (self.total and self.updates >= self.total) and self.stale < recipe.patience:
                began = time.monotonic()
                measured = self.update(next(batches), save=began - last_save > SAVE_EVERY_SECONDS)
                self.seconds += time.monotonic() - began
                if not self.total and self.updates >= MEASURED:
                    fitting = round(recipe.minutes * 60 * self.updates / self.seconds)
                    self.total = bar.total = team.agree(max(self.updates, fitting))
                bar.update()
                if self.updates % LOG_EVERY == 0:
                    self._tell(bar, measured)
                if self.total and (self.updates % self._evaluate_every() == 0 or self.updates == self.total):
                    self._evaluate()
                if measured.save:
                    self._save()
                    last_save = time.monotonic()
        self._save()

    def update(self, batch: Batch, save: bool = False) -> Measured:
        """One step of the optimizer on the team's batch, of which `batch` is this process's share."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        with self.precision.autocast():
            logits, (h, c) = advance(self.model, batch, self.state)
            nats = negative_log_likelihood(logits, batch).sum()
        self.state = h.detach().float(), c.detach().float()
        self.optimizer.zero_grad(set_to_none=True)
        nats.backward()  # type: ignore[no-untyped-call]
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        counts = (float(nats.detach()), float(batch.weights.sum()), batch.learnt, batch.weights.size, save and self.team.leads)
        shared = torch.tensor(counts, device=self.device)
        self.team.add_up([*gradients, shared])
        total_nats, weight, learnt, places, saves = shared.tolist()
        for gradient in gradients:
            gradient /= weight  # the mean over all tokens of the team, however they are spread
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip))
        self._check(total_nats / weight, norm)
        self.optimizer.step()
        self.updates += 1
        self.tokens += int(weight)
        self.learnt += int(learnt)
        self.places += int(places)
        self._average()
        return Measured(total_nats / weight, norm, saves > 0)

    def _rate(self) -> float:
        progress = min(1.0, self.updates / self.total) if self.total else 0.0
        cosine = FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
        return self.recipe.learning_rate * cosine * min(1.0, (self.updates + 1) / self.recipe.warmup_updates)

    def _evaluate_every(self) -> int:
        return max(SHORTEST_INTERVAL, round(self.total * self.recipe.evaluate_every_minutes / self.recipe.minutes))

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.averaging, (1 + self.updates) / (10 + self.updates))
        for mean, weight in zip(self.mean.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)

    def _check(self, loss: float, norm: float) -> None:
        self.vanished = self.vanished + 1 if norm < VANISHED_NORM else 0
        if not (math.isfinite(loss) and math.isfinite(norm)):
            told = f"loss {loss}, norm {norm}"
            raise TrainingDiverged(f"The gradients exploded at update {self.updates}: {told}. Lower the learning rate.")
        if self.vanished >= PATIENCE_WITH_VANISHED:
            told = f"under {VANISHED_NORM} for {self.vanished} updates"
            raise TrainingDiverged(f"The gradients vanished: their norm stayed {told}.")

    def _evaluate(self) -> None:
        share = evaluate(self.mean, self.corpus.validation(self.recipe.rows, self.recipe.chunk, self.team.rows))
        counts = torch.tensor((share.nats, share.units), dtype=torch.float64, device=self.device)
        self.team.add_up([counts])
        score = Score(float(counts[0]), int(counts[1])).nats_per_unit
        self._log(kind="validation", nats=score, unit=self.corpus.unit)
        if self.team.leads:
            tqdm.write(f"{self.seconds / 60:6.1f} min  update {self.updates}  validation {score:.4f} nats per {self.corpus.unit}")
        if score < self.best:
            self.best, self.stale = score, 0
            if self.team.leads:
                self.folder.save("best", self.mean.state_dict())
        else:
            self.stale += 1

    def _tell(self, bar: Any, measured: Measured) -> None:
        bar.set_postfix(loss=f"{measured.loss:.3f}", norm=f"{measured.gradient_norm:.2f}")
        padding = round(1 - self.learnt / self.places, 4)
        self._log(kind="train", loss=measured.loss, gradient_norm=measured.gradient_norm, rate=self._rate(), padding=padding)

    def _log(self, **entry: Any) -> None:
        if self.team.leads:
            self.folder.log(**entry, update=self.updates, tokens=self.tokens, seconds=round(self.seconds, 1))

    def _save(self) -> None:
        """Everything that an unbroken run would go on from. The place in the data is the number of updates."""
        told = self.team.collect((self.state[0].cpu(), self.state[1].cpu(), _random()))
        if not self.team.leads:
            return
        state = [torch.empty(part.shape[0], self.recipe.rows, part.shape[2]) for part in self.state]
        for rank, (h, c, _) in enumerate(told):
            rows = Team(rank, self.team.size).rows
            state[0][:, rows], state[1][:, rows] = h, c
        saved = {
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "state": state,
            "random": [random for _, _, random in told],
            "counters": {name: getattr(self, name) for name in COUNTERS},
            "minutes": self.recipe.minutes,
        }
        self.folder.save("last", saved)


def _random() -> list[Tensor]:
    """The states of the generators that draw dropout masks: the CPU's, and this process's GPU's."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if torch.cuda.is_available() else [])]


def _set_random(states: list[Tensor]) -> None:
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state)
