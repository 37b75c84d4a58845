"""How well the shakespeare model foresees the last 10 % of tiny-shakespeare: nats per character.

Over all disjoint windows of 256 characters at four offsets, the state empty at each start, as transformers of that
context are measured; and once through the whole text with the state carried along, which is how a recurrent network
reads. Floor: a Witten-Bell n-gram over characters, its order chosen on the validation part of the first 90 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.card import update_card
from bench.ngram import WittenBell, preceding
from bench.options import DataSet, Options, read_options
from bench.report import Measurement, show, table
from core.training.batches import Batch, Score
from core.training.loop import evaluate
from core.training.shakespeare import TextCorpus, windows

Ints = NDArray[Any]

DATA = DataSet("tiny-shakespeare", "tinyshakespeare", "input.txt")
NATS = "nats per character"
WINDOW = 256
OFFSETS = (0, 64, 128, 192)
ROWS = 64
LONGEST_CONTEXT = 7
QUICK_CHARACTERS = 4096
PUBLISHED = "published elsewhere: nanoGPT 1.4697 (transformer, 10.6M weights, random windows of 256), minLSTM 1.555, minGRU 1.548"


def carried(tokens: Ints) -> Iterator[tuple[Batch, int]]:
    """The text once, in one row, its state empty only at the beginning; the last window, if it is not full, is left out."""
    for place, (batch, units) in enumerate(windows(tokens, WINDOW, 1, offsets=(0,))):
        yield replace(batch, fresh=np.array([place == 0])), units


def ngram_nats(learned: Ints, scored: Ints, size: int) -> Ints:
    """Mean nats per character of `scored` for contexts of 0, 1, … characters."""

    def columns(tokens: Ints) -> list[Ints]:
        return preceding(tokens, np.arange(len(tokens)), LONGEST_CONTEXT, nothing=size)

    model = WittenBell(columns(learned), learned, size + 1, size)
    means: Ints = model.nats([column[1:] for column in columns(scored)], scored[1:]).mean(axis=1)
    return means


def measure(options: Options) -> list[Measurement]:
    corpus, loaded = TextCorpus(options.data(DATA), {}), options.load("shakespeare")
    if corpus.tokenizer_config() != loaded.card.tokenizer:
        options.stop("cannot use the checkpoint: its alphabet is not that of this text")
    test = np.array(corpus.tokenizer.encode(corpus.test_text))
    if options.quick:
        test = test[: QUICK_CHARACTERS + 1]
    size, choosing = corpus.tokenizer.size, corpus.validation_tokens
    print(f"{len(corpus.tokens):,} characters to learn from, {len(choosing):,} of them to choose by; {len(test):,} to foresee\n")
    on_validation, on_test = ngram_nats(corpus.training_tokens, choosing, size), ngram_nats(corpus.tokens, test, size)
    print("Witten-Bell n-grams, nats per character, by the characters that they look back")
    heads, by_order = map(str, range(LONGEST_CONTEXT + 1)), {"validation": on_validation, "test": on_test}
    print(table(["on", *heads], [(split, *map(float, nats)) for split, nats in by_order.items()]), "\n")
    order = int(np.argmin(on_validation))
    floor, floor_is = float(on_test[order]), f"Witten-Bell n-gram, {order} characters back, the best on validation"
    at_offsets = {offset: evaluate(loaded.model, windows(test, WINDOW, ROWS, (offset,))) for offset in OFFSETS}
    rows = [(str(offset), score.nats_per_unit, str(score.units // WINDOW)) for offset, score in at_offsets.items()]
    print(table([f"windows of {WINDOW} from", NATS, "windows"], rows), "\n")
    together = Score(sum(score.nats for score in at_offsets.values()), sum(score.units for score in at_offsets.values()))
    through = evaluate(loaded.model, carried(test))
    found = [
        Measurement(NATS, together.nats_per_unit, NATS, "lower", "test", floor, floor_is),
        Measurement(f"{NATS}, state carried along", through.nats_per_unit, NATS, "lower", "test", floor, floor_is),
    ]
    if options.update_card:
        update_card(loaded.card, options.checkpoints, found, options.command)
    print(PUBLISHED)
    show("shakespeare", loaded.card, found, options.quick)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    measure(read_options("shakespeare", __doc__, arguments))


if __name__ == "__main__":
    main()
