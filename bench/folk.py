"""How well the folk model foresees tunes it has not seen: nats per note of the whole body, told metre, key and style.

The nats of all body tokens (pitches, lengths, held notes and the end) are summed and divided by the notes. Floor: the
best Witten-Bell n-gram over the same tokens and the same training tunes; its order, whether it learns the tunes in all
keys, and whether it is held to the grammar as the model is, are chosen on validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.card import update_card
from bench.ngram import Floor, WittenBell, preceding, strongest
from bench.options import DataSet, Options, read_options
from bench.report import Measurement, show, table
from core.music.context import MusicContext
from core.training.folk import VOCABULARY, FolkCorpus
from core.training.loop import evaluate

Ints = NDArray[Any]

DATA = DataSet("the folk tunes in ABC", "folk_tunes_abc", "folk_tunes.jsonl.zst")
HELD_OUT = ("validation", "test")
SPLITS = ("train", *HELD_OUT)
LONGEST_CONTEXT = 9  # tokens; a note is two
NOTHING = VOCABULARY.size  # before the tune began
ROWS, CHUNK = 48, 32
QUICK_TUNES = {"train": 300, "validation": 25, "test": 25}
TARGET_RATIO = 0.9


def in_all_keys(tokens: Ints) -> list[Ints]:
    """The tune in each of the twelve keys that keeps it in range, its key token moved along."""
    v = VOCABULARY
    pitched = (tokens >= v.first_pitch) & (tokens < v.first_duration)
    room_below = tokens[pitched].min() - v.first_pitch
    room_above = v.first_duration - 1 - tokens[pitched].max()
    place, unknown = 1 + v.attributes.index("key"), v.attribute_starts["key"]
    moved = []
    for shift in range(-min(6, room_below), min(5, room_above) + 1):
        other = tokens.copy()
        other[pitched] += shift
        if tokens[place] != unknown:
            mode, keynote = divmod(int(tokens[place]) - unknown - 1, 12)
            other[place] = unknown + 1 + mode * 12 + (keynote + shift) % 12
        moved.append(other)
    return moved


class Bodies:
    """The body tokens of many tunes in one row, each with what came before it."""

    def __init__(self, tunes: Sequence[Ints]) -> None:
        tokens = np.concatenate(tunes).astype(np.int16)
        places = np.concatenate([np.arange(len(tune)) for tune in tunes])
        body = places >= VOCABULARY.header_length
        self.tokens = tokens[body]
        self.columns = [column[body] for column in preceding(tokens, places, LONGEST_CONTEXT, NOTHING)]
        self.notes = int(((self.tokens >= VOCABULARY.first_pitch) & (self.tokens < VOCABULARY.first_duration)).sum())


def grammar(tunes: Sequence[Ints]) -> NDArray[np.bool_]:
    """What may stand at each body token, as the model is told: (tokens, vocabulary), in the order of Bodies."""
    masks = []
    for first in range(0, len(tunes), ROWS):
        group = tunes[first : first + ROWS]
        context = MusicContext(VOCABULARY, len(group))
        for row in range(len(group)):
            context.reset(row)
        padded = np.zeros((max(map(len, group)), len(group)), np.int64)
        for row, tune in enumerate(group):
            padded[: len(tune), row] = tune
        allowed = []
        for tokens in padded[1:]:
            allowed.append(context.allowed())
            context.advance(tokens)
        together = np.stack(allowed)  # (time, rows, vocabulary), from the first token after START on
        masks += [together[VOCABULARY.header_length - 1 : len(tune) - 1, row] for row, tune in enumerate(group)]
    return np.concatenate(masks)


def ngram_floors(tunes: dict[str, list[Ints]]) -> dict[str, list[Floor]]:
    """By what the n-gram is given, one floor for each length of context: nats per note."""
    bodies = {split: Bodies(tunes[split]) for split in HELD_OUT}
    allowed = {split: grammar(tunes[split]) for split in HELD_OUT}
    floors: dict[str, list[Floor]] = {}
    transposed = [key for tune in tunes["train"] for key in in_all_keys(tune)]
    for keys, learned in (("as written", tunes["train"]), ("in all keys", transposed)):
        training = Bodies(learned)
        model = WittenBell(training.columns, training.tokens, NOTHING + 1, VOCABULARY.size)
        for rules in ("", " and the grammar"):
            per_note = []
            for split in HELD_OUT:
                here = bodies[split]
                nats = model.nats(here.columns, here.tokens, allowed[split] if rules else None)
                per_note.append(nats.sum(axis=1) / here.notes)
            kind = f"tunes {keys}{rules}"
            floors[kind] = [
                Floor(f"{kind}, {depth} tokens back", float(validation), float(test))
                for depth, (validation, test) in enumerate(zip(*per_note, strict=True))
            ]
    return floors


def measure(options: Options) -> list[Measurement]:
    corpus, loaded = FolkCorpus(options.data(DATA), {}), options.load("folk")
    if corpus.tokenizer_config() != loaded.card.tokenizer:
        options.stop("cannot use the checkpoint: its vocabulary is not the one that the data is written in now")
    if options.quick:
        by_split = {split: [tune for tune in corpus.tunes if tune.split == split] for split in SPLITS}
        corpus.tunes = [tune for split, count in QUICK_TUNES.items() for tune in by_split[split][:count]]
    tunes = {split: [corpus.encode(tune) for tune in corpus.tunes if tune.split == split] for split in SPLITS}
    for split, encoded in tunes.items():
        here = Bodies(encoded)
        print(f"{split}: {len(encoded)} tunes, {here.notes:,} notes, {len(here.tokens):,} body tokens")
    floors = ngram_floors(tunes)
    for split in HELD_OUT:
        print(f"\nWitten-Bell n-grams, nats per note on {split}, by the tokens that they look back")
        rows: list[tuple[str | float, ...]] = [
            (kind, *(floor.on(split) for floor in by_depth)) for kind, by_depth in floors.items()
        ]
        print(table(["learned from", *map(str, range(LONGEST_CONTEXT + 1))], rows))
    floor = strongest(floor for by_depth in floors.values() for floor in by_depth)
    floor_is = f"best Witten-Bell n-gram on validation ({floor.name})"
    print()
    found = []
    for split in reversed(HELD_OUT):
        score = evaluate(loaded.model, corpus.scoring(split, ROWS, CHUNK))
        under = floor.on(split)
        share = f"{1 - score.nats_per_unit / under:.1%} below the floor (wanted: {1 - TARGET_RATIO:.0%})"
        print(f"{split}: {score.nats_per_unit:.4f} nats per note, {share}")
        found.append(Measurement("nats per note", score.nats_per_unit, "nats per note", "lower", split, under, floor_is))
    print()
    if options.update_card:
        update_card(loaded.card, options.checkpoints, found, options.command)
    show("folk", loaded.card, found, options.quick)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    measure(read_options("folk", __doc__, arguments))


if __name__ == "__main__":
    main()
