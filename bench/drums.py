"""How well the drums model foresees human drumming: nats per 16th-step of nine drums, on the official split of Groove MIDI.

Scored from the second bar on, given all that was played before. Floors: Witten-Bell n-grams over whole steps (each one of
512 combinations), and for the accuracy the step that stood there one bar ago.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.card import update_card
from bench.ngram import Floor, WittenBell, strongest
from bench.options import DataSet, Options, read_options
from bench.report import Measurement, show, table
from core.model import RecurrentModel
from core.training.batches import Batch
from core.training.drums import STEPS_PER_BAR, VOCABULARY, DrumCorpus
from core.training.loop import advance, negative_log_likelihood

Ints = NDArray[Any]

DATA = DataSet("the Groove MIDI Dataset", "groove_midi", "*.zip")
HELD_OUT = ("validation", "test")
COMBINATIONS = 2 ** len(VOCABULARY.pitches)
NOTHING = COMBINATIONS  # before the performance began
NATS = "nats per step"
UNIGRAM = "each step by itself"
LAST_BAR = "a bar ago and the steps before"
CONTEXTS = {
    "the steps before": (1, 2, 3),
    LAST_BAR: (16, 1, 2, 3),
    "1, 2, 4 bars ago and the step before": (16, 32, 64, 1),
    "4, 2, 1 bars ago and the step before": (64, 32, 16, 1),
}
"""How many steps back the n-grams look; the first is given up last. How many of them are used is chosen on validation."""
ROWS, CHUNK = 16, 160  # with the longest first, no row waits long for the others
QUICK_PERFORMANCES = 6


@dataclass(frozen=True)
class StepScore:
    """Over the scored steps: nats in all, how many the model's likeliest choice had wholly right, how many there are."""

    nats: float
    right: int
    steps: int


@torch.no_grad()
def score(model: RecurrentModel, batches: Iterator[tuple[Batch, int]]) -> StepScore:
    """A step is right when each of its tokens was the likeliest one: then the likeliest step is the one that was played."""
    model.eval()
    nats, right, steps = 0.0, 0, 0
    state, whole = model.empty_state(ROWS), np.ones(ROWS, bool)
    for batch, units in batches:
        logits, state = advance(model, batch, state)
        nats += float(negative_log_likelihood(logits, batch).double().sum())
        likeliest = logits.masked_fill(~torch.from_numpy(batch.allowed), float("-inf")).argmax(-1).numpy()
        scored, closes = batch.weights > 0, batch.targets >= VOCABULARY.first_duration
        for time in range(len(likeliest)):
            whole &= (likeliest[time] == batch.targets[time]) | ~scored[time]
            right += int((whole & closes[time] & scored[time]).sum())
            whole |= closes[time]  # the next token begins a step
        steps += units
    return StepScore(nats, right, steps)


def withheld(corpus: DrumCorpus) -> DrumCorpus:
    """The same performances, their style and tempo unknown."""

    def untold(tokens: Ints) -> Ints:
        tokens = tokens.copy()
        for place, name in enumerate(VOCABULARY.attributes, start=1):
            if name in ("style", "tempo"):
                tokens[place] = VOCABULARY.attribute_starts[name]
        return tokens

    other = copy.copy(corpus)
    other.encoded = {split: [(untold(tokens), steps) for tokens, steps in pairs] for split, pairs in corpus.encoded.items()}
    return other


def combinations(tokens: Ints, steps: int) -> Ints:
    """What was struck in each step, as one number: a bit for each drum."""
    body = tokens[VOCABULARY.header_length :]
    closes = body >= VOCABULARY.first_duration
    struck = (body >= VOCABULARY.first_pitch) & ~closes
    step: Ints = np.cumsum(closes) - closes
    result = np.zeros(steps, np.int64)
    np.bitwise_or.at(result, step[struck], 1 << (body[struck] - VOCABULARY.first_pitch))
    return result


class Steps:
    """All steps of a split in one row, for the n-grams."""

    def __init__(self, encoded: Sequence[tuple[Ints, int]]) -> None:
        self.codes = np.concatenate([combinations(tokens, steps) for tokens, steps in encoded])
        self.places = np.concatenate([np.arange(steps) for _, steps in encoded])
        self.scored = self.places >= STEPS_PER_BAR

    def ago(self, steps: int) -> Ints:
        before = np.full_like(self.codes, NOTHING)
        before[steps:] = self.codes[:-steps]
        return np.where(self.places >= steps, before, NOTHING)

    def copies_of_last_bar(self) -> float:
        """The share of scored steps that are as one bar before."""
        return float((self.codes == self.ago(STEPS_PER_BAR))[self.scored].mean())


def ngram_floors(steps: dict[str, Steps]) -> dict[str, list[Floor]]:
    """By kind of context, one floor for each number of steps looked at."""
    floors: dict[str, list[Floor]] = {}
    for kind, lags in CONTEXTS.items():
        model = WittenBell([steps["train"].ago(lag) for lag in lags], steps["train"].codes, COMBINATIONS + 1, COMBINATIONS)
        by_split = []
        for split in HELD_OUT:
            here = steps[split]
            by_split.append(model.nats([here.ago(lag)[here.scored] for lag in lags], here.codes[here.scored]).mean(axis=1))
        names = [UNIGRAM] + [f"steps back: {', '.join(map(str, lags[:depth]))}" for depth in range(1, len(lags) + 1)]
        floors[kind] = [Floor(name, float(v), float(t)) for name, v, t in zip(names, *by_split, strict=True)]
    return floors


def measure(options: Options) -> list[Measurement]:
    corpus, loaded = DrumCorpus(options.data(DATA), {}), options.load("drums")
    if corpus.tokenizer_config() != loaded.card.tokenizer:
        options.stop("cannot use the checkpoint: its vocabulary is not the one that the data is written in now")
    for split in HELD_OUT:
        longest_first = sorted(corpus.encoded[split], key=lambda pair: -len(pair[0]))
        corpus.encoded[split] = longest_first[-QUICK_PERFORMANCES:] if options.quick else longest_first
    steps = {split: Steps(encoded) for split, encoded in corpus.encoded.items()}
    for split, here in steps.items():
        counted = f"{len(here.codes):,} steps, {here.scored.sum():,} from the second bar on"
        print(f"{split}: {len(corpus.encoded[split])} performances, {counted}")
    floors = ngram_floors(steps)
    print("\nWitten-Bell n-grams over whole steps, nats per step")
    rows = {floor.name: (floor.name, floor.validation, floor.test) for kind in floors.values() for floor in kind}
    print(table(["context", *HELD_OUT], list(rows.values())))
    print(f"the last-bar n-gram is {strongest(floors[LAST_BAR]).name}\n")
    floor = strongest(floor for kind in floors.values() for floor in kind)
    floor_is = f"Witten-Bell n-gram over {floor.name}, the best on validation"
    untold, found = withheld(corpus), []
    for split in reversed(HELD_OUT):
        under, copied = floor.on(split), 100 * steps[split].copies_of_last_bar()
        told = score(loaded.model, corpus.scoring(split, ROWS, CHUNK))
        blind = score(loaded.model, untold.scoring(split, ROWS, CHUNK))
        for what, nats in ((NATS, told.nats / told.steps), (f"{NATS}, style and tempo withheld", blind.nats / blind.steps)):
            found.append(Measurement(what, nats, NATS, "lower", split, under, floor_is))
        right = 100 * told.right / told.steps
        found.append(Measurement("steps wholly right", right, "%", "higher", split, copied, "copying the step of one bar ago"))
    if options.update_card:
        update_card(loaded.card, options.checkpoints, found, options.command)
    show("drums", loaded.card, found, options.quick)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    measure(read_options("drums", __doc__, arguments))


if __name__ == "__main__":
    main()
